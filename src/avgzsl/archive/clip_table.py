"""The table of clips: what is known of each but its embeddings, in SQLite. A clip counts when it stands here.

A clip has a position, at which its embeddings lie; positions ascend and lie below the last one that was given out. A
removed or replaced clip's position is `dead` until a purge. What is read here may have been written by anybody: texts
are texts and times are finite numbers, or it is a DataError.
"""

import math
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64

from avgzsl.archive import clip_counts, clip_files, file_table
from avgzsl.archive.clip_counts import Kind
from avgzsl.archive.indexed_files import IndexedFile
from avgzsl.errors import DataError

FILE = "clips.sqlite"
SCHEMA = """
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
_CLIP = 'id, hash, path, start, "end", label, split, licence, source, has_audio, has_video'
_LONGEST = 1 << 16  # characters of a text
_AT_ONCE = 500  # values in one statement


class IndexedClip(NamedTuple):
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
    file: IndexedFile | None = None

    @property
    def folder(self) -> str:
        """The folder part of its id, as conditions take it (`archive.where`); empty at the top."""
        return self.id.rpartition("/")[0].rstrip("/")


class Stored(NamedTuple):
    """What the table has of a clip that is there: its content hash, and the path of its file."""

    hash: str
    path: str | None


class State(NamedTuple):
    """`end`: positions ever given out; `applied`: those below it are in the engine; `generation` counts the times that
    something was taken out of the engine."""

    end: int
    applied: int
    generation: int


def state(db: sqlite3.Connection) -> State:
    """Where the index stands. Raises DataError for what cannot be."""
    rows = db.execute('select "end", applied, generation from state limit 2').fetchall()
    if len(rows) == 1 and all(isinstance(number, int) for number in rows[0]):
        now = State(*rows[0])
        if 0 <= now.applied <= now.end and now.generation >= 0:
            return now
    raise DataError(f"{FILE}: says that it stands at {rows}, which cannot be; restore it from a copy")


def ascending(db: sqlite3.Connection, statement: str, values: Iterable[object] = ()) -> Int64[np.ndarray, " n"]:
    """The positions that a statement selects in ascending order.

    Raises DataError for what are no positions.
    """
    return require_ascending((position for (position,) in db.execute(statement, tuple(values))), state(db).end)


def require_ascending(given: Iterable[Any], end: int) -> Int64[np.ndarray, " n"]:
    """Positions below `end` that ascend. A damaged table may go round in circles: this stops where it does.

    Raises DataError for what are no positions.
    """
    positions: list[int] = []
    last = -1
    for position in given:
        if not last < position < end:
            raise DataError(f"{FILE}: is damaged (position {position} after {last}, of {end}); restore it from a copy")
        positions.append(position)
        last = position
    return np.array(positions, np.int64)


def clips_at(db: sqlite3.Connection, positions: Int64[np.ndarray, " n"]) -> list[IndexedClip]:
    """The clips at these positions, in that order. Raises DataError where there is none: an engine is out of step."""
    asked: list[int] = positions.tolist()
    rows = _rows_of(db, f"select position, {_CLIP} from clips where position in", asked)
    clips = {row[0]: _clip(row[1:]) for row in rows}
    if missing := [position for position in asked if position not in clips]:
        raise DataError(
            f"the engine proposes clips that are not there ({missing[:5]}); mend it: `avgzsl index-rebuild`"
        )
    files = file_table.noted(db, (clip.path for clip in clips.values() if clip.path is not None))
    return [clips[position]._replace(file=files.get(clips[position].path or "")) for position in asked]


def names_at(db: sqlite3.Connection, positions: Int64[np.ndarray, " n"]) -> list[tuple[str, str | None]]:
    """Id and label of the clips at these positions, in that order. Raises DataError where there is none."""
    asked: list[int] = positions.tolist()
    rows = _rows_of(db, "select position, id, label from clips where position in", asked)
    found = {position: (str(id), None if label is None else str(label)) for position, id, label in rows}
    if len(found) < len(set(asked)):
        raise DataError(f"{FILE}: has no clip at some of its positions; mend it: `avgzsl index-verify` says which")
    return [found[position] for position in asked]


def _clip(row: tuple[Any, ...]) -> IndexedClip:
    """Raises DataError for values of other types, or times that are none."""
    clip = IndexedClip._make((*row[:9], bool(row[9]), bool(row[10]), None))
    texts, times = (clip.path, clip.label, clip.split, clip.licence, clip.source), (clip.start, clip.end)
    if (
        not all(isinstance(text, str) for text in (clip.id, clip.hash))
        or not all(text is None or isinstance(text, str) for text in texts)
        or not all(time is None or (isinstance(time, float) and math.isfinite(time)) for time in times)
    ):
        raise DataError(f"{FILE}: what it says of the clip {clip.id!r} is damaged; restore it from a copy")
    return clip


def stored(db: sqlite3.Connection, ids: list[str]) -> dict[str, Stored]:
    """What the table has of those of these clips that are there, by id."""
    rows = _rows_of(db, "select id, hash, path from clips where id in", ids)
    return {name: Stored(content, path) for name, content, path in rows}


def _rows_of(db: sqlite3.Connection, statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
    """Rows of a statement that ends in `in`, for any number of values."""
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        rows += db.execute(f"{statement} ({','.join('?' * len(part))})", part).fetchall()
    return rows


def checksums(db: sqlite3.Connection) -> Iterator[tuple[int, str, int]]:
    """Position, id and checksum of the embeddings of each clip, by position."""
    return db.execute("select position, id, checksum from clips order by position")


def insert(db: sqlite3.Connection, clips: list[IndexedClip], checksums: list[int]) -> None:
    """New clips behind the last position; older ones of the same id are dead. Raises DataError for a text too long."""
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
    clip_counts.add(db, (Kind(c.label, c.has_audio, c.has_video) for c in clips))
    file_table.note(db, ((c.path, c.file) for c in clips if c.path is not None and c.file is not None))
    db.execute('update state set "end" = ?', (end + len(clips),))


def bury(db: sqlite3.Connection, ids: list[str]) -> int:
    """Take clips out; gives how many were there."""
    clip_counts.prepare(db)
    clip_files.prepare(db)
    gone = _rows_of(db, "select label, has_audio, has_video from clips where id in", list(dict.fromkeys(ids)))
    clip_counts.add(db, (Kind(label, bool(audio), bool(video)) for label, audio, video in gone), -1)
    rows = [(name,) for name in ids]
    db.executemany("insert into dead select position from clips where id = ?", rows)
    return db.executemany("delete from clips where id = ?", rows).rowcount


def dead(db: sqlite3.Connection) -> Int64[np.ndarray, " n"]:
    """Positions of removed and replaced clips, ascending."""
    return ascending(db, "select position from dead order by position")


def forget_dead(db: sqlite3.Connection) -> None:
    """No trace of the dead: `secure_delete` has overwritten their rows, the log of changes goes away too."""
    db.execute("delete from dead")
    db.execute("pragma wal_checkpoint(truncate)")


def set_paths(db: sqlite3.Connection, paths: dict[str, str]) -> None:
    """Where the files of clips lie now, by the clip's id."""
    db.executemany("update clips set path = ? where id = ?", [(path, name) for name, path in paths.items()])


