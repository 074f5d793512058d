"""Clips that a phrase found, in pictures, right and wrong marked: the Figure 5 of the paper where there are clips."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from avgzsl.reports.plots import SMALL, WIDTH, finish
from avgzsl.reports.retrieval_figure import RIGHT, WRONG

FEWEST = 4  # places in a row, also where there are fewer clips
LETTERS = 18  # of a line under a clip


class ShownClip(NamedTuple):
    """A clip to be drawn: one of its frames (None without picture), its class, and whether that is the query's."""

    picture: UInt8[np.ndarray, "s s 3"] | None
    label: str
    right: bool


def clip_sheet(path: Path, queries: Sequence[tuple[str, Sequence[ShownClip]]], title: str) -> None:
    """One row a query, best clip first. PNG, SVG or PDF by the ending; raises ConfigError for another."""
    from matplotlib.figure import Figure

    columns = max([FEWEST, *(len(clips) for _, clips in queries)])
    card = WIDTH / columns
    lines = max([1, *(_wrapped(shown.label).count("\n") + 1 for _, clips in queries for shown in clips)])
    figure = Figure(figsize=(WIDTH, (card + 0.25 + 0.12 * lines) * len(queries) + 0.7), layout="constrained")
    rows = figure.subfigures(len(queries), 1, squeeze=False)[:, 0]
    for part, (query, clips) in zip(rows, queries, strict=True):
        part.suptitle(query, fontsize=9, x=0.01, ha="left", parse_math=False)
        for axes, shown in zip(part.subplots(1, columns, squeeze=False)[0], clips, strict=False):
            _draw(axes, shown)
        for axes in part.axes[len(clips) :]:
            axes.set_axis_off()
    finish(path, figure, rows[0].axes[0], title, legend_columns=2)


def _draw(axes, shown: ShownClip) -> None:  # type: ignore[no-untyped-def]
    _, ink, sign = RIGHT if shown.right else WRONG
    picture = np.full((8, 8, 3), 235, np.uint8) if shown.picture is None else shown.picture
    axes.imshow(picture)
    axes.set_anchor("N")  # under the words that found it
    if shown.picture is None:
        axes.text(0.5, 0.5, "sound only", ha="center", va="center", transform=axes.transAxes, fontsize=SMALL)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(color=ink, linewidth=2.5, linestyle="-" if shown.right else (0, (3, 2)))
    axes.set_xlabel(
        _wrapped(f"{sign} {shown.label}"), fontsize=SMALL - 0.5, color=ink, linespacing=1.0, parse_math=False
    )


def _wrapped(label: str) -> str:
    return "\n".join(wrap(label, LETTERS))
