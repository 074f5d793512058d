"""Plug-ins of one kind: those in a folder of this package, and those that installed packages announce.

A file in the folder is a plug-in, `least_squares.py` is `least-squares`; another package announces its own as entry
points of a group. Listing imports nothing, and only the plug-in that is asked for is imported, so a broken or heavy
neighbour costs nobody.
"""

import difflib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from avgzsl.errors import AvgzslError, ConfigError, UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True)
class Plugins(Generic[T]):
    """The plug-ins of one kind.

    `package` is the name of the folder with the package's own; `kind` is what an error calls one of them. `read` gets
    the name of a plug-in and what was imported for it (a module of the folder, or what an entry point names), and gives
    the plug-in back; it raises ConfigError for what is none: see `keeps`. `group` are the entry points of others; None
    where only the package's own are taken.
    """

    package: str
    kind: str
    read: Callable[[str, Any], T]
    group: str | None = None

    def names(self) -> list[str]:
        """All names, sorted, each once; nothing is imported for it."""
        return sorted({entry.name for entry in self._entries()})

    def places(self, name: str) -> list[str]:
        """Where the plug-ins of this name are, in words for an error; more than one: the name is taken twice."""
        return [_place(entry) for entry in self._entries() if entry.name == name]

    def load(self, name: str) -> T:
        """Import a plug-in.

        Raises UnknownNameError that names the near matches, ConfigError for a name that is taken twice, for a plug-in
        that cannot be imported, and for one that is none of this kind.
        """
        entries = [entry for entry in self._entries() if entry.name == name]
        if not entries:
            raise UnknownNameError(unknown(self.kind, name, self.names()))
        if len(entries) > 1:
            raise ConfigError(
                f"{self.kind} {name!r} is there more than once: {' and '.join(map(_place, entries))}; uninstall all "
                "packages but one of them, or rename theirs"
            )
        try:
            imported = entries[0].load()
        except (Exception, SystemExit) as problem:  # the code of others fails in its own way
            raise ConfigError(
                f"{self.kind} {name!r} ({_place(entries[0])}) does not load ({type(problem).__name__}: {problem}); "
                "mend it, or uninstall its package"
            ) from problem
        try:
            return self.read(name, imported)
        except ConfigError as problem:
            raise ConfigError(f"{self.kind} {name!r} ({_place(entries[0])}): {problem}") from problem

    def source(self, name: str) -> str:
        """The text of a plug-in's module, which is not imported for it."""
        modules = [entry.module for entry in self._entries() if entry.name == name]
        spec = importlib.util.find_spec(modules[0]) if len(modules) == 1 else None
        return "" if spec is None or spec.origin is None else Path(spec.origin).read_text(encoding="utf-8")

    def package_of(self, name: str) -> dict[str, str]:
        """Name and version of the installed package that a plug-in is from; empty for the package's own."""
        found = [entry.dist for entry in self._entries() if entry.name == name and entry.dist is not None]
        return {package.name: package.version for package in found}

    def load_all(self) -> tuple[dict[str, T], dict[str, AvgzslError]]:
        """All plug-ins that load, by name, and beside them the errors of those that do not."""
        loaded: dict[str, T] = {}
        broken: dict[str, AvgzslError] = {}
        for name in self.names():
            try:
                loaded[name] = self.load(name)
            except AvgzslError as problem:
                broken[name] = problem
        return loaded, broken

    def _entries(self) -> list[EntryPoint]:
        """The package's own, as if they were entry points, and those that others announce."""
        folders = importlib.import_module(self.package).__path__
        modules = (module.name for module in pkgutil.iter_modules([str(Path(folder)) for folder in folders]))
        own = [
            EntryPoint(name.replace("_", "-"), f"{self.package}.{name}", self.group or "")
            for name in modules
            if not name.startswith("_")  # a helper of theirs
        ]
        return own if self.group is None else [*own, *_announced(self.group, tuple(sys.path))]


class Described(Protocol):
    """What every plug-in that is a module has."""

    @property
    def DESCRIPTION(self) -> str:
        """One line about it."""
        ...


D = TypeVar("D", bound=Described)


def descriptions(plugins: Plugins[D]) -> dict[str, str]:
    """The line about each plug-in, with the package it is from, by name; for one that does not load, the reason."""
    loaded, broken = plugins.load_all()
    lines = {
        name: plugin.DESCRIPTION + "".join(f" [{package}]" for package in plugins.package_of(name))
        for name, plugin in loaded.items()
    }
    return dict(sorted((lines | {name: str(problem) for name, problem in broken.items()}).items()))


def keeps(contract: Any) -> Callable[[str, Any], Any]:
    """A `read` of Plugins for a Protocol: takes what has all of its members, else raises ConfigError, naming those."""

    def read(name: str, imported: Any) -> Any:
        lacking = sorted(member for member in _members(contract) if not hasattr(imported, member))
        if lacking:
            raise ConfigError(f"has no {', '.join(lacking)}; {contract.__module__}.{contract.__name__} asks for it")
        return imported

    return read


def _members(contract: Any) -> set[str]:
    """The public names that a Protocol and its bases declare: calls and attributes."""
    declared = {name for base in contract.__mro__ for name in (*vars(base), *vars(base).get("__annotations__", {}))}
    return {name for name in declared if not name.startswith("_")}


@lru_cache(maxsize=16)  # of a group; read once for each sys.path
def _announced(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of all installed packages. Of a package that is there twice, Python takes the first."""
    announced: dict[str, list[EntryPoint]] = {}
    for distribution in distributions():
        try:
            entries = [entry for entry in distribution.entry_points if entry.group == group]
            if entries:
                announced.setdefault(distribution.name.lower().replace("_", "-"), entries)
        except Exception:  # a package whose own record is damaged: no plug-in of its is known, and others are
            continue
    return tuple(entry for entries in announced.values() for entry in entries)


def _place(entry: EntryPoint) -> str:
    """Where a plug-in is, in words."""
    return entry.value if entry.dist is None else f"{entry.value} of the package {entry.dist.name}"


def require(module: str, extra: str) -> Any:
    """Import an optional library.

    Raises ConfigError: that names the extra to install, or the reason why a library that is installed does not load.
    """
    library = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as problem:
        lacking = (problem.name or library).partition(".")[0]
        needed = f"this needs {library}" + ("" if lacking == library else f", and that needs {lacking}")
        raise ConfigError(
            f"{needed}, which is not installed; install it with: pip install 'avgzsl[{extra}]'"
        ) from problem
    except Exception as problem:  # a library of another machine or version fails in its own way
        raise ConfigError(
            f"this needs {library}, which is installed and does not load ({type(problem).__name__}: {problem}); mend "
            f"that, or install it anew: pip install --force-reinstall 'avgzsl[{extra}]'"
        ) from problem


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not there: near matches first, else all there is."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}."
    return f"unknown {kind} {name!r}; {hint}"
