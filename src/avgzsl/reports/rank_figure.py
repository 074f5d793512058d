"""The paper's Figure 7: methods by their mean ranks; of two methods each class as well."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from avgzsl.reports.cd_figure import JOINED, ORANGE, cd_figure, depth_of, draw_ranks, tested
from avgzsl.reports.plots import PALETTE, SMALL, WIDTH, finish
from avgzsl.reports.significance import SAME, RankComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SQUARE = 3.9  # inches of the accuracies against each other
BETTER = ((PALETTE[0], "o"), (PALETTE[1], "s"), ("0.4", "D"))  # the first method, the second, neither


def rank_figure(
    path: Path,
    comparison: RankComparison,
    percent: Float[Tensor, "n k"],
    title: str = "Critical difference of mean ranks",
) -> None:
    """A critical-difference diagram; of two methods also a point a class: the one's score (%) against the other's.

    Raises ConfigError for an ending that is none of `plots.ENDINGS`, AvgzslError when the disk refuses.
    """
    if comparison.k != 2:
        cd_figure(path, comparison, title)
        return
    from matplotlib.figure import Figure

    ranks = depth_of(comparison) + 0.9
    figure = Figure(figsize=(WIDTH, SQUARE + ranks + 1.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[ranks, SQUARE])
    draw_ranks(above, comparison)
    _draw_pairs(below, comparison, percent)
    if comparison.groups():
        below.plot([], [], color=ORANGE, linewidth=4.5, label=JOINED)
    finish(path, figure, below, f"{title}\n{tested(comparison)}", legend_columns=1)


def _draw_pairs(axes: "Axes", comparison: RankComparison, percent: Float[Tensor, "n 2"]) -> None:
    """Points over the diagonal are those of the second method."""
    first, second = comparison.names
    x, y = percent.double().T
    equal = (x - y).round(decimals=SAME - 2) == 0  # as the tests take them, which are of fractions
    groups = {f"{first} is better": ~equal & (x > y), f"{second} is better": ~equal & (y > x), "equal": equal}
    low, high = min(0.0, float(percent.min())), max(1.0, float(percent.max()))
    axes.plot([low, high], [low, high], color="0.6", linewidth=1, zorder=1)
    for (name, chosen), (color, marker) in zip(groups.items(), BETTER, strict=True):
        count = int(chosen.sum())
        if count:
            label = f"{name}: {count} of {comparison.n} {comparison.units}"
            look: dict[str, Any] = {
                "s": 30,
                "c": color,
                "marker": marker,
                "edgecolors": "white",
                "linewidths": 0.5,
                "zorder": 3,
            }
            axes.scatter(x[chosen], y[chosen], clip_on=False, label=label, **look)
    room = 0.04 * (high - low)
    axes.set(xlim=(low - room, high + room), ylim=(low - room, high + room), aspect="equal")
    axes.set_xlabel(f"{first} (%)", fontsize=8.5, parse_math=False)
    axes.set_ylabel(f"{second} (%)", fontsize=8.5, parse_math=False)
    axes.tick_params(labelsize=SMALL)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
