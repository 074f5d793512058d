"""ALE: label embedding for image classification, with the WARP loss (Akata, Perronnin, Harchaoui and Schmid, 2015).

With F(x, y) = (W x)·s_y and unit text vectors s, min_W mean over clips n of
(l_r / r) sum over y != y_n of [margin + F(x_n, y) - F(x_n, y_n)]_+, where r is the number of wrong classes inside the
margin, l_r = 1 + 1/2 + ... + 1/r, and the term is 0 for r = 0. The original estimates r from how many classes it draws
before one violates; with all scores of a batch at hand r is counted. Weights l_r / r carry no gradient.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.learning.training import SETTINGS
from avgzsl.methods._compatibility import PORT, Ranking, violations


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class ALE(Ranking, name="ale"):
    """A linear map to the text vectors, trained by a hinge that looks at the top of the ranking."""

    margin: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """By how much the right class is to win."""

    citation: ClassVar[str] = "ale"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "avca": PORT,  # C3D and VGGish features
        "avca-main": {**PORT, "scale": "none"},  # SeLaVi features; VGGSound with dropout 0
    }
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (1e-3, 0.01, 0.04, 0.1, 0.3),
        "margin": (0.1, 1.0, 3.0),
        "scale": ("none", "l2", "z-score"),
        "compare_by": ("dot", "cosine", "euclidean"),
    }

    def loss(self, scores: Float[Tensor, "b c"], labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        """The rank-weighted sum over wrong classes, the mean over clips."""
        hinge = violations(scores, labels, self.margin)
        rank = (hinge.detach() > 0).sum(1)
        steps = 1 / torch.arange(1, scores.shape[1], dtype=scores.dtype, device=scores.device)
        harmonic = torch.nn.functional.pad(steps.cumsum(0), (1, 0))
        return (harmonic[rank] / rank.clamp(min=1) * hinge.sum(1)).mean()
