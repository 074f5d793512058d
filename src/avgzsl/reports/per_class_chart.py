"""The accuracy of every class as a bar, best first."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor

from avgzsl.reports.class_bars import ClassBar, class_bars
from avgzsl.reports.plots import SEEN, UNSEEN, finish


def per_class_chart(
    path: Path,
    names: Sequence[str],
    seen: Bool[Tensor, " c"],
    accuracy: Float[Tensor, " c"],
    counts: Int[Tensor, " c"],
    title: str,
) -> None:
    """The accuracy of every class (%), with its number of clips; in two columns when there are many.

    A class without clips (NaN) comes last and has no bar. Raises ConfigError for an ending that is none of
    `plots.ENDINGS`, AvgzslError when the disk refuses.
    """
    classes = list(zip(names, seen.tolist(), (100 * accuracy.double()).tolist(), counts.tolist(), strict=True))
    classes.sort(key=lambda one: (math.isnan(one[2]), -one[2], one[0]))
    bars = [
        ClassBar(f"{name} ({clips:,})", mark, 0.0 if math.isnan(percent) else percent, _said(percent), _look(mark))
        for name, mark, percent, clips in classes
    ]
    figure, axes = class_bars(bars, "accuracy (%)")
    for mark, group in ((True, "seen classes"), (False, "unseen classes (in italics)")):
        values = [percent for _, was_seen, percent, _ in classes if was_seen is mark and not math.isnan(percent)]
        if values:
            axes.barh([0], [0], label=f"{group}: mean {sum(values) / len(values):.1f} %", **_look(mark))
    finish(path, figure, axes, f"{title}\nin brackets: number of clips", legend_columns=2)


def _said(percent: float) -> str:
    return "no clips" if math.isnan(percent) else f"{percent:.1f}"


def _look(seen: bool) -> dict[str, Any]:
    return SEEN if seen else UNSEEN
