"""Plug-ins found by listing a folder: one file a name, `least_squares.py` is `least-squares`.

Listing imports nothing; only the module that is asked for is imported, so a broken or heavy neighbour costs nobody.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from avgzsl.errors import ConfigError, UnknownNameError


def available(package: ModuleType) -> list[str]:
    """Names of the plug-ins in `package`, sorted; a module whose name begins with `_` is a helper of theirs."""
    modules = (module.name for module in pkgutil.iter_modules([str(Path(root)) for root in package.__path__]))
    return sorted(name.replace("_", "-") for name in modules if not name.startswith("_"))


def load(package: ModuleType, kind: str, name: str) -> ModuleType:
    """Import the plug-in `name`. Raises UnknownNameError, naming the near matches."""
    known = available(package)
    if name not in known:
        raise UnknownNameError(unknown(kind, name, known))
    return importlib.import_module(f"{package.__name__}.{name.replace('-', '_')}")


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
