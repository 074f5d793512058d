"""The paper's Figure 5: the clips that a class name finds first, methods side by side, as PNG, SVG or PDF.

There are no pictures to show, so a clip is a square, right or wrong; `retrieval_csv` has the ids.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from avgzsl.errors import DataError, UnknownNameError
from avgzsl.reports.plots import SMALL, WIDTH, finish
from avgzsl.scores.scoring import rank, require_labels
from avgzsl.support.registry import unknown
from avgzsl.support.spreadsheet import table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RIGHT = ("#0072B2", "#0072B2", "✓")  # fill, ink, sign: Okabe and Ito's blue and vermilion, told apart without colour
WRONG = ("#FBE3D3", "#B34A00", "✗")
SQUARE = 0.2  # inches: a clip
BETWEEN = 0.25  # inches between methods
HEADING, LINE, AROUND = 0.32, 0.14, 0.1  # inches: a query or a method, a line of text, around a list
MODE = 0.85  # inches for the name of a test mode
LETTERS = 17  # of a line, an inch


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
    wide = (WIDTH - MODE) / len(columns)
    heights = [[_height(columns, mode, place, wide) for mode in modes] for place in range(len(queries))]
    height = HEADING + sum(HEADING + sum(parts) for parts in heights)
    figure = Figure(figsize=(WIDTH, height + 0.9), layout="constrained")
    axes = figure.add_subplot()
    axes.axis("off")
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    lefts = [MODE + wide * place for place in range(len(columns))]
    for left, method in zip(lefts, columns, strict=True):
        axes.text(left, HEADING / 2, method, fontsize=9, weight="bold", va="center", parse_math=False)
    y = HEADING
    for place, query in enumerate(queries):
        axes.axhspan(y + 0.03, y + HEADING - 0.05, color="0.92")
        middle = y + HEADING / 2 - 0.01
        axes.text(0.05, middle, f"query: {query}", fontsize=8.5, weight="bold", va="center", parse_math=False)
        y += HEADING
        for mode, part in zip(modes, heights[place], strict=True):
            axes.text(0.05, y + SQUARE / 2, mode, fontsize=SMALL, va="center", parse_math=False)
            for left, lists in zip(lefts, columns.values(), strict=True):
                _draw_list(axes, left, y, lists[mode][place], wide)
            y += part
    for (fill, ink, sign), meaning in ((RIGHT, "of the class asked for"), (WRONG, "of another class")):
        axes.fill_between([], [], facecolor=fill, edgecolor=ink, label=f"{sign} {meaning}")
    finish(path, figure, axes, title or "Clips found first by a class name, best first", legend_columns=2)


def retrieval_csv(queries: Sequence[str], columns: Columns) -> str:
    """What the figure shows, a row a clip: query, method, test mode, rank, id, class, and whether it is right."""
    rows: list[tuple[str, ...]] = []
    for place, query in enumerate(queries):
        for method, lists in columns.items():
            for mode, found in lists.items():
                ranked = enumerate(found[place], 1)
                rows += [
                    (query, method, mode, str(n), clip, name, "yes" if right else "no")
                    for n, (clip, name, right) in ranked
                ]
    return table(("query", "method", "test", "rank", "id", "class", "right"), rows)


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


def _height(columns: Columns, mode: str, place: int, wide: float) -> float:
    """Inches that the longest list of a query needs."""
    found = [lists[mode][place] for lists in columns.values()]
    squares = max(-(-len(clips) // _across(wide)) for clips in found)
    return SQUARE * max(1, squares) + LINE * max(len(_said(clips, wide)) for clips in found) + AROUND


def _across(wide: float) -> int:
    """Clips in one row."""
    return max(1, int((wide - BETWEEN) / SQUARE))


def _draw_list(axes: "Axes", left: float, top: float, clips: Sequence[RetrievedClip], wide: float) -> None:
    """A square a clip, best first, and under them how many are right and what the others are."""
    from matplotlib.patches import Rectangle

    across = _across(wide)
    for place, (_, _, right) in enumerate(clips):
        fill, ink, sign = RIGHT if right else WRONG
        x, y = left + SQUARE * (place % across), top + SQUARE * (place // across)
        axes.add_patch(Rectangle((x, y), 0.87 * SQUARE, 0.87 * SQUARE, facecolor=fill, edgecolor=ink, linewidth=0.8))
        middle: dict[str, Any] = {"ha": "center", "va": "center", "color": "white" if right else ink}
        axes.text(x + 0.435 * SQUARE, y + 0.46 * SQUARE, sign, fontsize=SMALL, **middle)
    under = top + SQUARE * -(-len(clips) // across)
    for row, line in enumerate(_said(clips, wide)):
        axes.text(left, under + LINE * (row + 0.5), line, fontsize=SMALL, va="center", parse_math=False)


def _said(clips: Sequence[RetrievedClip], wide: float) -> list[str]:
    """How many are right, and the classes of the others, the most frequent first; names are wrapped, not cut."""
    right = sum(right for *_, right in clips)
    others = Counter(name for _, name, is_right in clips if not is_right).most_common()
    named = ", ".join(name if count == 1 else f"{name} ({count})" for name, count in others)
    return wrap(
        f"{right} of {len(clips)} right{'; else ' if named else ''}{named}", max(12, int(LETTERS * (wide - BETWEEN)))
    )
