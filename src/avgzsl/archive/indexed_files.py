"""What the files of clips were when their features were taken: size, time of modification, and hash.

They stand in a table beside that of the clips. An index that was made before there was one has none, and of its files
nothing can be said but that they are there.
"""

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from time import monotonic, time_ns
from typing import BinaryIO, Literal, NamedTuple

SCHEMA = """
create table if not exists files (
    path text primary key, size integer not null, mtime_ns integer not null, sha256 text not null) strict, without rowid
"""
_PIECE = 1 << 20
_NO_LIMIT = 1 << 62
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_TICK = 2_000_000_000  # nanoseconds: the coarsest clock of a file system
_MOST_HASHES = 1 << 16

FileState = Literal["same", "changed", "gone", "touched", "unknown"]
"""`changed`: other bytes than were indexed. `touched`: as many bytes, of another time, which nobody has compared.
`unknown`: the index does not say what was there."""


class Indexed(NamedTuple):
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


class TooLong(Exception):
    """The file was not read to its end in the time that there was."""


def note(db: sqlite3.Connection, files: Iterable[tuple[str, Indexed]]) -> None:
    """Say what files were, in place of what was said before."""
    if rows := [(path, *file) for path, file in files]:
        db.execute(SCHEMA)
        db.executemany("insert or replace into files values (?, ?, ?, ?)", rows)


def noted(db: sqlite3.Connection, paths: Iterable[str | None]) -> dict[str, Indexed]:
    """What those of these files were of which it is said."""
    if not _is_there(db):
        return {}
    found: dict[str, Indexed] = {}
    for path in dict.fromkeys(paths):
        row = db.execute("select size, mtime_ns, sha256 from files where path = ?", (path,)).fetchone()
        if row is not None:
            found[path or ""] = Indexed(*row)
    return found


def paths(db: sqlite3.Connection) -> Iterator[tuple[str, bool]]:
    """The path of each clip that has one, and whether it is said what the file was."""
    said = "exists (select 1 from files where files.path = clips.path)" if _is_there(db) else "false"
    for path, says in db.execute(f"select path, {said} from clips where path is not null"):
        yield path, bool(says)


def forget_others(db: sqlite3.Connection) -> None:
    """Forget the files of which there is no clip any more."""
    if _is_there(db):
        db.execute("delete from files where path not in (select path from clips where path is not null)")


def forget(db: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Forget what these files were."""
    if _is_there(db):
        db.executemany("delete from files where path = ?", [(path,) for path in paths])


def identity(status: os.stat_result) -> Identity:
    """Of an open file, or one that was looked at."""
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def state(path: str | Path, file: Indexed | None, most: int = _NO_LIMIT) -> FileState:
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


def has_bytes_of(path: str | Path, file: Indexed) -> bool:
    """Whether a file has the bytes that were indexed; False for one that cannot be read."""
    try:
        with os.fdopen(os.open(path, _FLAGS), "rb") as stream:
            return has_bytes(stream, file)
    except (OSError, ValueError):
        return False


def has_bytes(stream: BinaryIO, file: Indexed, seconds: float = float("inf")) -> bool:
    """Whether an open file has the bytes that were indexed; it is left at its begin. Raises TooLong, OSError."""
    here = identity(os.fstat(stream.fileno()))
    if here.size != file.size:
        return False
    if here not in _HASHES:
        found, still = _hash(stream, here, monotonic() + seconds), identity(os.fstat(stream.fileno()))
        if still != here or time_ns() - here.ctime_ns < _TICK:  # it may be written again, and its times stay
            return still == here and found == file.sha256
        if len(_HASHES) >= _MOST_HASHES:
            _HASHES.clear()
        _HASHES[here] = found
    return _HASHES[here] == file.sha256


def is_gone(path: str) -> bool:
    """Whether there is surely no such file; not where it is only out of reach (forbidden, a server that is away)."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False


def _is_there(db: sqlite3.Connection) -> bool:
    return db.execute("select 1 from sqlite_master where type = 'table' and name = 'files'").fetchone() is not None


def _hash(stream: BinaryIO, here: Identity, end: float) -> str:
    digest, left = sha256(), here.size
    stream.seek(0)
    while left > 0 and (piece := stream.read(min(_PIECE, left))):
        digest.update(piece)
        left -= len(piece)
        if monotonic() > end:
            raise TooLong
    stream.seek(0)
    return digest.hexdigest()
