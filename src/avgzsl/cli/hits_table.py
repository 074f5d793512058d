"""The hits of a search as a table: one row a clip, the likely ones above a line."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avgzsl.archive.hits import Hit
    from avgzsl.reports.terminal_table import Column

BELOW = "--- below this line: probably not here ---"
_MARKS = {"gone": " (the file is gone)", "changed": " (changed since)", "touched": " (perhaps changed since)"}


def show_hits(hits: "Sequence[Hit]", line: int | None) -> None:
    """Print one row a hit, nearest first, with the line below so many of them; None draws none."""
    from avgzsl.cli import show

    show.table(hit_columns(hits), breaks=() if line is None else (line,), rule=BELOW)


def hit_columns(hits: "Sequence[Hit]") -> "list[Column]":
    """The columns that have something to say. Score and distance are one thing: where there is a distance, it is told.

    A corrected score orders clips, and is no distance.
    """
    from avgzsl.reports.terminal_table import Column

    far = hits[0].distance is not None and not any(hit.addend for hit in hits)
    same = all(hit.evidence == hit.score for hit in hits)
    columns = [
        Column("", [str(rank) for rank in range(1, len(hits) + 1)], number=True),
        Column("label", [_label(hit) for hit in hits]),
        _figures("distance" if far else "score", [hit.distance if far else hit.score for hit in hits], rank=1),
        _figures("evidence", [None if same else hit.evidence for hit in hits], rank=2),
        _figures("audio alone", [hit.distances["audio"] for hit in hits], rank=4),
        _figures("video alone", [hit.distances["video"] for hit in hits], rank=4),
        Column("because", [", ".join(hit.because or ()) for hit in hits], rank=3),
        Column("clip", [_place(hit) for hit in hits], path=True),
    ]
    return [column for column in columns if any(cell not in ("", "–") for cell in column.cells)]


def _figures(head: str, values: "Sequence[float | None]", rank: int) -> "Column":
    """Numbers to three digits, a dash for what there is not."""
    from avgzsl.reports.terminal_table import Column

    return Column(head, ["–" if value is None else f"{value:.3f}" for value in values], rank=rank, number=True)


def _label(hit: "Hit") -> str:
    if not hit.label:
        return ""
    return f"{hit.label} (unseen)" if hit.seen is False else hit.label


def _place(hit: "Hit") -> str:
    """Where a clip is: its file, or its id, and its part of the file."""
    from avgzsl.reports.terminal_table import as_typed

    span = ""
    if hit.start or hit.end is not None:
        span = f" {_seconds(hit.start or 0.0)}–{'' if hit.end is None else _seconds(hit.end)} s"
    return f"{as_typed(hit.path) if hit.path else hit.id}{span}{_MARKS.get(hit.file or '', '')}"


def _seconds(value: float) -> str:
    """To a tenth."""
    return f"{round(value, 1):g}"
