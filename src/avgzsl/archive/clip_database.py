"""The SQLite file of an index: opened for one writer and any number of readers, and checked before it is trusted.

Each reader sees the tables (`clip_table`, `file_table`) as they were when it began. Somebody else may have made the
file: it is read as such (docs/security.md). It has the tables of an index and nothing else, no view and no trigger.
"""

import os
import sqlite3
from collections.abc import Hashable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from avgzsl.archive import clip_counts, clip_files, clip_table, file_table
from avgzsl.archive.clip_order import file_name
from avgzsl.archive.clip_table import FILE
from avgzsl.archive.where import composed, folded
from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.trust import require_one_name

_SCHEMAS = tuple(  # what a file may have, to the letter
    f"{clip_table.SCHEMA}{counts}{by_path}{files}"
    for counts in (
        clip_counts.SCHEMA,
        "",
    )  # indexes that were made before have no counts, nor do they find files' clips
    for by_path in (clip_files.SCHEMA, "")
    for files in ("", f"{file_table.SCHEMA};")
)
_WAIT = 30.0  # seconds for another process's commit
_LARGEST = 1 << 22  # bytes of a clip's row: more than its texts can have
_REFUSED = "FULL", "IOERR", "READONLY", "CANTOPEN", "PERM", "BUSY", "LOCKED", "NOMEM", "INTERRUPT"  # by disk or system
_OBJECTS = "select type, name, tbl_name, sql from sqlite_schema"


def create(folder: Path) -> None:
    """A file of empty tables. Raises FileExistsError where one is there."""
    (folder / FILE).touch(exist_ok=False)
    with errors_named(folder / FILE), closing(_connect(folder / FILE, "mode=rw")) as db:
        schema = f"{clip_table.SCHEMA}{clip_counts.SCHEMA}{clip_files.SCHEMA}"
        db.executescript(f"pragma journal_mode = wal; begin; {schema} commit;")


class Connection(sqlite3.Connection):
    """A connection, and the version of the table as of which it was looked through (`readers`)."""

    version: tuple[Hashable, ...] = ()


@contextmanager
def opened(folder: Path, write: bool = False) -> Iterator[Connection]:
    """A connection in autocommit mode, on which nothing can be changed unless it is to `write`.

    Raises DataError for a damaged table, or one that is not of this program, AvgzslError where the disk refuses.
    """
    path = folder / FILE
    status = _status(path)
    if write:
        require_one_name(status, path, DataError)
    unwritable = not write and _is_unwritable(path)
    with errors_named(path, status if unwritable else None), closing(connected(folder, write)) as db:
        require_tables(db, path)
        yield db


def connected(folder: Path, write: bool = False) -> Connection:
    """A connection as of `opened`, before its tables were looked through. Raises sqlite3.Error, and as `opened`."""
    path = folder / FILE
    _status(path)
    db = _connect(path, _mode(path, not write and _is_unwritable(path)))
    db.execute("pragma trusted_schema = off")
    db.execute("pragma cell_size_check = on")
    if write:
        db.execute("pragma synchronous = full")
        db.execute("pragma secure_delete = on")
    else:
        db.execute("pragma query_only = on")
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
    return db


def require_tables(db: sqlite3.Connection, path: Path) -> None:
    """Raises DataError for a file that has more or less than the tables of an index."""
    objects = sorted(db.execute(f"{_OBJECTS} limit 100").fetchall(), key=repr)
    if not any(objects == _objects_of(schema) for schema in _SCHEMAS):
        raise DataError(f"{path}: does not have the tables of an index; restore it from a copy, or index again")


def identity(folder: Path) -> tuple[Hashable, ...] | None:
    """Which file it is; None where it cannot be written, and SQLite tells of no changes. Raises as `opened`."""
    path = folder / FILE
    status = _status(path)
    return None if _is_unwritable(path) else (status.st_dev, status.st_ino)


