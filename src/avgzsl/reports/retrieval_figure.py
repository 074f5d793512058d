"""The paper's Figure 5: the clips that a class name finds first, methods side by side, as PNG, SVG or PDF.

There are no pictures to show, so a clip is a small card with its class and its id.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from avgzsl.errors import DataError, UnknownNameError
from avgzsl.reports.plots import finish
from avgzsl.scores.scoring import rank, require_labels
from avgzsl.support.registry import unknown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RIGHT = ("#DCEBF6", "#0072B2", "✓")  # fill, ink, sign: Okabe and Ito's blue and vermilion, told apart without colour
WRONG = ("#FBE3D3", "#B34A00", "✗")
ACROSS = 5  # cards in one row
CARD, HIGH, GAP = 1.42, 0.5, 0.06  # inches: a card and the space around it
BETWEEN = 0.3  # inches between methods
QUERY, MODE = 0.44, 0.26  # inches of a heading
LETTERS, ID_LETTERS = 19, 26  # that fit on a card, if they are not all wide
ROOM = 72 * (CARD - GAP - 0.3)  # points in which they must fit


RetrievedClip = tuple[str, str, bool]  # the id of a clip, its class, and whether that is the class asked for
Columns = Mapping[str, Mapping[str, Sequence[Sequence[RetrievedClip]]]]


def top_retrieved(
    scores: Float[Tensor, "n c"],
    labels: Int[Tensor, " n"],
    ids: Shaped[np.ndarray, " n"],
    names: Sequence[str],
    queries: Sequence[str],
    top: int = 10,
    seed: int = 0,
) -> list[list[RetrievedClip]]:
    """For each query, a class name, the `top` clips of all n that score highest; ties by the rule of `scoring.rank`.

    Raises UnknownNameError for a query that is no class, DataError for labels that are none, names that are not one for
    each column, or scores that are not finite.
    """
    if len(names) != scores.shape[1]:
        raise DataError(f"{len(names)} class names for {scores.shape[1]} columns of scores; expected one for each")
    require_labels(labels, len(names))
    strays = [query for query in queries if query not in names]
    if strays:
        raise UnknownNameError(unknown("class", strays[0], names))
    query_classes = torch.tensor([names.index(query) for query in queries], dtype=torch.long)
    best = rank(scores[:, query_classes], seed)[:top].T

    lists = []
    for clips, query in zip(best.tolist(), query_classes.tolist(), strict=True):
        clip_labels = labels[clips].tolist()
        lists.append([(str(ids[c]), names[label], label == query) for c, label in zip(clips, clip_labels, strict=True)])
    return lists


def retrieval_figure(path: Path, queries: Sequence[str], columns: Columns, title: str = "") -> None:
    """For each query and test mode, the clips that each method (a column) finds first, right and wrong ones marked.

    `columns[method][mode]` holds a list for each query, best first. Raises DataError for methods that differ in their
    modes or lists that are not one for each query, ConfigError for an ending that is none of `plots.ENDINGS`.
    """
    from matplotlib.figure import Figure

    modes = _check(queries, columns)
    rows = [_rows(columns, mode, place) for place in range(len(queries)) for mode in modes]
    height = QUERY * len(queries) + MODE * len(rows) + HIGH * sum(rows) + 0.3
    width = len(columns) * (ACROSS * CARD + BETWEEN)
    figure = Figure(figsize=(width, height + 1), layout="constrained")
    axes = figure.add_subplot()
    axes.axis("off")
    axes.set(xlim=(0, width - BETWEEN), ylim=(height, 0))
    for column, method in enumerate(columns):
        left = column * (ACROSS * CARD + BETWEEN)
        axes.text(left, 0.2, method, fontsize=12, weight="bold", va="center", parse_math=False)
    y = 0.3
    for place, query in enumerate(queries):
        axes.axhspan(y + 0.08, y + QUERY - 0.06, color="0.9")
        heading = f" query: {query}"
        axes.text(0, y + QUERY / 2, heading, fontsize=11, weight="bold", va="center_baseline", parse_math=False)
        y += QUERY
        for mode in modes:
            for column, lists in enumerate(columns.values()):
                _draw_list(axes, column * (ACROSS * CARD + BETWEEN), y, mode, lists[mode][place])
            y += MODE + HIGH * _rows(columns, mode, place)
    for (fill, ink, sign), meaning in ((RIGHT, "of the class asked for"), (WRONG, "of another class")):
        axes.fill_between([], [], facecolor=fill, edgecolor=ink, label=f"{sign} {meaning}")
    finish(path, figure, axes, title or "Clips found first by a class name, best first", legend_columns=2)


def _check(queries: Sequence[str], columns: Columns) -> list[str]:
    """The test modes, which all methods share."""
    if not queries or not columns:
        raise DataError(f"{len(queries)} queries and {len(columns)} methods to show; expected at least one of each")
    for first, second in pairwise(columns):
        if list(columns[first]) != list(columns[second]):
            raise DataError(
                f"{first} was tested in {', '.join(columns[first])}, {second} in {', '.join(columns[second])}; "
                "expected the same modes, in the same order"
            )
    for method, lists in columns.items():
        for mode, lists_of_mode in lists.items():
            if len(lists_of_mode) != len(queries):
                raise DataError(
                    f"{method}, {mode}: {len(lists_of_mode)} lists for {len(queries)} queries; expected one for each"
                )
    return list(next(iter(columns.values())))


def _rows(columns: Columns, mode: str, place: int) -> int:
    """Rows of cards that the longest list of a query needs."""
    return max(-(-len(lists[mode][place]) // ACROSS) for lists in columns.values())


def _draw_list(axes: "Axes", left: float, top: float, mode: str, clips: Sequence[RetrievedClip]) -> None:
    """A heading with the number of right clips, and the cards under it, row by row."""
    right = sum(right for *_, right in clips)
    axes.text(left, top + MODE / 2, f"{mode}: {right} of {len(clips)} right", fontsize=9, va="center", parse_math=False)
    for place, clip in enumerate(clips):
        _draw_card(axes, left + CARD * (place % ACROSS), top + MODE + HIGH * (place // ACROSS), place + 1, clip)


def _draw_card(axes: "Axes", x: float, y: float, place: int, clip: RetrievedClip) -> None:
    from matplotlib.patches import Rectangle

    clip_name, name, right = clip
    fill, ink, sign = RIGHT if right else WRONG
    axes.add_patch(Rectangle((x, y), CARD - GAP, HIGH - GAP, facecolor=fill, edgecolor=ink, linewidth=1))
    axes.text(x + 0.13, y + 0.14, sign, fontsize=11, color=ink, weight="bold", ha="center", va="center")
    axes.text(x + 0.13, y + 0.34, str(place), fontsize=6, color="0.25", ha="center", va="center")
    weight = "normal" if right else "bold"
    for text, height, size, look in (
        (_two_lines(name), 0.16, 6.5, {"weight": weight, "linespacing": 0.95}),
        (_shortened(clip_name), 0.37, 5.0, {"weight": "normal", "color": "0.25"}),
    ):
        size = min(size, size * ROOM / _width(text, size, str(look["weight"])))
        axes.text(x + 0.25, y + height, text, fontsize=size, va="center", parse_math=False, **look)


@cache
def _width(text: str, size: float, weight: str) -> float:
    """Points that the longest line takes; at least 1."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font, measure = FontProperties(size=size, weight=weight), TextToPath().get_text_width_height_descent
    return max(1.0, *(measure(line, font, False)[0] for line in text.split("\n")))


def _two_lines(name: str) -> str:
    """A class name on at most two lines."""
    lines = wrap(name, LETTERS) or [""]
    return "\n".join(lines if len(lines) <= 2 else [lines[0], f"{lines[1][: LETTERS - 1]}…"])


def _shortened(clip: str) -> str:
    """An id without its middle: both ends tell clips of one video apart."""
    half = (ID_LETTERS - 1) // 2
    return clip if len(clip) <= ID_LETTERS else f"{clip[:half]}…{clip[-half:]}"
