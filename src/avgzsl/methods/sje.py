"""SJE: structured joint embedding (Akata, Reed, Walter, Lee and Schiele, CVPR 2015), as its port in AVCA's code has it.

With F(x, y) = (W x)·s_y, min_W mean over clips n of max over y != y_n of [margin + F(x_n, y) - F(x_n, y_n)]_+: of all
wrong classes the one that violates most. Defaults are the port's, for C3D and VGGish features; its W x is compared with
the raw word vectors by Euclidean distance. The original steps on one clip at a time, compares by the form itself, and
scales W x to mean 0 and deviation 1 before; of these the form is `compare_by=dot`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.learning.training import SETTINGS
from avgzsl.methods._compatibility import PORT, Ranking, violations
from avgzsl.methods._ported import Ported


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class SJE(Ported, Ranking, name="sje"):
    """A linear map to the text vectors, trained by a hinge on the wrong class that violates most."""

    margin: float = Field(default=PORT["margin"], gt=0, allow_inf_nan=False)
    """By how much the right class is to win."""

    citation: ClassVar[str] = "sje, avca"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "avca-main": {"scale": "none"},
        "dot": {"scale": "l2", "text_scale": "unit", "compare_by": "dot", "steps": 0, "epochs": 60, "plateau": 0},
        # for about a thousand clips
        "realset": {
            "scale": "l2",
            "text_scale": "unit",
            "compare_by": "dot",
            "batch_size": 64,
            "steps": 5,
            "epochs": 60,
            "plateau": 0,
        },
    }
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (1e-3, 1e-2, 0.1),
        "margin": (0.1, 1.0, 3.0),
        "scale": ("none", "l2", "joint-l2", "z-score"),
        "compare_by": ("dot", "cosine", "euclidean"),
    }

    def loss(self, scores: Float[Tensor, "b c"], labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        """The largest violation, the mean over clips."""
        return violations(scores, labels, self.margin).amax(1).mean()
