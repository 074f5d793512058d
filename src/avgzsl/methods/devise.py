"""DeViSE: a deep visual-semantic embedding model (Frome et al., NeurIPS 2013), on fixed features.

With F(x, y) = (W x)·s_y and unit text vectors s, min_W mean over clips n of
sum over y != y_n of [margin + F(x_n, y) - F(x_n, y_n)]_+, with Adam on batches. The original steps on one clip and one
violating class at a time; margin 0.1 is the original's, up to 200 was used with z-scored features.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.learning.training import SETTINGS
from avgzsl.methods._compatibility import PORT, Ranking, violations


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class DeViSE(Ranking, name="devise"):
    """A linear map to the text vectors, trained by the hinge over all wrong classes."""

    margin: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    """By how much the right class is to win."""

    citation: ClassVar[str] = "devise"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "avca": PORT,  # C3D and VGGish features
        "avca-main": {**PORT, "scale": "none"},  # SeLaVi features; VGGSound with dropout 0
    }
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (1e-3, 1e-2, 0.1, 1.0),
        "margin": (0.1, 1.0, 1.5, 3.0),
        "scale": ("none", "l2", "z-score"),
        "compare_by": ("dot", "cosine", "euclidean"),
    }

    def loss(self, scores: Float[Tensor, "b c"], labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        """The sum over wrong classes, the mean over clips."""
        return violations(scores, labels, self.margin).sum(1).mean()
