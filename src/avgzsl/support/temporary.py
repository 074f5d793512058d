"""Temporary files and folders beside what they will become; what a killed process left is cleared by the next one.

Such a name is `.NAME.PROCESS-RANDOM.tmp`, and its maker holds a lock on it. One whose lock is free and whose process is
no more is nobody's, here or on storage that several machines share. Folders among the system's temporary ones are held
by a locked file in them. Where there are no such locks (Windows) what a killed process left stays.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_HELD = ".avgzsl"
_NAME = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)-\w{8}\.tmp", re.DOTALL)


@contextmanager
def temporary_file(target: Path) -> Iterator[Path]:
    """An empty file beside `target`, which is gone afterwards, unless it was moved. Raises OSError."""
    clear(target)
    descriptor, name = tempfile.mkstemp(prefix=_prefix(target), suffix=".tmp", dir=target.parent)
    path = Path(name)
    try:
        _lock(descriptor)
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """An empty folder beside `target`, which is gone afterwards, unless it was moved. Raises OSError."""
    clear(target)
    path = Path(tempfile.mkdtemp(prefix=_prefix(target), suffix=".tmp", dir=target.parent))
    try:
        with _locked_folder(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def hold(folder: Path) -> int | None:
    """Mark a folder as used by this process, as long as the descriptor that it gives is open. Raises OSError."""
    if os.name != "posix":
        return None
    new = folder / f"{_HELD}.new"
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    _lock(descriptor)  # before it has the name by which others look for it
    new.rename(folder / _HELD)
    return descriptor


def clear_held(prefix: str) -> None:
    """Remove the temporary folders of this user that dead processes held; not those that were never held."""
    if os.name != "posix":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):  # of another user, gone, or made by something else
            if not folder.is_symlink() and folder.stat().st_uid == os.getuid() and is_free(folder / _HELD):
                shutil.rmtree(folder)


def clear(target: Path) -> None:
    """Remove what dead processes left of `target`; whatever cannot be removed stays."""
    for path in leftovers(target.parent):
        if _maker(path, target.name) is not None:
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def leftovers(folder: Path) -> list[Path]:
    """The temporary files and folders in a folder that dead processes left."""
    if os.name != "posix" or not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [Path(entry.path) for entry in entries if entry.name.startswith(".") and not entry.is_symlink()]
    return [path for path in names if (maker := _maker(path)) is not None and not _runs(maker) and is_free(path)]


def _prefix(target: Path) -> str:
    return f".{target.name}.{os.getpid()}-"


def _maker(path: Path, name: str | None = None) -> int | None:
    match = _NAME.fullmatch(path.name)
    return int(match["process"]) if match is not None and name in (None, match["name"]) else None


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def _lock(descriptor: int) -> bool:
    """Lock a file: whether this process has the lock now. It keeps it as long as the descriptor is open."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _locked_folder(path: Path) -> Iterator[None]:
    if os.name != "posix":  # a folder cannot be opened there
        yield
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def is_free(path: Path) -> bool:
    """Whether no process holds a lock on a file or folder; where there are no locks (Windows), it is free."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)
