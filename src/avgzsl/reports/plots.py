"""What figures have in common, and the seen-unseen curve. PNG, SVG or PDF, as the ending says.

A PDF is for a paper, which has a caption of its own: it has no title, and fonts that can be searched and edited.

Colours are those of Okabe and Ito, told apart also by colour-blind readers; line style, hatch or marker says the same
again. Figures are drawn off screen without pyplot, so that nothing outside this module changes.
"""

from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from avgzsl.errors import ConfigError
from avgzsl.scores.metrics import ausuc, harmonic_mean
from avgzsl.scores.scoring import Curve
from avgzsl.support.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe-Ito, without yellow
STYLES = ("-", "--", "-.", ":")  # 4 and 7 have no common divisor: 28 curves look different
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
SEEN: dict[str, Any] = {"facecolor": "#0072B2", "edgecolor": "#0072B2", "hatch": ""}
UNSEEN: dict[str, Any] = {"facecolor": "#F6C9A4", "edgecolor": "#D55E00", "hatch": "////"}
WIDTH = 6.3  # inches: the text of a page, on which a figure is shown as it is drawn
SMALL = 7.5  # points: the smallest letters of a figure
DPI = 150
_TITLE = 80  # letters of a line of a title


def seen_unseen_curve(
    path: Path, curves: Mapping[str, Curve], points: Mapping[str, tuple[float, float]], title: str
) -> None:
    """Seen against unseen accuracy (%) at every penalty, a line per label with its AUSUC.

    `points` are the chosen operating points (U, S), fractions, of some of the curves. Raises ConfigError for an ending
    other than .png and .svg or a point without a curve, AvgzslError when the disk refuses.
    """
    strays = [label for label in points if label not in curves]
    if strays:
        raise ConfigError(f"there is no curve for the point of {', '.join(strays)}; curves: {', '.join(curves)}")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 5.2 + 0.2 * len(curves)), layout="constrained")
    axes = figure.add_subplot()
    for place, (label, curve) in enumerate(curves.items()):
        x, y = 100 * curve.unseen_accuracy.numpy(force=True), 100 * curve.seen_accuracy.numpy(force=True)
        look: dict[str, Any] = {"color": PALETTE[place % len(PALETTE)], "markersize": 9, "markeredgecolor": "white"}
        style: dict[str, Any] = {"linestyle": STYLES[place % len(STYLES)], "linewidth": 1.8}
        marker, name = "", f"{label}: AUSUC {100 * ausuc(curve):.1f} %"
        if label in points:
            u, s = points[label]
            marker = MARKERS[place % len(MARKERS)]
            name += f"; chosen S {100 * s:.1f}, U {100 * u:.1f}, HM {100 * harmonic_mean(s, u):.1f} %"
            axes.plot(100 * u, 100 * s, marker, zorder=5, clip_on=False, **look)
        axes.plot(x, y, **look, **style)
        axes.plot([], [], marker=marker, label=name, **look, **style)  # the legend's: a line that bears its marker
    axes.set_xlabel("accuracy on unseen classes, mean over classes (%)")
    axes.set_ylabel("accuracy on seen classes, mean over classes (%)")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    finish(path, figure, axes, title, legend_columns=1)


def finish(path: Path, figure: "Figure", axes: "Axes", title: str, legend_columns: int) -> None:
    """Title above (not in a PDF), legend below, where neither can cover data; then the file, whole or not at all."""
    from matplotlib import rc_context

    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"{path}: figures are written as {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}; give the file one of these"
        )
    form = path.suffix.lower().removeprefix(".")
    if form != "pdf":
        lines = [line for part in title.split("\n") for line in wrap(part, _TITLE) or [""]]
        figure.suptitle("\n".join(lines), fontsize=10, parse_math=False)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        legend = figure.legend(
            handles, labels, loc="outside lower center", frameon=False, fontsize=8.5, ncols=legend_columns
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    # neither date nor random ids in the file: the same results give the same bytes
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
    with rc_context({"svg.hashsalt": "avgzsl", "pdf.fonttype": 42}):
        write_whole(path, lambda temporary: figure.savefig(temporary, format=form, dpi=DPI, metadata=metadata))
