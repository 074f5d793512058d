"""Engines that propose the clips of the largest inner products: one a file.

They are found by listing this folder and the entry points `avgzsl.index_engines`; `EnginePlugin` is the contract of a
file, `Engine` that of what it opens, and `avgzsl.testing` has the suite of tests for them.

An address is called, and gets its user's key, only where the user gave it: see `address`. An engine gets it as a value
that shows itself bare (`avgzsl.support.confidential`), and keeps it as such.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from avgzsl.archive.engines._base import BatchScanner, Engine, EnginePlugin, PartialAnswer, Scan, Scanner, Tuned
from avgzsl.errors import ConfigError
from avgzsl.support import registry
from avgzsl.support.confidential import Address
from avgzsl.support.registry import Plugins, keeps

__all__ = [
    "VARIABLE",
    "BatchScanner",
    "Engine",
    "EnginePlugin",
    "PartialAnswer",
    "Scan",
    "Scanner",
    "Tuned",
    "address",
    "default_engine",
    "drop",
    "engines",
    "is_approximate",
    "open_engine",
    "scans",
]

OWN: Plugins[EnginePlugin] = Plugins(__name__, "engine", keeps(EnginePlugin))
PLUGINS: Plugins[EnginePlugin] = Plugins(__name__, "engine", keeps(EnginePlugin), "avgzsl.index_engines")

VARIABLE = "AVGZSL_ENGINE_URL"


def engines() -> dict[str, str]:
    """Names of the engines, each with one line about it."""
    return registry.descriptions(PLUGINS)


def default_engine() -> str:
    """The name of the engine of a new index: the one in this folder that says so."""
    return next(name for name in OWN.names() if OWN.load(name).DEFAULT)


def address(kind: str, given: str | Address | None, noted: str | None = None) -> Address | None:
    """Where the engine is: as `given` by the user, else as AVGZSL_ENGINE_URL says; None for an engine on disk.

    What is `noted` in an index, which somebody else may have made, is told in the error and never called. Raises
    UnknownNameError, ConfigError for an address that the engine has no use for or lacks, or that holds a secret.
    """
    example = PLUGINS.load(kind).EXAMPLE
    url = Address(given) if isinstance(given, str) else given
    if example is None:
        if url is not None:
            raise ConfigError(f"the engine {kind} is a folder on disk and takes no url; leave '{url}' out")
        return None
    if url is None or not url.whole():
        url = Address(os.environ.get(VARIABLE, ""))
    if not url.whole():
        hint = f" The index names {noted}: give that, if you trust it." if noted else ""
        raise ConfigError(f"the engine {kind} needs a url, as in --url {example}, or in {VARIABLE}.{hint}")
    _require_bare(url, example)
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
            f"{url}: holds more than an address (a name, a password, ? or #); keys belong into "
            f"a variable of the environment that the engine reads. Expected one as {example}"
        )


def open_engine(kind: str, folder: Path, name: str, dimension: int, url: str | Address | None = None) -> Engine:
    """The vectors `name` of an engine at an `address`. Raises UnknownNameError, ConfigError for the address."""
    return PLUGINS.load(kind).open_engine(folder, name, dimension, address(kind, url))


def scans(kind: str) -> bool:
    """Whether the engine gives the inner products of all vectors at once. Raises UnknownNameError."""
    return PLUGINS.load(kind).SCANS


def is_approximate(kind: str, url: str | Address | None = None) -> bool:
    """Whether the engine may miss some of the nearest. Raises UnknownNameError, ConfigError for the address."""
    said = getattr(PLUGINS.load(kind), "APPROXIMATE", False)
    return bool(said(address(kind, url)) if callable(said) else said)


def drop(kind: str, folder: Path, name: str, url: str | Address | None) -> None:
    """Remove the vectors `name`, damaged or not. Raises AvgzslError where disk or server refuse."""
    PLUGINS.load(kind).drop(folder, name, address(kind, url))
