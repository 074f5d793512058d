"""Clips as an extended m3u: a player plays each from its second to its last."""

from collections.abc import Iterable
from typing import NamedTuple


class Played(NamedTuple):
    """A clip: what a player shows, the path or address of its file, and its span in seconds."""

    title: str
    place: str
    start: float
    end: float | None


def playlist(entries: Iterable[Played]) -> str:
    """The text of the file, in UTF-8. `start-time` and `stop-time` are those of VLC, which others pass over.

    An entry takes its lines and no other's: what would end one is a space in a title, and a place that holds it, which
    a playlist cannot name, is left out.
    """
    lines = ["#EXTM3U", "#EXTENC:UTF-8"]
    for title, place, start, end in entries:
        if not place.isprintable() or place.startswith("#"):
            continue
        seconds = -1 if end is None else round(end - start)
        lines.append(f"#EXTINF:{seconds},{''.join(c if c.isprintable() else ' ' for c in title)}")
        lines += [f"#EXTVLCOPT:start-time={start:.3f}"] if start else []
        lines += [] if end is None else [f"#EXTVLCOPT:stop-time={end:.3f}"]
        lines.append(place)
    return "\n".join(lines) + "\n"
