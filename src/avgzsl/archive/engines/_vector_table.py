"""Rows of a table of vectors as PostgreSQL takes them, and conditions on them in its SQL.

Texts are stored as bytes of UTF-8, composed as they are compared (`archive.where`): bytes are ordered in one way in
every database and every language, and may hold the NUL that PostgreSQL's texts may not. Paths are not stored, for they
change when an archive moves.
"""

import math
import struct
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int64

from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.where import FLAGS, NUMBERS, TEXTS, Condition, composed, folded

_TEXTS = tuple(name for name in TEXTS if name != "path")
_FOLDED = tuple(f"{name}_folded" for name in _TEXTS)
COLUMNS = (*NUMBERS, *FLAGS, *_TEXTS, *_FOLDED)
_TYPES = {**dict.fromkeys(NUMBERS, "float8"), **dict.fromkeys(FLAGS, "boolean")}
_NULL = struct.pack(">i", -1)
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
    parts, values = ["true"], []
    for column, operator, value in condition:
        if column in TEXTS:
            values.append(str(value).encode())
        elif column in FLAGS:
            values.append(bool(value))
        else:  # no number is less, equal or more than one that is none: in PostgreSQL such a one is the largest
            values.append(None if math.isnan(float(value)) else float(value))
        cast = _TYPES.get(column, "bytea")
        contains = f'position(%s::bytea in "{column}_folded") > 0'
        parts.append(contains if operator == "contains" else f'"{column}" {_OPERATORS[operator]} %s::{cast}')
    return " and ".join(parts), values


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
    numbers = (
        _NULL if x is None or math.isnan(x) else struct.pack(">id", 8, x) for x in (clip.start, clip.end, duration)
    )
    flags = (struct.pack(">i?", 1, flag) for flag in (clip.has_audio, clip.has_video))
    texts = [getattr(clip, name) for name in _TEXTS]
    return b"".join((*numbers, *flags, *(_text(composed(t)) for t in texts), *(_text(folded(t)) for t in texts)))


def _text(text: str | None) -> bytes:
    if text is None:
        return _NULL
    content = text.encode()
    return struct.pack(">i", len(content)) + content
