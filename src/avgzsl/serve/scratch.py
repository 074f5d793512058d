"""A folder for files that live as long as the server, and what servers that were killed have left of theirs."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows: nothing tells there whose server is dead, so nothing is cleared
    fcntl = None  # type: ignore[assignment]

_PREFIX = "avgzsl-serve-"
_LOCK = ".lock"


class Scratch:
    """The folder. Something that clears temporary folders may remove it: it is made anew when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def folder(self) -> Path:
        """The folder, which is there."""
        self._path.mkdir(mode=0o700, exist_ok=True)
        return self._path


@contextmanager
def scratch() -> Iterator[Scratch]:
    """A folder of temporary files, which goes when it is left. What dead servers of this user left goes now."""
    _clear()
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with _locked(path):
            yield Scratch(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Whoever can take the lock knows that the server is dead. It is taken before it has its name."""
    if fcntl is None:
        yield
        return
    with (folder / f"{_LOCK}.new").open("xb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Path(lock.name).rename(folder / _LOCK)
        yield


def _clear() -> None:
    if fcntl is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with _dead(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # of another user, alive, already gone, or made by something else
            continue


def _dead(folder: Path) -> BinaryIO:
    """The lock of a dead server's folder, taken. Raises OSError where it is no such folder."""
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(folder)
    lock = os.fdopen(os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW), "rb+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        lock.close()
        raise
    return lock
