"""A clip and what it was recognised as: moments of it with their times, its sound, and the nearest classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from avgzsl.reports.class_bars import ClassBar, draw_class_bars, height_of
from avgzsl.reports.plots import SEEN, SMALL, UNSEEN, WIDTH, finish

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SOUND = 0.75  # inches
STEPS = 600  # columns of the drawn wave


class Moment(NamedTuple):
    """A frame and its second from the beginning of the clip."""

    picture: UInt8[np.ndarray, "s s 3"]
    seconds: float


class Guess(NamedTuple):
    """A class, whether it was seen in training, its score, and whether it is the clip's own."""

    label: str
    seen: bool
    score: float
    right: bool


def recognised_figure(
    path: Path,
    moments: Sequence[Moment],
    wave: Float32[np.ndarray, " t"] | None,
    rate: int,
    guesses: Sequence[Guess],
    title: str,
) -> None:
    """Frames in order, the wave of `rate` samples a second under them, and a bar a class, nearest first.

    A clip lacks the part that it has not; there is at least one guess. Raises ConfigError for an ending that is none of
    `plots.ENDINGS`, AvgzslError when the disk refuses.
    """
    from matplotlib.figure import Figure

    scores = [one.score for one in guesses]
    least = min(scores) - 0.2 * (max(scores) - min(scores) or 1)  # bars begin there, so that the nearest is the longest
    bars = [
        ClassBar(
            ("✓ " if one.right else "") + one.label, one.seen, one.score - least, f"{one.score:.3g}", _look(one.seen)
        )
        for one in guesses
    ]
    parts = {"frames": WIDTH / max(4, len(moments)) + 0.2 if moments else 0.0, "sound": 0.0 if wave is None else SOUND}
    parts["classes"] = height_of(bars) + 0.5
    shown = {name: high for name, high in parts.items() if high}
    figure = Figure(figsize=(WIDTH, sum(shown.values()) + 1.2), layout="constrained")
    rows = figure.subfigures(len(shown), 1, height_ratios=list(shown.values()), squeeze=False)[:, 0]
    places = dict(zip(shown, rows, strict=True))
    if moments:
        _draw_moments(places["frames"], moments)
    if wave is not None:
        _draw_wave(places["sound"].subplots(), wave, rate)
    axes = places["classes"].subplots()
    draw_class_bars(axes, bars, "score; higher is nearer")
    axes.set_xticks([])  # the numbers stand behind the bars
    for seen in sorted({one.seen for one in guesses}, reverse=True):
        label = "seen in training" if seen else "unseen in training (in italics)"
        axes.barh([0], [0], label=label, **_look(seen))
    finish(path, figure, axes, title, legend_columns=2)


def _draw_moments(part: "Figure", moments: Sequence[Moment]) -> None:
    for axes, moment in zip(part.subplots(1, max(4, len(moments)), squeeze=False)[0], moments, strict=False):
        axes.imshow(moment.picture)
        axes.set_xlabel(f"{moment.seconds:.1f} s", fontsize=SMALL)
        axes.set(xticks=[], yticks=[])
    for axes in part.axes[len(moments) :]:
        axes.set_axis_off()


def _draw_wave(axes: "Axes", wave: Float32[np.ndarray, " t"], rate: int) -> None:
    """The least and the greatest sample of each column."""
    columns = np.array_split(wave, min(STEPS, max(1, len(wave))))
    seconds = np.linspace(0, len(wave) / rate, len(columns))
    low, high = ([float(choose(part, initial=0.0)) for part in columns] for choose in (np.min, np.max))
    axes.fill_between(seconds, low, high, color="0.35", linewidth=0.5)
    largest = max(1e-3, *map(abs, [*low, *high]))
    axes.set(xlim=(0, max(len(wave) / rate, 1e-3)), ylim=(-1.05 * largest, 1.05 * largest), yticks=[])
    axes.tick_params(labelsize=SMALL)
    axes.set_xlabel("sound, in seconds", fontsize=SMALL)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _look(seen: bool) -> dict[str, Any]:
    return SEEN if seen else UNSEEN
