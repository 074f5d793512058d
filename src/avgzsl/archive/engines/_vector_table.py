"""Rows of a table of vectors as PostgreSQL takes them, and conditions on them in its SQL.

Texts are stored as bytes of UTF-8, composed as they are compared (`archive.where`): bytes are ordered in one way in
every database and every language, and may hold the NUL that PostgreSQL's texts may not. Paths are not stored, for they
change when an archive moves.
"""

import math
import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Int64

from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.where import FLAGS, NUMBERS, TEXTS, Condition, composed, folded

_TEXTS = ("id", "label", "split", "licence", "source")  # of TEXTS all but the path
_FOLDED = tuple(f"{name}_folded" for name in _TEXTS)
COLUMNS = (*NUMBERS, *FLAGS, *_TEXTS, *_FOLDED)
_TYPES = {**dict.fromkeys(NUMBERS, "float8"), **dict.fromkeys(FLAGS, "boolean")}
_LENGTH, _TIME, _FLAGS = struct.Struct(">i"), struct.Struct(">id"), struct.Struct(">i?i?")
_NULL = _LENGTH.pack(-1)
_BEGIN, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), struct.pack(">h", -1)
UNKNOWN = _NULL * len(COLUMNS)


def definition(dimension: int) -> str:
    """The columns of a table."""
    known = ", ".join(f'"{name}" {_TYPES.get(name, "bytea")}' for name in COLUMNS)
    return f"position bigint primary key, vector vector({dimension}) not null, {known}"


def answers(condition: Condition) -> bool:
    """Whether the table has all columns that a condition compares."""
    return all(comparison.column in COLUMNS for comparison in condition)


def sql_of(condition: Condition) -> tuple[str, list[object]]:
    """What stands after `where`, and its values. No text of a condition comes into the statement itself."""
    parts = ["true"]
    values: list[object] = []
    for comparison in condition:
        column, operator = comparison.column, comparison.operator
        values += [_sql_value(column, value) for value in comparison.values]
        cast = _TYPES.get(column, "bytea")
        contains = f'position(%s::bytea in "{column}_folded") > 0'
        one = contains if operator == "contains" else f'"{column}" {_OPERATORS[operator]} %s::{cast}'
        parts.append(f"({' or '.join([one] * len(comparison.values))})")
    return " and ".join(parts), values


def _sql_value(column: str, value: int | float | str) -> object:
    """What a column is compared with, as the server takes it."""
    if column in TEXTS:
        return str(value).encode()
    if column in FLAGS:
        return bool(value)
    # no number is less, equal or more than one that is none: in PostgreSQL such a one is the largest
    return None if math.isnan(float(value)) else float(value)


_OPERATORS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def rows_of(
    positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"], clips: Sequence[IndexedClip] | None
) -> bytes:
    """Rows for `copy … from stdin (format binary)`, in the order of `definition`."""
    known = [UNKNOWN] * len(positions) if clips is None else [_known(clip) for clip in clips]
    n, dimension = vectors.shape
    fields = [("columns", ">i2"), ("eight", ">i4"), ("position", ">i8"), ("bytes", ">i4"), ("dimension", ">i2"),
              ("unused", ">i2"), ("vector", ">f4", (dimension,))]  # fmt: skip
    rows = np.zeros(n, np.dtype(fields))
    rows["columns"], rows["eight"], rows["position"] = 2 + len(COLUMNS), 8, positions
    rows["bytes"], rows["dimension"], rows["vector"] = 4 + 4 * dimension, dimension, vectors
    whole, size = rows.tobytes(), rows.dtype.itemsize
    joined = (part for i, of_clip in enumerate(known) for part in (whole[i * size : (i + 1) * size], of_clip))
    return b"".join((_BEGIN, *joined, _END))


def _known(clip: IndexedClip) -> bytes:
    """The values of COLUMNS, each after its number of bytes."""
    duration = None if clip.start is None or clip.end is None else clip.end - clip.start
    times = (_time(clip.start), _time(clip.end), _time(duration))
    texts = [_text(clip.id), *map(_often, (clip.label, clip.split, clip.licence, clip.source))]
    flags = _FLAGS.pack(1, clip.has_audio, 1, clip.has_video)
    return b"".join((*times, flags, *(plain for plain, _ in texts), *(other for _, other in texts)))


def _time(seconds: float | None) -> bytes:
    return _NULL if seconds is None or math.isnan(seconds) else _TIME.pack(8, seconds)


def _text(text: str | None) -> tuple[bytes, bytes]:
    """A text as it is compared, and as it is looked into (`contains`)."""
    if text is None:
        return _NULL, _NULL
    plain, other = (composed(text) or "").encode(), (folded(text) or "").encode()
    return _LENGTH.pack(len(plain)) + plain, _LENGTH.pack(len(other)) + other


_often = lru_cache(4096)(_text)  # labels and sources come again and again
