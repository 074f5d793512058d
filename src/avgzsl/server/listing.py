"""Pages of the list of clips: in one of several orders, of those that meet a condition."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from avgzsl.archive import clip_order, clip_selection
from avgzsl.archive.clip_selection import is_among
from avgzsl.archive.collection import View
from avgzsl.archive.where import Condition
from avgzsl.server.contract import ListPlace


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


def _in_order(seen: View, place: ListPlace, condition: Condition) -> Int64[np.ndarray, " n"]:
    """All clips that meet the condition, in the order of the place."""
    sort, descending = place.sort, place.descending
    key = ("order", sort, descending)
    every = seen.known.of(key, lambda: clip_order.ordered(seen.db, sort, descending))
    return every[is_among(every, seen.positions(condition))] if condition else every
