"""SAE: semantic autoencoder for zero-shot learning (Kodirov, Xiang and Gong, CVPR 2017).

W = argmin ||X - W^T S||² + lamda ||W X - S||² over t x d matrices, with the features X (d x n) and the unit text vector
S (t x n) of each clip's class. W solves the Sylvester equation A W + W B = C with A = S S^T, B = lamda X X^T and
C = (1 + lamda) S X^T, here in the eigenbases of A and B; where both are singular, as with fewer classes than text
dimensions and fewer clips than feature dimensions, the solution of least norm is taken. F->S compares W x with the
text, S->F the feature x with W^T s, both by cosine. The authors use lamda = 5e5 (AwA), 0.2 (CUB) and 5 (ImageNet-2).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Float64
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._bilinear import Bilinear
from avgzsl.methods._examples import Examples

_RANK = 1e-12  # relative size below which a sum of eigenvalues counts as zero


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class SAE(Bilinear, name="sae"):
    """One matrix that encodes features as text and, transposed, decodes text into features."""

    lamda: float = Field(default=0.2, gt=0, allow_inf_nan=False)
    """Weight of the encoder's error against the decoder's."""
    direction: Literal["F->S", "S->F"] = "S->F"
    """Where clips and classes meet: as text (F->S) or as features (S->F)."""
    compare_by: Literal["dot", "cosine", "euclidean"] = "cosine"
    """Similarity in either space when clips are scored."""

    citation: ClassVar[str] = "sae"
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lamda": (1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6),
        "direction": ("F->S", "S->F"),
        "scale": ("none", "l2", "z-score"),
    }

    def learn(self, examples: Examples, job: Job) -> dict[str, Tensor]:
        """W^T, d x t."""
        text, moments = examples.text, examples.moments()
        a = text.T @ (moments.size[:, None] * text)
        c = (1 + self.lamda) * text.T @ moments.sums
        return {"weight": sylvester(a, self.lamda * moments.gram, c).T.float()}

    def embed_feature(self, x: Float[Tensor, "n d"], learned: Mapping[str, Tensor]) -> Float[Tensor, "n _e"]:
        """W x, or x itself."""
        return x @ learned["weight"] if self.direction == "F->S" else x

    def embed_scaled_text(self, text: Float[Tensor, "c t"], learned: Mapping[str, Tensor]) -> Float[Tensor, "c _e"]:
        """The text itself, or W^T s."""
        return text if self.direction == "F->S" else text @ learned["weight"].T


def sylvester(
    a: Float64[Tensor, "t t"], b: Float64[Tensor, "d d"], c: Float64[Tensor, "t d"]
) -> Float64[Tensor, "t d"]:
    """The W of least norm with a W + W b = c, for symmetric a, b without negative eigenvalues."""
    alpha, u = torch.linalg.eigh(a)
    beta, v = torch.linalg.eigh(b)
    total = alpha.clamp(min=0)[:, None] + beta.clamp(min=0)
    rotated = u.T @ c @ v
    solution: Tensor = u @ torch.where(total > _RANK * total.max(), rotated / total, 0.0) @ v.T
    return solution
