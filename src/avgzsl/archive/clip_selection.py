"""Which clips of the table: their positions, and how many they are, by what is known of them."""

import sqlite3
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from avgzsl.archive.clip_table import ascending, require_ascending, state
from avgzsl.archive.where import FLAGS, FOLDER, TEXTS, ColumnComparison, Condition, Operator

FOLDER_OF_ID = "rtrim(rtrim(id, replace(id, '/', '')), '/')"  # trimmed are all characters but `/`, then that
_COLUMNS = {
    "start": "start",
    "end": '"end"',
    "duration": '("end" - start)',
    **{name: name for name in (*TEXTS, *FLAGS)},
    FOLDER: FOLDER_OF_ID,
}
_HAVING = {
    "audio": "has_audio",
    "video": "has_video",
    "either": "(has_audio or has_video)",
    "both": "has_audio and has_video",
}
_IN_SPLIT = "(?1 is null or split = ?1)"
_TWINS = frozenset("K;`")  # plain characters that Unicode has twice (the sign of kelvin is a K)

Having = Literal["audio", "video", "either", "both"]


class Counts(NamedTuple):
    """How many clips there are, how many of them have what, and how many labels."""

    clips: int
    with_audio: int
    with_video: int
    with_both: int
    labelled: int
    with_file: int
    labels: int


def positions(db: sqlite3.Connection, condition: Condition = ()) -> Int64[np.ndarray, " n"]:
    """Positions of the clips that meet a condition, ascending. Raises DataError for what are none."""
    statement, values = sql_of(condition)
    return ascending(db, f"select position from clips where {statement} order by position", values)


def positions_within(
    db: sqlite3.Connection, start: int, end: int, condition: Condition = ()
) -> Int64[np.ndarray, " n"]:
    """Positions from `start` up to, and without, `end`, of clips that meet a condition, ascending.

    Raises DataError for what are none.
    """
    wanted, values = sql_of(condition)
    statement = f"select position from clips where position >= ? and position < ? and {wanted} order by position"
    return ascending(db, statement, (start, end, *values))


def page(db: sqlite3.Connection, after: int, offset: int, limit: int) -> Int64[np.ndarray, " n"]:
    """At most `limit` positions behind the position `after`, but for the first `offset` of them."""
    chosen = "select position from clips where position > ? order by position limit ? offset ?"
    return ascending(db, chosen, (after, limit, offset))


def spread(db: sqlite3.Connection, count: int) -> Int64[np.ndarray, " n"]:
    """At most `count` positions, ascending: of as many places that lie evenly, the first clip at or behind each."""
    end = state(db).end
    near = "select position from clips where position >= ? order by position limit 1"
    places = dict.fromkeys(np.linspace(0, max(end - 1, 0), count).astype(int).tolist())
    found = dict.fromkeys(position for place in places for (position,) in db.execute(near, (place,)))
    return require_ascending(found, end)


def position_of(db: sqlite3.Connection, id: str) -> int | None:
    """Where the clip of this id stands; None where there is none. Raises DataError for what is no position."""
    positions = ascending(db, "select position from clips where id = ?", (id,))
    return int(positions[0]) if len(positions) else None


def labelled(db: sqlite3.Connection, split: str | None) -> Int64[np.ndarray, " n"]:
    """Positions of the clips that have a label, of one split if it is given; ascending."""
    statement = f"select position from clips where label is not null and {_IN_SPLIT} order by position"
    return ascending(db, statement, (split,))


def count_unlabelled(db: sqlite3.Connection, split: str | None) -> int:
    """How many clips have no label, of one split if it is given."""
    return _number(db, f"select count(*) from clips where label is null and {_IN_SPLIT}", (split,))


def splits(db: sqlite3.Connection) -> set[str]:
    """The splits that clips are in."""
    return {name for (name,) in db.execute("select distinct split from clips where split is not null")}


def count(db: sqlite3.Connection, condition: Condition) -> int:
    """How many clips meet a condition."""
    statement, values = sql_of(condition)
    return _number(db, f"select count(*) from clips where {statement}", values)


def count_having(db: sqlite3.Connection, end: int, having: Having) -> int:
    """How many clips below the position `end` have a modality, either of them, or both."""
    return _number(db, f"select count(*) from clips where position < ? and {_HAVING[having]}", (end,))


def counts(db: sqlite3.Connection) -> Counts:
    """How many clips there are, of all kinds."""
    row = db.execute(
        "select count(*), total(has_audio), total(has_video), total(has_audio and has_video), count(label), "
        "count(path), count(distinct label) from clips"
    ).fetchone()
    return Counts(*map(int, row))


def is_among(positions: Int64[np.ndarray, " n"], others: Int64[np.ndarray, " m"]) -> Bool[np.ndarray, " n"]:
    """Which positions are among others, which ascend: however many these are, it costs next to nothing."""
    if not len(others):
        return np.zeros(len(positions), bool)
    places = np.searchsorted(others, positions).clip(max=len(others) - 1)
    among: np.ndarray = others[places] == positions
    return among


def _number(db: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> int:
    return int(db.execute(statement, values).fetchone()[0])


def sql_of(condition: Condition) -> tuple[str, tuple[object, ...]]:
    """What stands after `where`, and its values. No text of a condition comes into the statement itself."""
    statement = " and ".join(_sql_of_comparison(comparison) for comparison in condition)
    return statement or "true", tuple(value for comparison in condition for value in comparison.values)


def _sql_of_comparison(comparison: ColumnComparison) -> str:
    alternatives = [_sql_of_value(comparison, value) for value in comparison.values]
    return alternatives[0] if len(alternatives) == 1 else f"({' or '.join(alternatives)})"


def _sql_of_value(comparison: ColumnComparison, value: int | float | str) -> str:
    column, operator = _COLUMNS[comparison.column], comparison.operator
    if operator == "contains":
        return f"instr(folded({column}), ?) > 0"
    if comparison.column == FOLDER:
        whole = "id" if _is_plain(str(value), operator) else "composed(id)"
        return f"(instr({whole}, ?) = 1) {operator} true"
    if comparison.column in TEXTS and not _is_plain(str(value), operator):
        return f"composed({column}) {operator} ?"
    return f"{column} {operator} ?"


def _is_plain(text: str, operator: Operator) -> bool:
    """Whether text can be compared as it stands, which is three times as fast: its letters are written in one way."""
    return text.isascii() and not _TWINS & set(text) and operator in ("=", "!=")
