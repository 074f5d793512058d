"""Engines that propose the clips of the largest inner products: one file each, found by listing this folder.

An engine module has DESCRIPTION, BY_URL (whether it lives at an address), SCANS (whether its engine is a `Scanner`),
open_engine(folder, name, dimension, url), which gives an `Engine`, and drop(folder, name, url), which removes all that
it stored, damaged or not. One that lives at an address has an EXAMPLE of it, too.

An address is called, and gets its user's key, only where the user gave it: see `address`. An engine gets it as a value
that shows itself bare (`avgzsl.support.confidential`), and keeps it as such.
"""

import os
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from avgzsl.archive.engines._base import Engine, Scanner
from avgzsl.errors import ConfigError
from avgzsl.support import registry
from avgzsl.support.confidential import Address

__all__ = ["VARIABLE", "Engine", "Scanner", "address", "drop", "engines", "open_engine", "scans"]

VARIABLE = "AVGZSL_ENGINE_URL"


def engines() -> dict[str, str]:
    """Names of the engines, each with one line about it."""
    package = sys.modules[__name__]
    names = registry.available(package)
    return {name: str(registry.load(package, "engine", name).DESCRIPTION) for name in names}


def address(kind: str, given: str | Address | None, noted: str | None = None) -> Address | None:
    """Where the engine is: as `given` by the user, else as AVGZSL_ENGINE_URL says; None for an engine on disk.

    What is `noted` in an index, which somebody else may have made, is told in the error and never called. Raises
    UnknownNameError, ConfigError for an address that the engine has no use for or lacks, or that holds a secret.
    """
    module = _module(kind)
    url = Address(given) if isinstance(given, str) else given
    if not module.BY_URL:
        if url is not None:
            raise ConfigError(f"the engine {kind} is a folder on disk and takes no url; leave '{url}' out")
        return None
    if url is None or not url.whole():
        url = Address(os.environ.get(VARIABLE, ""))
    if not url.whole():
        hint = f" The index names {noted}: give that, if you trust it." if noted else ""
        raise ConfigError(f"the engine {kind} needs a url, as in --url {module.EXAMPLE}, or in {VARIABLE}.{hint}")
    _require_bare(url, module.EXAMPLE)
    return url


def _require_bare(url: Address, example: str) -> None:
    """Raises ConfigError for what is no address, or holds a name, a password or a question."""
    text = url.whole()
    try:
        parts = urlsplit(text)
        complete = bool(parts.scheme and parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete or not text.isprintable() or " " in text:
        raise ConfigError(f"{url} is no address; expected one as {example}")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(
            f"{url}: holds more than an address (a name, a password, ? or #); keys come from the "
            f"engine's own variable, as QDRANT_API_KEY. Expected one as {example}"
        )


def open_engine(kind: str, folder: Path, name: str, dimension: int, url: str | Address | None = None) -> Engine:
    """The vectors `name` of an engine at an `address`. Raises UnknownNameError, ConfigError for the address."""
    engine: Engine = _module(kind).open_engine(folder, name, dimension, address(kind, url))
    return engine


def scans(kind: str) -> bool:
    """Whether the engine gives the inner products of all vectors at once. Raises UnknownNameError."""
    return bool(_module(kind).SCANS)


def drop(kind: str, folder: Path, name: str, url: str | Address | None) -> None:
    """Remove the vectors `name`, damaged or not. Raises AvgzslError where disk or server refuse."""
    _module(kind).drop(folder, name, address(kind, url))


def _module(kind: str) -> ModuleType:
    return registry.load(sys.modules[__name__], "engine", kind)
