"""Engines that propose the clips of the largest inner products: one file each, found by listing this folder.

An engine module has DESCRIPTION, BY_URL (whether it lives at an address), SCANS (whether its engine is a `Scanner`),
open_engine(folder, name, dimension, url), which gives an `Engine`, and drop(folder, name, url), which removes all that
it stored, damaged or not.
"""

import sys
from pathlib import Path
from types import ModuleType

from avgzsl import registry
from avgzsl.errors import ConfigError
from avgzsl.index.engines.base import Engine

_SUPPORT = ("base",)


def engines() -> dict[str, str]:
    """Names of the engines, each with one line about it."""
    package = sys.modules[__name__]
    names = registry.available(package, support=_SUPPORT)
    return {name: str(registry.load(package, "engine", name, support=_SUPPORT).DESCRIPTION) for name in names}


def open_engine(kind: str, folder: Path, name: str, dimension: int, url: str | None = None) -> Engine:
    """The vectors `name` of an engine, none where they are not there yet.

    Raises UnknownNameError, ConfigError for a url that the engine has no use for or lacks.
    """
    module = _module(kind)
    if url is not None and not module.BY_URL:
        raise ConfigError(f"the engine {kind} is a folder on disk and takes no url; leave {url!r} out")
    if url is None and module.BY_URL:
        raise ConfigError(f"the engine {kind} needs a url, as in --url http://localhost:6333")
    engine: Engine = module.open_engine(folder, name, dimension, url)
    return engine


def scans(kind: str) -> bool:
    """Whether the engine gives the inner products of all vectors at once. Raises UnknownNameError."""
    return bool(_module(kind).SCANS)


def drop(kind: str, folder: Path, name: str, url: str | None) -> None:
    """Remove the vectors `name`, damaged or not. Raises AvgzslError where disk or server refuse."""
    _module(kind).drop(folder, name, url)


def _module(kind: str) -> ModuleType:
    return registry.load(sys.modules[__name__], "engine", kind, support=_SUPPORT)
