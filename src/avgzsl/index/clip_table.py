"""The table of clips: what is known of each but its embeddings, in SQLite. A clip counts when it stands here.

One writer, any number of readers, each of which sees the table as it was when it began. A removed or replaced clip's
position is `dead` until a purge.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from avgzsl.errors import AvgzslError, DataError

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
_WAIT = 30.0  # seconds for another process's commit


class Clip(NamedTuple):
    """What an archive knows of a clip: `path` absolute, `start` and `end` in seconds; what is not known is None."""

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


class State(NamedTuple):
    """`end`: positions ever given out; `applied`: those below it are in the engine; `generation` counts the times that
    something was taken out of the engine."""

    end: int
    applied: int
    generation: int


def create(folder: Path) -> None:
    """An empty table."""
    with opened(folder, create=True) as db:
        db.executescript(f"pragma journal_mode = wal; begin; {_SCHEMA} commit;")


@contextmanager
def opened(folder: Path, create: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection in autocommit mode. Raises DataError for a damaged table, AvgzslError where the disk refuses."""
    path = folder / FILE
    if not create and not path.is_file():
        raise DataError(f"{path}: is gone; restore it from a copy, or index again")
    try:
        mode = "rwc" if create else "rw"
        db = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode={mode}", _WAIT, isolation_level=None, uri=True)
        try:
            db.execute("pragma synchronous = full")
            db.execute("pragma secure_delete = on")
            yield db
        finally:
            db.close()
    except sqlite3.OperationalError as problem:
        raise AvgzslError(
            f"{path}: {problem}; what was added before is unharmed. Free some space, or wait for the process that is "
            "writing, then run the same command again: it goes on where it stopped"
        ) from problem
    except sqlite3.DatabaseError as problem:
        raise DataError(f"{path}: is damaged ({problem}); restore it from a copy, or index again") from problem


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


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the index against other writers; a process that is killed lets go. Raises AvgzslError when it is held."""
    lock = sqlite3.connect(folder / ".writer.sqlite", 0, isolation_level=None)
    try:
        try:
            lock.execute("begin exclusive")
        except sqlite3.OperationalError as problem:
            raise AvgzslError(
                f"{folder}: another process is writing to this index, or it cannot be written ({problem}); wait until "
                "that has finished"
            ) from problem
        yield
    finally:
        lock.close()


def state(db: sqlite3.Connection) -> State:
    """Where the index stands."""
    return State(*db.execute('select "end", applied, generation from state').fetchone())


def positions(db: sqlite3.Connection, condition: str = "true", values: tuple[object, ...] = ()) -> list[int]:
    """Positions of the clips that meet an SQL condition, ascending."""
    found = db.execute(f"select position from clips where {condition} order by position", values)
    return [position for (position,) in found]


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
            found[row[0]] = Clip._make((*row[1:10], bool(row[10]), bool(row[11])))
    if strange := [position for position in where if position not in found]:
        raise DataError(
            f"the engine proposes clips that are not there ({strange[:5]}); mend it: `avgzsl index-rebuild`"
        )
    return [found[position] for position in where]


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
    end = state(db).end
    bury(db, [clip.id for clip in clips])
    rows = [
        (end + i, c.id, c.hash, checksum, *c[2:9], int(c.has_audio), int(c.has_video))
        for i, (c, checksum) in enumerate(zip(clips, checksums, strict=True))
    ]
    db.executemany(f"insert into clips values ({','.join('?' * 13)})", rows)
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
    return 0.0 if found is None else float(found[0])


def dead(db: sqlite3.Connection) -> list[int]:
    """Positions of removed and replaced clips, ascending."""
    return [position for (position,) in db.execute("select position from dead order by position")]


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
