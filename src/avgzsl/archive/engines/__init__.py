"""Engines that propose the clips of the largest inner products: one a file.

They are found by listing this folder and the entry points `avgzsl.index_engines`; `EnginePlugin` is the contract of a
file, `Engine` that of what it opens, and `avgzsl.testing` has the suite of tests for them.

An address is called, and gets its user's key, only where the user gave it: see `address`. An engine gets it as a value
that shows itself bare (`avgzsl.support.confidential`), and keeps it as such.
"""

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from avgzsl.archive.engines._base import (
    BatchScanner,
    Engine,
    EnginePlugin,
    Filtering,
    PartialAnswer,
    Rounding,
    Scan,
    Scanner,
    ShardedEngine,
    Tuned,
)
from avgzsl.errors import ConfigError
from avgzsl.support import registry
from avgzsl.support.confidential import Address, entries, is_folder, one_by_one
from avgzsl.support.registry import Plugins, keeps

__all__ = [
    "VARIABLE",
    "BatchScanner",
    "Engine",
    "EnginePlugin",
    "Filtering",
    "PartialAnswer",
    "Rounding",
    "Scan",
    "Scanner",
    "Shard",
    "ShardedEngine",
    "Tuned",
    "address",
    "default_engine",
    "drop",
    "engines",
    "filters",
    "is_approximate",
    "open_engine",
    "scans",
    "shards",
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
        hint = f" The index names {noted} (no more of an address is kept): give that, if you trust it." if noted else ""
        raise ConfigError(f"the engine {kind} needs a url, as in --url {example}, or in {VARIABLE}.{hint}")
    if getattr(PLUGINS.load(kind), "LISTS", False):
        shards(url)
    else:
        _require_bare(url, example)
    return url


class Shard(NamedTuple):
    """One of several places of vectors: an engine, and its address, or its folder."""

    engine: str
    url: Address | None
    folder: Path | None

    def __str__(self) -> str:
        return str(self.folder if self.url is None else self.url)


def shards(url: Address) -> list[Shard]:
    """The places in a list of addresses, `[ENGINE=]ADDRESS,…`; one that names no engine has that of the one before.

    An engine on disk has a folder for an address. Raises ConfigError for what is no such list, UnknownNameError.
    """
    found: list[Shard] = []
    for named, entry in entries(url.whole()):
        engine = named or (found[-1].engine if found else None)
        if engine is None:
            raise ConfigError(f"{url}: does not say of which engine the first address is; expected ENGINE=ADDRESS,…")
        plugin = PLUGINS.load(engine)
        if getattr(plugin, "LISTS", False):
            raise ConfigError(f"{url}: a shard cannot be {engine} itself; name the engine of each address")
        if plugin.EXAMPLE is None:
            if not is_folder(entry):
                raise ConfigError(f"{url}: {engine} is a folder on disk; expected one as {engine}=/disk/vectors")
            found.append(Shard(engine, None, Path(entry).expanduser().absolute()))
        else:
            _require_bare(Address(entry), plugin.EXAMPLE)
            found.append(Shard(engine, Address(entry), None))
    if len(set(found)) < len(found):
        raise ConfigError(f"{url}: names the same place twice; every shard needs one of its own")
    return found


def _require_bare(url: Address, example: str) -> None:
    """Raises ConfigError for what is no address, or holds a name, a password or a question."""
    text = url.whole()
    try:
        parts = urlsplit(text)
        hosts = [urlsplit(one) for one in one_by_one(text)]  # several, where PostgreSQL has a standby
        complete = all(host.scheme and host.hostname and host.port != 0 for host in hosts)
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


def filters(kind: str) -> bool:
    """Whether the engine is a `Filtering` one. Raises UnknownNameError."""
    return bool(getattr(PLUGINS.load(kind), "FILTERS", False))


def is_approximate(kind: str, url: str | Address | None = None) -> bool:
    """Whether the engine may miss some of the nearest. Raises UnknownNameError, ConfigError for the address."""
    said = getattr(PLUGINS.load(kind), "APPROXIMATE", False)
    return bool(said(address(kind, url)) if callable(said) else said)


def drop(kind: str, folder: Path, name: str, url: str | Address | None) -> None:
    """Remove the vectors `name`, damaged or not. Raises AvgzslError where disk or server refuse."""
    PLUGINS.load(kind).drop(folder, name, address(kind, url))
