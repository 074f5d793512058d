"""Which classes one method gains or loses against another: a bar a class, in points, the largest gain first."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from avgzsl.reports.per_class import PerClass
from avgzsl.reports.plots import PALETTE, ROWS, finish, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAIN = {"facecolor": PALETTE[0], "edgecolor": PALETTE[0], "hatch": ""}
LOSS = {"facecolor": "#F6C9A4", "edgecolor": PALETTE[1], "hatch": "////"}

Bar = tuple[str, bool, float]  # class, whether it was seen, gain in points


def gain_figure(path: Path, table: PerClass, method: str, against: str, title: str) -> None:
    """Draw `method` against `against`, in columns where classes are many; unseen classes are in italics.

    Raises ConfigError for an ending that is none of `plots.ENDINGS`, AvgzslError when the disk refuses.
    """
    from matplotlib.figure import Figure

    gains = (table.column(method) - table.column(against)).tolist()
    bars: list[Bar] = sorted(zip(table.classes, table.seen, gains, strict=True), key=lambda bar: (-bar[2], bar[0]))
    columns = max(1, math.ceil(len(bars) / ROWS))
    rows = math.ceil(len(bars) / columns)
    figure = Figure(figsize=(7 if columns == 1 else 4.6 * columns, 1.6 + 0.2 * rows), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False)[0]
    ends = min(0.0, *gains), max(0.0, *gains)
    for place, axes in enumerate(panels):
        _draw(axes, bars[place * rows : (place + 1) * rows], ends)
        axes.set_ylim(rows - 0.4, -0.6)
    for sign, word, look in ((1, "gains", GAIN), (-1, "loses", LOSS)):
        count = sum(1 for _, _, gain in bars if gain * sign > 0)
        panels[0].barh([0], [0], label=f"{method} {word} on {count} of {len(bars)} classes", **look)
    finish(path, figure, panels[0], f"{title}\n{method} against {against}; unseen classes in italics", legend_columns=1)


def _draw(axes: "Axes", bars: list[Bar], ends: tuple[float, float]) -> None:
    low, high = ends
    room = max(high - low, 1e-6)
    for row, (_, _, gain) in enumerate(bars):
        axes.barh(row, gain, height=0.72, linewidth=0.8, **(GAIN if gain >= 0 else LOSS))  # type: ignore[arg-type]
        side = "left" if gain >= 0 else "right"
        text = f"{gain:+.1f}" if abs(gain) >= 0.05 else "0.0"
        axes.text(gain + (room / 90) * (1 if gain >= 0 else -1), row, text, va="center", ha=side, fontsize=7)
    axes.set_yticks(range(len(bars)), [short(name) for name, _, _ in bars], fontsize=8, parse_math=False)
    for label, (_, seen, _) in zip(axes.get_yticklabels(), bars, strict=True):
        if not seen:
            label.set(style="italic", color=PALETTE[1])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlim(low - 0.14 * room, high + 0.14 * room)  # room for the numbers
    axes.set_xlabel("gain in accuracy (points)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
