"""The paper's Figure 7: a critical-difference diagram (Demsar 2006), as PNG, SVG or PDF.

Mean ranks on an axis, the best on the left; a thick bar joins methods that do not differ significantly.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avgzsl.reports.plots import PALETTE, WIDTH, finish
from avgzsl.reports.significance import RankComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE = PALETTE[:2]
STEP = 0.32  # inches from one name to the next
LABELS = 12  # of ranks that the axis has room for
JOINED = "no significant difference between those joined"
BAR = 0.2  # inches from one joining bar to the next


def cd_figure(path: Path, comparison: RankComparison, title: str = "Critical difference of mean ranks") -> None:
    """Draw the mean ranks of a comparison, the critical difference, and what it does not tell apart.

    Raises ConfigError for an ending that is none of `plots.ENDINGS`, AvgzslError when the disk refuses.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, depth_of(comparison) + 2.4), layout="constrained")
    axes = figure.add_subplot()
    draw_ranks(axes, comparison)
    finish(path, figure, axes, f"{title}\n{tested(comparison)}", legend_columns=2)


def tested(comparison: RankComparison) -> str:
    """The tests, on what, and their weakness."""
    return (
        f"Nemenyi at the level {comparison.alpha:g}; Friedman p = {comparison.p:.2g}\n"
        f"over {comparison.n} {comparison.units}, which are not independent data sets"
    )


def depth_of(comparison: RankComparison) -> float:
    """Inches under the axis that the bars and the names take."""
    return _first_name(comparison) + STEP * ((comparison.k + 1) // 2 - 1) + 0.2


def draw_ranks(axes: "Axes", comparison: RankComparison) -> None:
    """The axis of ranks with the methods, the critical difference, and the bars that join methods; y is in inches."""
    end = max(float(comparison.k), 1 + comparison.critical_difference)
    axes.set_xlim(1 - 0.02 * (end - 1), end + 0.02 * (end - 1))
    axes.set_ylim(depth_of(comparison), -0.9)
    _draw_axis(axes, comparison)
    _draw_names(axes, comparison, _first_name(comparison))
    _draw_groups(axes, comparison, comparison.groups())


def _first_name(comparison: RankComparison) -> float:
    return 0.35 + BAR * len(comparison.groups()) + 0.15


def _draw_axis(axes: "Axes", comparison: RankComparison) -> None:
    """The axis of ranks with its numbers above it, and above these the critical difference to scale."""
    axes.axis("off")
    axes.plot([1, comparison.k], [0, 0], color="black", linewidth=1.2)
    step = math.ceil(comparison.k / LABELS)
    for tick in range(1, comparison.k + 1):
        axes.plot([tick, tick], [0, -0.08], color="black", linewidth=1.2)
        if (tick - 1) % step:
            continue
        axes.text(tick, -0.12, str(tick), ha="center", va="bottom", fontsize=9)
    axes.text((1 + comparison.k) / 2, -0.36, "mean rank (1 is best)", ha="center", va="bottom", fontsize=9)
    width = comparison.critical_difference
    axes.errorbar(1 + width / 2, -0.68, xerr=width / 2, color="black", capsize=4, linewidth=1.6)
    axes.text(1, -0.76, f"critical difference {width:.4g}", va="bottom", fontsize=9)


def _draw_names(axes: "Axes", comparison: RankComparison, first_name: float) -> None:
    """An elbow from each method's mark to its name: the better half to the left, the outermost mark on top."""
    order = comparison.order()
    half = (comparison.k + 1) // 2
    left, right = axes.get_xlim()
    ends = [(left, "right", order[:half]), (right, "left", order[half:][::-1])]
    for edge, align, methods in ends:
        for level, method in enumerate(methods):
            rank, y = comparison.mean_ranks[method], first_name + STEP * level
            axes.plot([rank, rank, edge], [0, y, y], color="0.45", linewidth=0.9)
            text = f" {comparison.names[method]} ({rank:.2f}) "
            axes.text(edge, y, text, ha=align, va="center", fontsize=10, parse_math=False)
    look = {"color": BLUE, "markersize": 8, "markeredgecolor": "white", "linestyle": "", "zorder": 5}
    zeros = [0] * comparison.k
    axes.plot(comparison.mean_ranks, zeros, marker="o", clip_on=False, label="mean rank of a method", **look)  # type: ignore[arg-type]


def _draw_groups(axes: "Axes", comparison: RankComparison, groups: Sequence[tuple[int, ...]]) -> None:
    overhang = 0.008 * (axes.get_xlim()[1] - axes.get_xlim()[0])
    for level, group in enumerate(groups):
        ends = [comparison.mean_ranks[group[0]] - overhang, comparison.mean_ranks[group[-1]] + overhang]
        label = None if level else JOINED
        y = 0.3 + BAR * level
        axes.plot(ends, [y, y], color=ORANGE, linewidth=4.5, solid_capstyle="butt", clip_on=False, label=label)
