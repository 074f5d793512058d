"""Which classes one method gains or loses against another: a bar a class, in points, the largest gain first."""

from pathlib import Path
from typing import Any

from avgzsl.reports.class_bars import ClassBar, class_bars
from avgzsl.reports.per_class import PerClass
from avgzsl.reports.plots import PALETTE, finish

GAIN: dict[str, Any] = {"facecolor": PALETTE[0], "edgecolor": PALETTE[0], "hatch": ""}
LOSS: dict[str, Any] = {"facecolor": "#F6C9A4", "edgecolor": PALETTE[1], "hatch": "////"}


def gain_figure(path: Path, table: PerClass, method: str, against: str, title: str) -> None:
    """Draw `method` against `against`, in columns where classes are many; unseen classes are in italics.

    Raises ConfigError for an ending that is none of `plots.ENDINGS`, AvgzslError when the disk refuses.
    """
    gains = (table.column(method) - table.column(against)).tolist()
    classes = sorted(zip(table.classes, table.seen, gains, strict=True), key=lambda one: (-one[2], one[0]))
    bars = [ClassBar(name, seen, gain, _signed(gain), GAIN if gain >= 0 else LOSS) for name, seen, gain in classes]
    figure, axes = class_bars(bars, "gain in accuracy (points)")
    for sign, word, look in ((1, "gains", GAIN), (-1, "loses", LOSS)):
        count = sum(1 for gain in gains if gain * sign > 0)
        axes.barh([0], [0], label=f"{method} {word} on {count} of {len(bars)} classes", **look)
    finish(path, figure, axes, f"{title}\n{method} against {against}; unseen classes in italics", legend_columns=1)


def _signed(gain: float) -> str:
    return f"{gain:+.1f}" if abs(gain) >= 0.05 else "0.0"