def _status(path: Path) -> os.stat_result:
    """Raises DataError where there is no file, or one beside it that SQLite would follow."""
    try:
        status = path.lstat()
    except OSError as problem:
        raise DataError(f"{path}: is gone; restore it from a copy, or index again") from problem
    if os.path.lexists(journal := path.with_name(f"{FILE}-journal")):
        raise DataError(f"{journal}: stands beside a table that never has one; remove it")
    return status


def require_sound(db: sqlite3.Connection, folder: Path) -> None:
    """Raises DataError for a table that does not hold together: its pages, its types, where it says that it stands."""
    (verdict,) = db.execute("pragma quick_check(1)").fetchone()
    if verdict != "ok":
        raise DataError(f"{folder / FILE}: is damaged ({verdict}); restore it from a copy, or index again")
    clip_table.state(db)


def faults(db: sqlite3.Connection) -> list[str]:
    """What is wrong with the file as SQLite reads it, page by page; at most ten lines, none for a whole file."""
    lines = [line for (line,) in db.execute("pragma integrity_check(10)")]
    return [] if lines == ["ok"] else lines[:10]


def _is_unwritable(path: Path) -> bool:
    """Whether nothing can be written where it lies: then no log of changes can be kept beside it, either."""
    return not os.access(path.parent, os.W_OK)


def _mode(path: Path, unwritable: bool) -> str:
    """How SQLite opens the file. Raises AvgzslError for changes that cannot be read."""
    if not unwritable:
        return "mode=rw"  # also to read: others' changes lie in a log beside it, in which readers have a place
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or not log.stat().st_size:
        return "mode=ro&immutable=1"
    if not path.with_name(f"{path.name}-shm").exists():
        raise AvgzslError(
            f"{path}: its last changes are in {log.name}, which cannot be read in a place that cannot be written to; "
            "copy the index to where it can, all files of it"
        )
    return "mode=ro"


def _connect(path: Path, mode: str) -> Connection:
    name = quote(os.fsencode(path.absolute()))
    uri = f"file:{name}?{mode}"
    db = sqlite3.connect(uri, _WAIT, isolation_level=None, uri=True, factory=Connection, check_same_thread=False)
    db.create_function("folded", 1, folded, deterministic=True)
    db.create_function("composed", 1, composed, deterministic=True)
    db.create_function("file_name", 1, file_name, deterministic=True)
    return db


@contextmanager
def errors_named(path: Path, before: os.stat_result | None = None) -> Iterator[None]:
    """Errors of SQLite come as those of this package. Where `before` is given, the file must still be as it was."""
    try:
        yield
        if before is not None:
            _require_unchanged(path, before)
    except sqlite3.Error as problem:
        if before is not None:
            _require_unchanged(path, before)
        if getattr(problem, "sqlite_errorname", "").removeprefix("SQLITE_").startswith(_REFUSED):
            raise AvgzslError(
                f"{path}: {problem}; what was added before is unharmed. Free some space, or wait for the process that "
                "is writing, then run the same command again: it goes on where it stopped"
            ) from problem
        raise DataError(f"{path}: is damaged ({problem}); restore it from a copy, or index again") from problem


def _require_unchanged(path: Path, before: os.stat_result) -> None:
    now = path.stat()
    if (now.st_mtime_ns, now.st_size, now.st_ino) != (before.st_mtime_ns, before.st_size, before.st_ino):
        raise AvgzslError(f"{path}: was changed by another machine while it was read; run the same command again")


@cache
def _objects_of(schema: str) -> list[tuple[Any, ...]]:
    """Tables, indexes and whatever else a database of the schema has."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(f"begin; {schema} commit;")
        return sorted(db.execute(_OBJECTS).fetchall(), key=repr)


@contextmanager
def transaction(db: sqlite3.Connection, write: bool = False) -> Iterator[None]:
    """All or nothing of what is written; one and the same view of what is read."""
    db.execute("begin immediate" if write else "begin")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise
    db.execute("commit")
