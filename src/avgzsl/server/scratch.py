"""A folder for files that live as long as the server, and what servers that were killed have left of theirs."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avgzsl.support.temporary import clear_held, hold

_PREFIX = "avgzsl-serve-"


class Scratch:
    """The folder. Something that clears temporary folders may remove it: it is made anew when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def folder(self) -> Path:
        """The folder; it is made anew where it has gone."""
        self._path.mkdir(mode=0o700, exist_ok=True)
        return self._path


@contextmanager
def scratch() -> Iterator[Scratch]:
    """A folder of temporary files, which goes when it is left. What dead servers of this user left goes now."""
    clear_held(_PREFIX)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        lock = hold(path)
        try:
            yield Scratch(path)
        finally:
            if lock is not None:
                os.close(lock)
    finally:
        shutil.rmtree(path, ignore_errors=True)
