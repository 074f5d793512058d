"""What the file of a clip was when its features were taken (size, time, hash), and what has become of it since."""

import os
import stat
from hashlib import sha256
from pathlib import Path
from time import monotonic, time_ns
from typing import BinaryIO, Literal, NamedTuple

_PIECE = 1 << 20
_NO_LIMIT = 1 << 62
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_TICK = 2_000_000_000  # nanoseconds: the coarsest clock of a file system
_MOST_HASHES = 1 << 16

FileState = Literal["same", "changed", "gone", "touched", "unknown"]
"""`changed`: other bytes than were indexed. `touched`: as many bytes, of another time, which nobody has compared.
`unknown`: the index does not say what was there."""


class IndexedFile(NamedTuple):
    """A file as it was: bytes, nanoseconds, and SHA-256."""

    size: int
    mtime_ns: int
    sha256: str


class Identity(NamedTuple):
    """Which file it is, and which of its contents: what is put in its place, or written into it, has another."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


_HASHES: dict[Identity, str] = {}


class HashTimeout(Exception):
    """The file was not read to its end in the time that there was."""


def identity(status: os.stat_result) -> Identity:
    """Of an open file, or one that was looked at."""
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def state(path: str | Path, file: IndexedFile | None, most: int = _NO_LIMIT) -> FileState:
    """What has become of a file. One of another time is compared by its hash if it has at most so many bytes."""
    try:
        status = os.stat(path)  # noqa: PTH116  (paths that others made may be no paths)
    except (OSError, ValueError):
        return "gone"
    if not stat.S_ISREG(status.st_mode):
        return "gone"
    if file is None:
        return "unknown"
    if status.st_size != file.size:
        return "changed"
    if status.st_mtime_ns == file.mtime_ns:
        return "same"
    if status.st_size > most:
        return "touched"
    return "same" if has_bytes_of(path, file) else "changed"


def has_bytes_of(path: str | Path, file: IndexedFile) -> bool:
    """Whether a file has the bytes that were indexed; False for one that cannot be read."""
    try:
        with os.fdopen(os.open(path, _FLAGS), "rb") as stream:
            return has_bytes(stream, file)
    except (OSError, ValueError):
        return False


def has_bytes(stream: BinaryIO, file: IndexedFile, seconds: float = float("inf")) -> bool:
    """Whether an open file has the bytes that were indexed; it is left at its begin. Raises HashTimeout, OSError."""
    here = identity(os.fstat(stream.fileno()))
    if here.size != file.size:
        return False
    if here not in _HASHES:
        digest = _hash(stream, here.size, monotonic() + seconds)
        unchanged = identity(os.fstat(stream.fileno())) == here
        if not unchanged or time_ns() - here.ctime_ns < _TICK:  # it may be written again, and its times stay
            return unchanged and digest == file.sha256
        if len(_HASHES) >= _MOST_HASHES:
            _HASHES.clear()
        _HASHES[here] = digest
    return _HASHES[here] == file.sha256


def is_gone(path: str) -> bool:
    """Whether there is surely no such file; not where it is only out of reach (forbidden, a server that is away)."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False


def _hash(stream: BinaryIO, size: int, end: float) -> str:
    """SHA-256 of the first `size` bytes. Raises HashTimeout where the clock passes `end`, OSError."""
    digest, left = sha256(), size
    stream.seek(0)
    while left > 0 and (piece := stream.read(min(_PIECE, left))):
        digest.update(piece)
        left -= len(piece)
        if monotonic() > end:
            raise HashTimeout
    stream.seek(0)
    return digest.hexdigest()
