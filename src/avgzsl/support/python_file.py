"""An object in a Python file that the user names, as `path/to/file.py:Name`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from avgzsl.errors import ConfigError

PREFIX = "avgzsl_file_"  # of the names of modules that are such files


def names_file(text: str) -> bool:
    """Whether this is meant as `FILE.py:Name`, with or without the name; the last colon parts the two."""
    path, colon, _ = text.rpartition(":")
    return (path if colon else text).endswith(".py")


def object_of_file(text: str) -> Any:
    """Run the file and give what it calls `Name`. Raises ConfigError for a file that is not there or does not run.

    Only for what the user wrote: running a file is running a program.
    """
    path, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier():
        raise ConfigError(f"{text}: does not say which class; expected FILE.py:Class")
    module = _module(Path(path))
    if name not in vars(module):
        raise ConfigError(f"{path}: has no {name}; expected FILE.py:Class with a class of that file")
    return vars(module)[name]


def _module(path: Path) -> ModuleType:
    """The file as a module, by a name of its path and content: a file that changed is run anew, the same only once."""
    try:
        source = path.read_bytes()
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read ({problem.strerror}); expected FILE.py:Class") from problem
    name = f"{PREFIX}{sha256(bytes(path.resolve()) + source).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path.resolve())
    assert spec is not None  # of a path that ends in .py
    module = sys.modules[name] = module_from_spec(spec)
    try:
        with _folder_is_searched(path):
            exec(compile(source, path, "exec"), vars(module))  # no cache of bytecode: it knows a change by the second
    except (Exception, SystemExit) as problem:  # the code of others fails in its own way
        del sys.modules[name]
        raise ConfigError(f"{path}: does not run ({type(problem).__name__}: {problem}); mend it") from problem
    return module


@contextmanager
def _folder_is_searched(path: Path) -> Iterator[None]:
    """While the file runs it can import what lies beside it, as a script can."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
