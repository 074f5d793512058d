"""A bar for each class, in one column or two, as wide as the text of a page: names are wrapped, never cut."""

from collections.abc import Sequence
from itertools import accumulate
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from avgzsl.reports.plots import SMALL, UNSEEN, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = {1: 40, 2: 25}  # of a line of a name, in one column and in two; the bars need the rest of the width
ROWS = 60  # lines in one column, before there are two
LINE, BETWEEN = 0.125, 0.06  # inches: a line of a name, and the space between two classes
AROUND = 1.7  # inches for the title, the axis and the legend


class ClassBar(NamedTuple):
    """One class: its name as it is to be read, whether it was seen, the length of its bar, what stands behind it."""

    name: str
    seen: bool
    length: float
    text: str
    look: dict[str, Any]


def class_bars(bars: Sequence[ClassBar], xlabel: str) -> "tuple[Figure, Axes]":
    """Draw the bars in their order; gives the figure and the axes that a legend may be added to.

    Names of unseen classes are in italics: a bar of no length shows neither colour nor hatch.
    """
    from matplotlib.figure import Figure

    columns = 1 if sum(len(_lines(bar.name, 1)) for bar in bars) <= ROWS else 2
    parts = _halves(bars, columns)
    heights = [sum(_height(bar, columns) for bar in part) for part in parts]
    figure = Figure(figsize=(WIDTH, AROUND + max([LINE, *heights])), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False)[0]
    for axes, part in zip(panels, parts, strict=True):
        _draw(axes, part, columns, _ends(bars))
        axes.set_ylim(max([LINE, *heights]) + BETWEEN, -BETWEEN)
        axes.set_xlabel(xlabel, fontsize=SMALL)
    return figure, panels[0]


def draw_class_bars(axes: "Axes", bars: Sequence[ClassBar], xlabel: str) -> None:
    """Draw the bars in one column of a figure that holds more."""
    _draw(axes, bars, 1, _ends(bars))
    axes.set_ylim(max(LINE, height_of(bars)) + BETWEEN, -BETWEEN)
    axes.set_xlabel(xlabel, fontsize=SMALL)


def height_of(bars: Sequence[ClassBar]) -> float:
    """Inches that the bars take in one column."""
    return sum(_height(bar, 1) for bar in bars)


def _ends(bars: Sequence[ClassBar]) -> tuple[float, float]:
    """The range of the axis, which holds 0."""
    lengths = [bar.length for bar in bars]
    low, high = min([0.0, *lengths]), max([0.0, *lengths])
    return (low, high) if low < high else (0.0, 1.0)


def _halves(bars: Sequence[ClassBar], columns: int) -> list[Sequence[ClassBar]]:
    """The bars of each column, about as high as one another."""
    if columns == 1:
        return [bars]
    heights = list(accumulate(_height(bar, columns) for bar in bars))
    first = next(place for place, height in enumerate(heights, 1) if height >= heights[-1] / 2)
    return [bars[:first], bars[first:]]


def _draw(axes: "Axes", bars: Sequence[ClassBar], columns: int, ends: tuple[float, float]) -> None:
    low, high = ends
    room, y, ticks = high - low, 0.0, []
    for bar in bars:
        ticks.append(y + _height(bar, columns) / 2)
        axes.barh(ticks[-1], bar.length, height=0.8 * LINE, linewidth=0.8, **bar.look)
        side = -1 if bar.length < 0 else 1
        look: dict[str, Any] = {"va": "center", "ha": "left" if side > 0 else "right", "fontsize": SMALL}
        axes.text(bar.length + side * room / 60, ticks[-1], bar.text, **look)
        y += _height(bar, columns)
    names = ["\n".join(_lines(bar.name, columns)) for bar in bars]
    axes.set_yticks(ticks, names, fontsize=SMALL, linespacing=1.0, parse_math=False)
    for name, bar in zip(axes.get_yticklabels(), bars, strict=True):
        if not bar.seen:
            name.set(style="italic", color=UNSEEN["edgecolor"])
    margin = {1: 0.12, 2: 0.24}[columns] * room  # for the numbers
    axes.set_xlim(low - margin if low < 0 else 0, high + margin)
    if low < 0:
        axes.axvline(0, color="black", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=SMALL)


def _lines(name: str, columns: int) -> list[str]:
    return wrap(name, LETTERS[columns]) or [""]


def _height(bar: ClassBar, columns: int) -> float:
    """Inches that a class takes."""
    return LINE * len(_lines(bar.name, columns)) + BETWEEN
