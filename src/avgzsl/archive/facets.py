"""What clips there are to choose from: how many of each label, folder and split, and how long they are."""

import math
import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from avgzsl.archive.clip_selection import FOLDER_OF_ID, sql_of
from avgzsl.archive.clip_table import FILE
from avgzsl.archive.where import Condition
from avgzsl.errors import DataError

_MOST = 50  # values of a facet
_DEEPEST = 16  # folders above a clip that are counted
_LENGTH = '"end" - start'

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
    every = db.execute(
        f"select label, split, {FOLDER_OF_ID}, count(*), total(has_audio), total(has_video), min({_LENGTH}), "
        f"max({_LENGTH}) from clips where {where} group by 1, 2, 3",
        values,
    )
    labels, splits, folders = Counter[str | None](), Counter[str | None](), Counter[str]()
    have = np.zeros(3, np.int64)
    shortest, longest = math.inf, -math.inf
    for label, split, folder, clips, audio, video, least, most in every:
        labels[label] += clips
        splits[split] += clips
        folders[folder] += clips
        have += clips, int(audio), int(video)
        if least is not None:
            shortest, longest = min(shortest, least), max(longest, most)
    is_known = longest >= shortest
    if is_known and not math.isfinite(longest - shortest):
        raise DataError(f"{FILE}: has a clip of {shortest} s, and one of {longest} s; restore it from a copy")
    total, has_audio, has_video = have.tolist()
    return Facets(
        total=total,
        has_audio=has_audio,
        has_video=has_video,
        shortest=shortest if is_known else None,
        longest=longest if is_known else None,
        labels=_most(labels),
        folders=_most(_with_those_above(folders)),
        splits=_most(splits),
    )


def _with_those_above(folders: Counter[str]) -> Counter[str]:
    """How many clips are in each folder and under it."""
    found: Counter[str] = Counter()
    for folder, clips in folders.items():
        parts = folder.split("/", _DEEPEST)[:_DEEPEST]
        found.update(dict.fromkeys(("/".join(parts[:n]) for n in range(1, len(parts) + 1) if parts[n - 1]), clips))
    return found


def _most(found: Mapping[str, int] | Mapping[str | None, int]) -> Values:
    known = ((value, clips) for value, clips in found.items() if value is not None)
    return sorted(known, key=lambda one: (-one[1], one[0]))[:_MOST]
