"""The paper's Figure 6: clips and class texts of a few seen classes in the plane, by t-SNE, as PNG, SVG or PDF."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from avgzsl.errors import DataError
from avgzsl.reports.plots import PALETTE, WIDTH, finish
from avgzsl.scores.scoring import require_labels
from avgzsl.scores.similarity import euclidean
from avgzsl.support.registry import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "^", "D", "v", "P")  # no star, which is the text's; 6 and 7 colours: 42 classes look different
PERPLEXITY = 30.0  # scikit-learn's; the paper gives none
_SHORT = 22  # letters of a name, of which three go in a line of the legend


# clips (m x d), texts of c classes (c x d) in the same space, labels (m) that count in the names (c) of these classes;
# plain tensors, since sizes may differ from panel to panel
Panel = tuple[Tensor, Tensor, Tensor, Sequence[str]]


def choose_clips(
    labels: Int[Tensor, " n"], classes_seen: Bool[Tensor, " c"], n_classes: int = 5, per_class: int = 40, seed: int = 0
) -> Int[Tensor, " m"]:
    """Rows of up to `per_class` random clips of each of a few random seen classes (paper section 6), for all panels.

    `labels` are those of test clips that have all modalities to be drawn. Where fewer seen classes have clips, all are
    taken. Raises DataError for fewer than two classes, or labels that are no class.
    """
    require_labels(labels, len(classes_seen))
    generator = torch.Generator().manual_seed(seed)
    candidates = (classes_seen & (torch.bincount(labels, minlength=len(classes_seen)) > 0)).nonzero().squeeze(1)
    if min(len(candidates), n_classes) < 2:
        raise DataError(
            f"{n_classes} of {len(candidates)} seen classes with clips were asked for; a picture needs at least 2"
        )
    drawn = torch.randperm(len(candidates), generator=generator)[:n_classes]
    classes = candidates[drawn].sort().values  # in the table's order
    parts = []
    for label in classes:
        rows = (labels == label).nonzero().squeeze(1)
        parts.append(rows[torch.randperm(len(rows), generator=generator)[:per_class]])
    return torch.cat(parts)


def own_text_ratio(clips: Float[Tensor, "m d"], text: Float[Tensor, "c d"], labels: Int[Tensor, " m"]) -> float:
    """Mean Euclidean distance of clips to the text of their class over that to the nearest other text; below 1 is good.

    Raises DataError without clips, with fewer than two texts, or for labels that are no class.
    """
    require_labels(labels, len(text))
    if not len(clips) or len(text) < 2:
        raise DataError(f"{len(clips)} clips and {len(text)} class texts; expected at least one clip and two texts")
    distance = -euclidean(clips.double(), text.double())
    is_own = torch.nn.functional.one_hot(labels.long(), len(text)).bool()
    return float(distance[is_own].mean() / distance.masked_fill(is_own, torch.inf).min(dim=1).values.mean())


def tsne_figure(path: Path, panels: Mapping[str, Panel], seed: int = 0, title: str = "") -> None:
    """Each panel's clips and class texts, fitted together; under its title `own_text_ratio` in the embedding space.

    `seed` is scikit-learn's; started from PCA, a picture of a few hundred points is the same for all seeds. Distances
    are Euclidean: for a method that compares by angle, give unit vectors. Panels go two in a row, as
    {method} x {audio, video}, and show the same classes. Raises DataError for panels that differ in their classes, hold
    fewer than four points or two dimensions, or are not finite; ConfigError for an ending that is none of
    `plots.ENDINGS`.
    """
    from matplotlib.figure import Figure

    if len({tuple(names) for *_, names in panels.values()}) != 1:
        raise DataError(f"{len(panels)} panels share one legend; expected at least one, and the same classes in all")
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(WIDTH, WIDTH / 2 * rows + 1.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (name, panel) in zip(grid, panels.items(), strict=False):
        clips, text, labels, names = panel
        _draw(axes, _plane(name, clips, text, seed), labels, names)
        ratio = own_text_ratio(clips, text, labels)
        axes.set_title(f"{name}\nown text / nearest other text: {ratio:.2f}", fontsize=8.5, parse_math=False)
    for axes in grid[len(panels) :]:
        axes.axis("off")
    subtitle = "ratio of mean distances in the embedding space, below 1: nearer to the own text"
    names = next(iter(panels.values()))[3]
    columns = 3 if max(map(len, names)) <= _SHORT else 2 if max(map(len, names)) <= 2 * _SHORT else 1
    finish(path, figure, grid[0], f"{title or 't-SNE of clips and class texts'}\n{subtitle}", legend_columns=columns)


def _plane(name: str, clips: Float[Tensor, "m d"], text: Float[Tensor, "c d"], seed: int) -> Float[np.ndarray, "m+c 2"]:
    """Clips, then texts, in two dimensions: t-SNE (van der Maaten, Hinton 2008) on all of them together."""
    manifold = require("sklearn.manifold", "tsne")
    points = torch.cat([clips, text]).double().numpy(force=True)
    if len(points) < 4 or points.shape[1] < 2:
        raise DataError(
            f"panel {name}: {len(points)} points of {points.shape[1]} dimensions; t-SNE needs 4 points of 2"
        )
    if not np.isfinite(points).all():
        raise DataError(f"panel {name}: embeddings hold NaN or infinity; look for a training that diverged")
    if not np.ptp(points, axis=0).any():
        raise DataError(f"panel {name}: all embeddings are equal, there is nothing to draw; the training collapsed")
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    tsne = manifold.TSNE(n_components=2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
    return np.asarray(tsne.fit_transform(points))


def _draw(axes: "Axes", plane: Float[np.ndarray, "p 2"], labels: Int[Tensor, " m"], names: Sequence[str]) -> None:
    """Clips lie on the white field of the star of their name, so that none is hidden where all of a class meet it."""
    clips, text = plane[: len(labels)], plane[len(labels) :]
    star: dict[str, Any] = {"marker": "*", "s": 260}
    for place, name in enumerate(names):
        color, marker = PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)]
        x, y = clips[labels.numpy(force=True) == place].T
        look: dict[str, Any] = {
            "s": 18,
            "c": color,
            "marker": marker,
            "alpha": 0.75,
            "linewidths": 0.3,
            "edgecolors": "white",
        }
        axes.scatter(x, y, label=name, zorder=3, **look)
        axes.scatter(text[place, 0], text[place, 1], c="white", edgecolors=color, linewidths=1.4, zorder=2, **star)
    for place in range(len(names)):  # over the clips only the outline, which other classes may not hide
        axes.scatter(
            text[place, 0], text[place, 1], facecolors="none", edgecolors=PALETTE[place % len(PALETTE)],
            linewidths=1.4, zorder=4, **star,
        )  # fmt: skip
    axes.scatter([], [], s=150, c="white", marker="*", linewidths=1.3, edgecolors="black", label="text of the class")
    axes.set(xticks=[], yticks=[])  # t-SNE has no unit
    axes.margins(0.08)
