"""The clips of one file: the windows that a long one was cut into.

With it comes an index by which they are found without looking at all others. A database that was made before has none:
then all are looked at, until something is next written to it.
"""

import sqlite3
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

SCHEMA = """
create index clips_by_path on clips (path);
"""
_AT_ONCE = 500  # values in one statement
_ENDS = 'case when count("end") = count(*) then max("end") end'


def prepare(db: sqlite3.Connection) -> None:
    """Make the index where there is none: once for an older database, which takes as long as it is."""
    if not _has_index(db):
        db.execute(SCHEMA.strip().rstrip(";"))


def windows_near(db: sqlite3.Connection, path: str, start: float, most: int) -> Int64[np.ndarray, " n"]:
    """Positions of the clips of a file in order of time: at most so many, those nearest to a second."""
    near = 'select position, start, "end" from clips where path = ? order by abs(coalesce(start, 0) - ?) limit ?'
    rows = db.execute(near, (path, start, most)).fetchall()
    in_time = sorted(rows, key=lambda row: (row[1] or 0.0, row[2] is None, row[2] or 0.0, row[0]))
    return np.array([position for position, _, _ in in_time], np.int64)


def paths_at(db: sqlite3.Connection, positions: Int64[np.ndarray, " n"]) -> dict[int, str | None]:
    """The path of the file of the clip at each of these positions, at most 500; None of a clip without a file."""
    marks = ",".join("?" * len(positions))
    return dict(db.execute(f"select position, path from clips where position in ({marks})", positions.tolist()))


def of_files(db: sqlite3.Connection, paths: Sequence[str]) -> dict[str, Int64[np.ndarray, " _"]]:
    """Positions of the clips of each of these files, at most 500, in order of time."""
    marks = ",".join("?" * len(paths))
    in_time = 'coalesce(start, 0), "end" is null, "end", position'
    rows = db.execute(f"select path, position from clips where path in ({marks}) order by path, {in_time}", paths)
    found: dict[str, list[int]] = {}
    for path, position in rows:
        found.setdefault(path, []).append(position)
    return {path: np.array(all_of_it, np.int64) for path, all_of_it in found.items()}


def seconds(db: sqlite3.Connection, paths: Sequence[str]) -> dict[str, float]:
    """Where the last clip of each of these files ends, in seconds, by path; none where an end is not known."""
    asked = list(dict.fromkeys(paths))
    if not asked:
        return {}
    if not _has_index(db):  # one look at all clips
        wanted = set(asked)
        every = db.execute(f"select path, {_ENDS} from clips where path is not null group by path")
        return {path: end for path, end in every if path in wanted and end is not None}
    found: dict[str, float] = {}
    for begin in range(0, len(asked), _AT_ONCE):
        part = asked[begin : begin + _AT_ONCE]
        marks = ",".join("?" * len(part))
        rows = db.execute(f"select path, {_ENDS} from clips where path in ({marks}) group by path", part)
        found |= {path: end for path, end in rows if end is not None}
    return found


def _has_index(db: sqlite3.Connection) -> bool:
    found = db.execute("select 1 from sqlite_master where type = 'index' and name = 'clips_by_path'").fetchone()
    return found is not None
