"""ESZSL: an embarrassingly simple approach to zero-shot learning (Romera-Paredes and Torr, ICML 2015).

V = argmin ||X^T V S - Y||² + gamma ||V S||² + lamda ||X^T V||² + gamma lamda ||V||² over d x t matrices, with the
features X (d x n), the unit text vectors S (t x c) of the seen classes, and Y (n x c), has the closed form
V = (X X^T + gamma I)^-1 X Y S^T (S S^T + lamda I)^-1; a clip's score for a class with text s is x^T V s. Y is +1 for
the clip's class and -1 for the others in the paper, 1 and 0 in the authors' scripts. These are sums over clips, not
means: with another number of clips, gamma is to be searched anew, over powers of ten as the authors do.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._examples import Examples, solve_positive
from avgzsl.methods._single import SingleFeature
from avgzsl.scores.similarity import Name

_POWERS = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class ESZSL(SingleFeature, name="eszsl"):
    """A bilinear form between features and text, in closed form."""

    gamma: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Ridge on the features."""
    lamda: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Ridge on the text vectors."""
    targets: Literal["signed", "binary"] = "signed"
    """Target of a wrong class: -1 (signed, the paper) or 0 (binary, the authors' scripts)."""

    citation: ClassVar[str] = "eszsl"
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "gamma": _POWERS,
        "lamda": _POWERS,
        "targets": ("signed", "binary"),
        "scale": ("none", "l2", "z-score"),
    }

    @property
    def similarity(self) -> Name:
        """The bilinear form itself."""
        return "dot"

    def learn(self, examples: Examples, job: Job) -> dict[str, Tensor]:
        """V, by two Cholesky solves."""
        text, moments = examples.text, examples.moments()
        cross = moments.sums  # (X Y)^T of 0/1 targets; -1 off the class takes all clips off twice that
        if self.targets == "signed":
            cross = 2 * cross - cross.sum(0)
        remedy = "raise {}, or set scale=l2 or scale=z-score"
        ridged = moments.gram + self.gamma * torch.eye(examples.width, dtype=torch.float64)
        half = solve_positive(ridged, cross.T @ text, remedy.format("gamma"))
        ridged = text.T @ text + self.lamda * torch.eye(text.shape[1], dtype=torch.float64)
        return {"weight": solve_positive(ridged, half.T, remedy.format("lamda")).T.float()}
