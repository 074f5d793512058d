"""The table of clips: what is known of each but its embeddings, in SQLite. A clip counts when it stands here.

One writer, any number of readers, each of which sees the table as it was when it began. A removed or replaced clip's
position is `dead` until a purge.

Somebody else may have made the file: it is read as such (docs/security.md). It has the tables below and nothing else,
no view and no trigger; positions ascend and lie below the last one that was given out; text is text.
"""

import math
import os
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from avgzsl.archive import indexed_files
from avgzsl.archive.indexed_files import Indexed
from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.trust import require_one_name

FILE = "clips.sqlite"
_SCHEMA = """
create table clips (
    position integer primary key, id text not null unique, hash text not null, checksum integer not null,
    path text, start real, "end" real, label text, split text, licence text, source text,
    has_audio integer not null, has_video integer not null) strict;
create table dead (position integer primary key) strict;
create table lengths (space text primary key, largest real not null) strict;
create table state (
    one integer primary key check (one = 1), "end" integer not null, applied integer not null,
    generation integer not null) strict;
insert into state values (1, 0, 0, 0);
"""
_SCHEMAS = (_SCHEMA, f"{_SCHEMA}{indexed_files.SCHEMA};")  # what a table may have, to the letter
_WAIT = 30.0  # seconds for another process's commit
_LONGEST = 1 << 16  # characters of a text
_LARGEST = 1 << 22  # bytes of a clip's row: more than its texts can have
_REFUSED = "FULL", "IOERR", "READONLY", "CANTOPEN", "PERM", "BUSY", "LOCKED", "NOMEM", "INTERRUPT"  # by disk or system


class Clip(NamedTuple):
    """What an archive knows of a clip: `path` absolute, `start` and `end` in seconds, `file` as it was when it was
    embedded; what is not known is None."""

    id: str
    hash: str
    path: str | None = None
    start: float | None = None
    end: float | None = None
    label: str | None = None
    split: str | None = None
    licence: str | None = None
    source: str | None = None
    has_audio: bool = False
    has_video: bool = False
    file: Indexed | None = None


class State(NamedTuple):
    """`end`: positions ever given out; `applied`: those below it are in the engine; `generation` counts the times that
    something was taken out of the engine."""

    end: int
    applied: int
    generation: int


def create(folder: Path) -> None:
    """An empty table."""
    (folder / FILE).touch(exist_ok=False)
    with _named(folder / FILE), closing(_connect(folder / FILE, "mode=rw")) as db:
        db.executescript(f"pragma journal_mode = wal; begin; {_SCHEMA} commit;")


