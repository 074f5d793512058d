"""The folders of media that this machine's user named, to `extract`, `index` or `index-move`: a record of the user's.

It lies in the user's state folder and never in what is passed on, so that an index of somebody else, which may name any
path, cannot say what is shown of this machine. One small file a folder, named by the hash of its path: several commands
may add to the record at once.
"""

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from time import time_ns
from typing import BinaryIO

import platformdirs

from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.files import write_bytes
from avgzsl.support.trust import read_regular

VARIABLE, CACHE_VARIABLE = "AVGZSL_STATE", "AVGZSL_CACHE"
_LONGEST = 1 << 16  # bytes of a path
_TICK = 2_000_000_000  # nanoseconds: the coarsest clock of a file system
_READ: tuple[tuple[Path, int, int, int], tuple[Path, ...]] | None = None  # the records as they were read last
_BY_FOLDERS = os.open in os.supports_dir_fd
_BINARY = getattr(os, "O_BINARY", 0)


def state_folder() -> Path:
    """Where the record is: AVGZSL_STATE, else the user's state folder."""
    return state_root() / "media"


def state_root() -> Path:
    """Where what a user's calls note of this machine is: AVGZSL_STATE, else the user's state folder."""
    return Path(os.environ.get(VARIABLE) or platformdirs.user_state_dir("avgzsl"))


def cache_root() -> Path:
    """Where what can be made anew is kept: AVGZSL_CACHE, else the user's cache folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("avgzsl"))


def folder_at(path: Path | str) -> Path | None:
    """The folder at a path, by its path without links; None where there is none, or it may not be looked at."""
    try:
        return Path(path).resolve() if os.path.isdir(path) else None  # noqa: PTH112  (Path's raises where one may not look)
    except (OSError, ValueError):
        return None


def remember(folder: Path) -> None:
    """Record a folder that the user named, by its path without links.

    Where the record cannot be written the call goes on without: the work at hand does not need it, and `serve` says
    that it needs `--media`.
    """
    path = os.fsencode(folder.resolve())
    record = state_folder() / sha256(path).hexdigest()
    with suppress(AvgzslError, OSError):
        if not record.is_file() or record.read_bytes() != path:
            write_bytes(record, path)


def remembered() -> tuple[Path, ...]:
    """The recorded folders; files that cannot be read or are no such record are passed over.

    They are read again when a record has come or gone, which the time of the folder of records tells.
    """
    global _READ
    place = state_folder()
    try:
        status = place.stat()
    except OSError:
        return ()
    here = place, status.st_dev, status.st_ino, status.st_mtime_ns
    if _READ is not None and _READ[0] == here:
        return _READ[1]
    folders = _records(place)
    # more may come within one tick of the file system's clock, by which its time stays
    _READ = (here, folders) if time_ns() - status.st_mtime_ns > _TICK else None
    return folders


def _records(place: Path) -> tuple[Path, ...]:
    folders = []
    with suppress(OSError):
        for record in sorted(place.iterdir()):
            with suppress(OSError, AvgzslError):
                path = read_regular(record, DataError, _LONGEST)
                if sha256(path).hexdigest() == record.name:
                    folders.append(Path(os.fsdecode(path)))
    return tuple(folders)


def covering(path: Path, folders: Iterable[Path]) -> Path | None:
    """The first of the folders that `path` lies in; both are to be without links, and compare letter by letter."""
    return next((folder for folder in folders if path != folder and path.is_relative_to(folder)), None)


def open_inside(folder: Path, path: Path) -> BinaryIO:
    """Open a regular file, which lies in `folder`, at the end of this path without following a link on the way.

    What is put in the place of a part of the path meanwhile cannot lead elsewhere (on Windows, where folders cannot be
    opened, it can). Never waits, as for a pipe. Raises OSError: ELOOP or ENOTDIR for a link, EINVAL for no file.
    """
    descriptor = _open_inside(folder, path) if _BY_FOLDERS else os.open(path, os.O_RDONLY | _BINARY)
    opened = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        opened.close()
        raise OSError(errno.EINVAL, "is no file", str(path))
    return opened


def _open_inside(folder: Path, path: Path) -> int:
    *between, name = path.relative_to(folder).parts
    if ".." in between or name == "..":
        raise OSError(errno.EINVAL, "leaves the folder", str(path))
    folder_descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in between:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder_descriptor)
            os.close(folder_descriptor)
            folder_descriptor = inner
        mode = os.stat(name, dir_fd=folder_descriptor, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):  # a device may act when it is opened
            raise OSError(errno.EINVAL, "is no file", str(path))
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder_descriptor)
    finally:
        os.close(folder_descriptor)
