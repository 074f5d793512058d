"""Pages of the list of clips: in one of several orders, of those that meet a condition."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from avgzsl.archive import clip_order, clip_selection
from avgzsl.archive.clip_selection import is_among
from avgzsl.archive.collection import View
from avgzsl.archive.where import Condition
from avgzsl.errors import ConfigError
from avgzsl.server.contract import ListPlace
from avgzsl.server.listing_files import FileOfClips, FilePage, file_page, in_array
from avgzsl.server.schema import FileOfList, FilePart

_WINDOWS = 100  # clips of a file that are shown with it


class Page(NamedTuple):
    """Positions of the clips of a page, of how many, and the place behind which the next page is."""

    positions: Int64[np.ndarray, " n"]
    total: int
    next: int | None


def page_of(seen: View, place: ListPlace, condition: Condition) -> Page:
    """A page of the clips that meet a condition. An order is known while the table stays as it is."""
    after, offset, limit = place.after, place.offset, place.limit
    if place.sort != "indexed" or place.descending:
        chosen = _in_order(seen, place, condition)
        start = after + 1 + offset
        end = start + limit
        return Page(chosen[start:end], len(chosen), end - 1 if end < len(chosen) else None)
    if condition:
        chosen = seen.positions(condition)
        start = int(np.searchsorted(chosen, after, "right")) + offset
        found, total = chosen[start : start + limit + 1], len(chosen)
    else:
        found = clip_selection.page(seen.db, after, offset, limit + 1)
        total = sum(seen.counts().values())
    return Page(found[:limit], total, int(found[limit - 1]) if len(found) > limit else None)


def files_of(seen: View, place: ListPlace, condition: Condition) -> tuple[FilePage, int]:
    """A page of the files whose clips meet a condition, and how many clips do. Raises ConfigError for an offset."""
    if place.offset:
        raise ConfigError(f"offset={place.offset} with group=file: ask for the next page with `after`, as `next` says")
    if place.sort != "indexed" or place.descending:
        chosen = _in_order(seen, place, condition)
    elif condition:
        chosen = seen.positions(condition)
    else:
        total = sum(seen.counts().values())

        def ahead(after: int, n: int) -> Int64[np.ndarray, " n"]:
            return clip_selection.page(seen.db, after, 0, n)

        return file_page(seen, place.after, place.limit, ahead, lambda positions: positions), total
    return file_page(seen, place.after, place.limit, *in_array(chosen)), len(chosen)


def file_row(seen: View, file: FileOfClips) -> FileOfList:
    """A file of the list, as the API gives it: the first of its clips is always among those that are shown."""
    shown = file.clips
    if len(shown) > _WINDOWS:
        some = np.linspace(0, len(shown) - 1, _WINDOWS).astype(int)
        shown = shown[np.union1d(some, np.flatnonzero(shown == file.first))]
    parts = [FilePart(id=clip.id, start=clip.start or 0.0, end=clip.end) for clip in seen.clips(shown)]
    return FileOfList(clips=len(file.clips), windows=parts)


def _in_order(seen: View, place: ListPlace, condition: Condition) -> Int64[np.ndarray, " n"]:
    """All clips that meet the condition, in the order of the place."""
    sort, descending = place.sort, place.descending
    key = ("order", sort, descending)
    every = seen.known.of(key, lambda: clip_order.ordered(seen.db, sort, descending))
    return every[is_among(every, seen.positions(condition))] if condition else every
