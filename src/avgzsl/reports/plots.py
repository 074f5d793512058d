"""Figures to be read: the seen-unseen curve and the accuracy of every class. PNG, SVG or PDF, as the ending says.

A PDF is for a paper, which has a caption of its own: it has no title, and fonts that can be searched and edited.

Colours are those of Okabe and Ito, told apart also by colour-blind readers; line style, hatch or marker says the same
again. Figures are drawn off screen without pyplot, so that nothing outside this module changes.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

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
SEEN = {"facecolor": "#0072B2", "edgecolor": "#0072B2", "hatch": ""}
UNSEEN = {"facecolor": "#F6C9A4", "edgecolor": "#D55E00", "hatch": "////"}
ROWS = 60  # bars in one column that still have legible names
LETTERS = 36  # of a class name; the bars need the rest of the width
DPI = 150


class Bar(NamedTuple):
    """One class of the chart; the accuracy in per cent, NaN if there are no clips."""

    name: str
    seen: bool
    percent: float
    clips: int

    @property
    def empty(self) -> bool:
        return math.isnan(self.percent)


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

    figure = Figure(figsize=(6.4, 5.4 + 0.2 * len(curves)), layout="constrained")
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


def per_class_chart(
    path: Path,
    names: Sequence[str],
    seen: Bool[Tensor, " c"],
    accuracy: Float[Tensor, " c"],
    counts: Int[Tensor, " c"],
    title: str,
) -> None:
    """The accuracy of every class as a bar (%), best first, with its number of clips; in columns when there are many.

    A class without clips (NaN) comes last and has no bar. Raises ConfigError for an ending that is none of ENDINGS,
    AvgzslError when the disk refuses.
    """
    from matplotlib.figure import Figure

    marks, percent, sizes = seen.tolist(), (100 * accuracy.double()).tolist(), counts.tolist()
    bars = [Bar(*values) for values in zip(names, marks, percent, sizes, strict=True)]
    bars.sort(key=lambda bar: (bar.empty, -bar.percent, bar.name))
    columns = max(1, math.ceil(len(bars) / ROWS))
    rows = max(1, math.ceil(len(bars) / columns))
    figure = Figure(figsize=(7 if columns == 1 else 4.6 * columns, 1.6 + 0.2 * rows), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False)[0]
    longest = max([1.0, *(bar.percent for bar in bars if not bar.empty)])
    for place, axes in enumerate(panels):
        _draw_bars(axes, bars[place * rows : (place + 1) * rows], longest)
        axes.set_ylim(rows - 0.4, -0.6)
    _legend_of_groups(panels[0], bars)
    finish(path, figure, panels[0], f"{title}\nin brackets: number of clips", legend_columns=2)


def _draw_bars(axes: "Axes", bars: Sequence[Bar], longest: float) -> None:
    for row, bar in enumerate(bars):
        width = 0.0 if bar.empty else bar.percent
        axes.barh(row, width, height=0.72, linewidth=0.8, **(SEEN if bar.seen else UNSEEN))  # type: ignore[arg-type]
        text = "no clips" if bar.empty else f"{bar.percent:.1f}"
        axes.text(width + longest / 90, row, text, va="center", fontsize=7)
    labels = [f"{short(bar.name)} ({bar.clips:,})" for bar in bars]
    axes.set_yticks(range(len(bars)), labels, fontsize=8, parse_math=False)
    for name, bar in zip(axes.get_yticklabels(), bars, strict=True):
        if not bar.seen:  # a bar of no length shows neither colour nor hatch
            name.set(style="italic", color=UNSEEN["edgecolor"])
    axes.set_xlim(0, 1.15 * longest)  # room for the number behind the longest bar
    axes.set_xlabel("accuracy (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _legend_of_groups(axes: "Axes", bars: Sequence[Bar]) -> None:
    """Empty bars that carry the two legend entries, with the class means."""
    for mark, name, look in ((True, "seen classes", SEEN), (False, "unseen classes (in italics)", UNSEEN)):
        values = [bar.percent for bar in bars if bar.seen is mark and not bar.empty]
        if values:
            axes.barh([0], [0], label=f"{name}: mean {sum(values) / len(values):.1f} %", **look)  # type: ignore[arg-type]


def short(name: str) -> str:
    """The name of a class, cut where it would take the room of its bar."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def finish(path: Path, figure: "Figure", axes: "Axes", title: str, legend_columns: int) -> None:
    """Title above (not in a PDF), legend below, where neither can cover data; then the file, whole or not at all."""
    from matplotlib import rc_context

    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"{path}: figures are written as {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}; give the file one of these"
        )
    form = path.suffix.lower().removeprefix(".")
    if form != "pdf":
        figure.suptitle(title, fontsize=11, parse_math=False)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        legend = figure.legend(
            handles, labels, loc="outside lower center", frameon=False, fontsize=9, ncols=legend_columns
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    # neither date nor random ids in the file: the same results give the same bytes
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
    with rc_context({"svg.hashsalt": "avgzsl", "pdf.fonttype": 42}):
        write_whole(path, lambda temporary: figure.savefig(temporary, format=form, dpi=DPI, metadata=metadata))