@contextmanager
def opened(folder: Path, write: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection in autocommit mode, on which nothing can be changed unless it is to `write`.

    Raises DataError for a damaged table, or one that is not of this program, AvgzslError where the disk refuses.
    """
    path = folder / FILE
    try:
        status = path.lstat()
    except OSError as problem:
        raise DataError(f"{path}: is gone; restore it from a copy, or index again") from problem
    if write:
        require_one_name(status, path, DataError)
    if os.path.lexists(journal := path.with_name(f"{FILE}-journal")):  # SQLite would follow what it says
        raise DataError(f"{journal}: stands beside a table that never has one; remove it")
    still = not write and _is_still(path)
    with _named(path, status if still else None), closing(_connect(path, _mode(path, still))) as db:
        db.execute("pragma trusted_schema = off")
        db.execute("pragma cell_size_check = on")
        if write:
            db.execute("pragma synchronous = full")
            db.execute("pragma secure_delete = on")
        else:
            db.execute("pragma query_only = on")
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
        found = db.execute(f"{_OBJECTS} limit 100").fetchall()
        if not any(sorted(found, key=repr) == _objects(schema) for schema in _SCHEMAS):
            raise DataError(f"{path}: does not have the tables of an index; restore it from a copy, or index again")
        yield db


def require_sound(db: sqlite3.Connection, folder: Path) -> None:
    """Raises DataError for a table that does not hold together: its pages, its types, where it says that it stands."""
    (said,) = db.execute("pragma quick_check(1)").fetchone()
    if said != "ok":
        raise DataError(f"{folder / FILE}: is damaged ({said}); restore it from a copy, or index again")
    state(db)


def _is_still(path: Path) -> bool:
    """Nothing can be written where it lies."""
    return not os.access(path.parent, os.W_OK)


def _mode(path: Path, still: bool) -> str:
    if not still:
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


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    name = quote(os.fsencode(path.absolute()))
    db = sqlite3.connect(f"file:{name}?{mode}", _WAIT, isolation_level=None, uri=True)
    db.create_function("folded", 1, folded, deterministic=True)
    db.create_function("composed", 1, composed, deterministic=True)
    return db


@contextmanager
def _named(path: Path, still: os.stat_result | None = None) -> Iterator[None]:
    """Errors of SQLite come as those of this package. What was `still` must not have changed meanwhile."""
    try:
        yield
        if still is not None:
            _require_unchanged(path, still)
    except sqlite3.Error as problem:
        if still is not None:
            _require_unchanged(path, still)
        if getattr(problem, "sqlite_errorname", "").removeprefix("SQLITE_").startswith(_REFUSED):
            raise AvgzslError(
                f"{path}: {problem}; what was added before is unharmed. Free some space, or wait for the process that "
                "is writing, then run the same command again: it goes on where it stopped"
            ) from problem
        raise DataError(f"{path}: is damaged ({problem}); restore it from a copy, or index again") from problem


def _require_unchanged(path: Path, still: os.stat_result) -> None:
    now = path.stat()
    if (now.st_mtime_ns, now.st_size, now.st_ino) != (still.st_mtime_ns, still.st_size, still.st_ino):
        raise AvgzslError(f"{path}: was changed by another machine while it was read; run the same command again")


_OBJECTS = "select type, name, tbl_name, sql from sqlite_schema"


@cache
def _objects(schema: str) -> list[tuple[Any, ...]]:
    """All that a database of the schema has."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(f"begin; {schema} commit;")
        return sorted(db.execute(_OBJECTS).fetchall(), key=repr)


def composed(text: object) -> str | None:
    """Text in which an accented letter is one character, however it was written."""
    return unicodedata.normalize("NFC", text) if isinstance(text, str) else None


def folded(text: object) -> str | None:
    """The same without the difference of large and small letters, in any script (Unicode's caseless match)."""
    if not isinstance(text, str):
        return None
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


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


def state(db: sqlite3.Connection) -> State:
    """Where the index stands. Raises DataError for what cannot be."""
    found = db.execute('select "end", applied, generation from state limit 2').fetchall()
    whole = len(found) == 1 and all(isinstance(number, int) for number in found[0])
    if not whole or not 0 <= found[0][1] <= found[0][0] or not found[0][2] >= 0:
        raise DataError(f"{FILE}: says that it stands at {found}, which cannot be; restore it from a copy")
    return State(*found[0])


def positions(db: sqlite3.Connection, condition: str = "true", values: tuple[object, ...] = ()) -> list[int]:
    """Positions of the clips that meet an SQL condition, ascending. Raises DataError for what are none."""
    return _ascending(db, f"select position from clips where {condition} order by position", values)


def _ascending(db: sqlite3.Connection, statement: str, values: tuple[object, ...] = ()) -> list[int]:
    """A damaged table may go round in circles: this stops where it does."""
    found, last, end = [], -1, state(db).end
    for (position,) in db.execute(statement, values):
        if not last < position < end:
            raise DataError(f"{FILE}: is damaged (position {position} after {last}, of {end}); restore it from a copy")
        found.append(position)
        last = position
    return found


def clips_at(db: sqlite3.Connection, where: list[int]) -> list[Clip]:
    """The clips at these positions, in that order. Raises DataError where there is none: an engine is out of step."""
    found: dict[int, Clip] = {}
    for start in range(0, len(where), 500):
        part = where[start : start + 500]
        marks = ",".join("?" * len(part))
        for row in db.execute(
            f'select position, id, hash, path, start, "end", label, split, licence, source, has_audio, has_video '
            f"from clips where position in ({marks})",
            part,
        ):
            found[row[0]] = _clip(row[1:])
    if strange := [position for position in where if position not in found]:
        raise DataError(
            f"the engine proposes clips that are not there ({strange[:5]}); mend it: `avgzsl index-rebuild`"
        )
    files = indexed_files.noted(db, (clip.path for clip in found.values() if clip.path is not None))
    return [found[position]._replace(file=files.get(found[position].path or "")) for position in where]


def _clip(row: tuple[Any, ...]) -> Clip:
    """Raises DataError for values of other types, or times that are none."""
    clip = Clip._make((*row[:9], bool(row[9]), bool(row[10]), None))
    texts, times = (clip.path, clip.label, clip.split, clip.licence, clip.source), (clip.start, clip.end)
    if (
        not all(isinstance(text, str) for text in (clip.id, clip.hash))
        or not all(text is None or isinstance(text, str) for text in texts)
        or not all(time is None or (isinstance(time, float) and math.isfinite(time)) for time in times)
    ):
        raise DataError(f"{FILE}: what it says of the clip {clip.id!r} is damaged; restore it from a copy")
    return clip


def contents(db: sqlite3.Connection, ids: list[str]) -> dict[str, tuple[str, str | None]]:
    """Content hash and path of those of these clips that are there."""
    found: dict[str, tuple[str, str | None]] = {}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        marks = ",".join("?" * len(part))
        for name, content, path in db.execute(f"select id, hash, path from clips where id in ({marks})", part):
            found[name] = (content, path)
    return found


def insert(db: sqlite3.Connection, clips: list[Clip], checksums: list[int]) -> None:
    """New clips behind the last position; older ones of the same id are dead."""
    for clip in clips:
        if long := [text for text in clip if isinstance(text, str) and len(text) > _LONGEST]:
            raise DataError(f"{clip.id[:100]!r}: {long[0][:50]!r}… has more than the {_LONGEST} characters of a text")
    end = state(db).end
    bury(db, [clip.id for clip in clips])
    rows = [
        (end + i, c.id, c.hash, checksum, *c[2:9], int(c.has_audio), int(c.has_video))
        for i, (c, checksum) in enumerate(zip(clips, checksums, strict=True))
    ]
    db.executemany(f"insert into clips values ({','.join('?' * 13)})", rows)
    indexed_files.note(db, ((c.path, c.file) for c in clips if c.path is not None and c.file is not None))
    db.execute('update state set "end" = ?', (end + len(clips),))


def lengthen(db: sqlite3.Connection, lengths: dict[str, float]) -> None:
    """Keep the greatest length of a stored vector, a space."""
    db.executemany(
        "insert into lengths values (?, ?) on conflict do update set largest = max(largest, excluded.largest)",
        list(lengths.items()),
    )


def longest(db: sqlite3.Connection, space: str) -> float:
    """The greatest length that a vector of the space ever had."""
    found = db.execute("select largest from lengths where space = ?", (space,)).fetchone()
    if found is not None and not (isinstance(found[0], float) and found[0] >= 0):
        raise DataError(f"{FILE}: the greatest length in {space} is {found[0]!r}, which cannot be; restore it")
    return 0.0 if found is None else found[0]


def dead(db: sqlite3.Connection) -> list[int]:
    """Positions of removed and replaced clips, ascending."""
    return _ascending(db, "select position from dead order by position")


def set_applied(db: sqlite3.Connection, end: int) -> None:
    """The engine has all clips below `end`."""
    db.execute("update state set applied = ?", (end,))


def next_generation(db: sqlite3.Connection, applied: int | None = None) -> None:
    """Tell searches under way that vectors are about to leave the engine, all of them if `applied` is 0."""
    db.execute("update state set generation = generation + 1, applied = coalesce(?, applied)", (applied,))


def forget_dead(db: sqlite3.Connection) -> None:
    """No trace of the dead: `secure_delete` has overwritten their rows, the log of changes goes away too."""
    db.execute("delete from dead")
    db.execute("pragma wal_checkpoint(truncate)")


def bury(db: sqlite3.Connection, ids: list[str]) -> int:
    """Take clips out; gives how many were there."""
    one = [(name,) for name in ids]
    db.executemany("insert into dead select position from clips where id = ?", one)
    return db.executemany("delete from clips where id = ?", one).rowcount
