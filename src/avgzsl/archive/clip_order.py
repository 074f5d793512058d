"""Clips in other orders than that in which they were indexed: by name, label, duration or split.

Large and small letters are the same; what is not known comes last, whatever the direction; of equal clips the one that
was indexed first comes first. So an order is steady, and pages of it follow each other.
"""

import os
import sqlite3
from typing import Literal

import numpy as np
from jaxtyping import Int64

from avgzsl.archive.clip_table import FILE, state
from avgzsl.errors import DataError

Sort = Literal["indexed", "name", "label", "duration", "split"]
_KEYS: dict[Sort, str] = {
    "indexed": "position",
    "name": "folded(case when path is null then id else file_name(path) end)",
    "label": "folded(label)",
    "duration": '("end" - start)',
    "split": "folded(split)",
}


def file_name(path: object) -> str | None:
    """The last part of a path; None for what is no text."""
    return os.path.basename(path) if isinstance(path, str) else None  # noqa: PTH119  (a million paths in a second)


def ordered(db: sqlite3.Connection, sort: Sort, descending: bool) -> Int64[np.ndarray, " n"]:
    """Positions of all clips in an order. Raises DataError for what are none."""
    end, positions = state(db).end, list[int]()
    direction = "desc" if descending else "asc"
    statement = f"select position from clips order by {_KEYS[sort]} {direction} nulls last, position"
    for (position,) in db.execute(statement):
        if not 0 <= position < end or len(positions) == end:  # a damaged table may go round in circles
            raise DataError(f"{FILE}: is damaged (position {position}, of {end}); restore it from a copy")
        positions.append(position)
    return np.array(positions, np.int64)
