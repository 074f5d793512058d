"""The list of clips with those of one file together: a file stands where the first of its clips does.

Nothing goes through all clips for it: of those that come next, the other clips of their files are looked up by path.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from avgzsl.archive import clip_files
from avgzsl.archive.collection import View

_AT_ONCE = 200  # clips that are looked at together

Positions = Int64[np.ndarray, " n"]
Ahead = Callable[[int, int], Positions]
"""The clips behind a place of the list, so many of them."""
Places = Callable[[Positions], Positions]
"""The places of clips in the list; -1 of those that are not in it."""


class FileOfClips(NamedTuple):
    """The clip that comes first in the list, and all of its file that are in the list, in order of time; positions."""

    first: int
    clips: Int64[np.ndarray, " n"]


class FilePage(NamedTuple):
    """Files of a page, and the place behind which the next page is; None where there is none."""

    files: list[FileOfClips]
    next: int | None


def in_array(chosen: Int64[np.ndarray, " n"]) -> tuple[Ahead, Places]:
    """Of a list that is an array of positions: a place is an index."""
    order = np.argsort(chosen)
    ascending = chosen[order]

    def places(asked: Positions) -> Positions:
        if not len(chosen):
            return np.full(len(asked), -1)
        found = np.searchsorted(ascending, asked).clip(max=len(chosen) - 1)
        return np.where(ascending[found] == asked, order[found], -1)

    return lambda after, n: chosen[after + 1 : after + 1 + n], places


def file_page(seen: View, after: int, limit: int, ahead: Ahead, places: Places) -> FilePage:
    """The next files behind a place, at most `limit`."""
    found: list[FileOfClips] = []
    of_path: dict[str, FileOfClips] = {}
    place = after
    while len(found) <= limit and len(candidates := ahead(place, _AT_ONCE)):
        paths = clip_files.paths_at(seen.db, candidates)
        unknown = {path for path in paths.values() if path is not None and path not in of_path}
        of_unknown = clip_files.of_files(seen.db, sorted(unknown))
        of_path |= {path: _in_list(clips, places) for path, clips in of_unknown.items()}
        for position in candidates.tolist():
            path = paths.get(position)
            file = FileOfClips(position, np.array([position])) if path is None else of_path[path]
            if file.first == position:
                found.append(file)
        place = int(places(candidates[-1:])[0])
    last = int(places(np.array([found[limit - 1].first]))[0]) if len(found) > limit else None
    return FilePage(found[:limit], last)


def _in_list(clips: Int64[np.ndarray, " n"], places: Places) -> FileOfClips:
    """Of the clips of a file, one of which is in the list, those that are."""
    stand = places(clips)
    clips, stand = clips[stand >= 0], stand[stand >= 0]
    return FileOfClips(int(clips[stand.argmin()]), clips)