def move_folder(db: sqlite3.Connection, old: str, new: str) -> int:
    """Paths that begin with `old` begin with `new`; gives of how many clips."""
    change = "update clips set path = ? || substr(path, ?) where substr(path, 1, ?) = ?"
    return db.execute(change, (new, len(old) + 1, len(old), old)).rowcount  # SQL counts letters from 1


def lengthen(db: sqlite3.Connection, lengths: dict[str, float]) -> None:
    """Keep the greatest length of a stored vector, or the largest addend, by the name of the space."""
    db.executemany(
        "insert into lengths values (?, ?) on conflict do update set largest = max(largest, excluded.largest)",
        list(lengths.items()),
    )


def longest(db: sqlite3.Connection, space: str) -> float:
    """The greatest length that a vector of the space ever had, 0 if there was none. Raises DataError for no length."""
    largest = greatest(db, space, 0.0)
    if largest < 0:
        raise DataError(f"{FILE}: the greatest length in {space} is {largest!r}, which cannot be; restore it")
    return largest


def greatest(db: sqlite3.Connection, space: str, none: float) -> float:
    """The greatest number that was noted under a name, `none` if there was none. Raises DataError for no number."""
    row = db.execute("select largest from lengths where space = ?", (space,)).fetchone()
    if row is None:
        return none
    largest = row[0]
    if not isinstance(largest, float) or not largest > -math.inf:
        raise DataError(f"{FILE}: the greatest length in {space} is {largest!r}, which cannot be; restore it")
    return largest


def set_applied(db: sqlite3.Connection, end: int) -> None:
    """The engine has all clips below `end`."""
    db.execute("update state set applied = ?", (end,))


def next_generation(db: sqlite3.Connection, applied: int | None = None) -> None:
    """Tell searches under way that vectors are about to leave the engine, all of them if `applied` is 0."""
    db.execute("update state set generation = generation + 1, applied = coalesce(?, applied)", (applied,))
