"""What clips there are to choose from: how many of each label, folder and split, and how long they are."""

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from avgzsl.archive.clip_selection import FOLDER_OF_ID, sql_of
from avgzsl.archive.clip_table import FILE
from avgzsl.archive.where import Condition
from avgzsl.errors import DataError

_MOST = 50  # values of a facet
_DEEPEST = 16  # folders above a clip that are counted

Values = list[tuple[str, int]]


class Facets(NamedTuple):
    """Of the clips that meet a condition: how many they are, how many have sound and picture, their least and greatest
    duration in seconds (None where none is known), and the most frequent values, each with its number of clips. A
    folder counts the clips under it, as the condition `folder` does."""

    total: int
    has_audio: int
    has_video: int
    shortest: float | None
    longest: float | None
    labels: Values
    folders: Values
    splits: Values


def facets(db: sqlite3.Connection, condition: Condition = ()) -> Facets:
    """Each value by its number of clips, most first, then by its name. Raises DataError for times that are none."""
    where, values = sql_of(condition)
    length = '"end" - start'
    total, audio, video, shortest, longest = db.execute(
        f"select count(*), total(has_audio), total(has_video), min({length}), max({length}) from clips where {where}",
        values,
    ).fetchone()
    if not all(length is None or math.isfinite(length) for length in (shortest, longest)):
        raise DataError(f"{FILE}: has a clip of {shortest} s, and one of {longest} s; restore it from a copy")

    def counted(column: str) -> Values:
        statement = f"select {column}, count(*) from clips where {column} is not null and {where} group by {column}"
        return db.execute(f"{statement} order by count(*) desc, {column} limit {_MOST}", values).fetchall()

    every = db.execute(f"select {FOLDER_OF_ID}, count(*) from clips where {where} group by {FOLDER_OF_ID}", values)
    return Facets(
        total=total,
        has_audio=int(audio),
        has_video=int(video),
        shortest=shortest,
        longest=longest,
        labels=counted("label"),
        folders=_with_those_above(every),
        splits=counted("split"),
    )


def _with_those_above(folders: Iterable[tuple[str, int]]) -> Values:
    """The folders with the most clips in them and under them."""
    found: Counter[str] = Counter()
    for folder, clips in folders:
        parts = folder.split("/", _DEEPEST)[:_DEEPEST]
        found.update(dict.fromkeys(("/".join(parts[:n]) for n in range(1, len(parts) + 1) if parts[n - 1]), clips))
    return sorted(found.items(), key=lambda one: (-one[1], one[0]))[:_MOST]
