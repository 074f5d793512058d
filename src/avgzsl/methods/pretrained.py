"""Features as they are, without a learned space: the 'pre-trained model' row of the paper's retrieval table.

Features and text have different dimensions and the paper does not say how it compares them; here features are brought
to the text's dimension by PCA of the training clips or by a random matrix, scaled to length 1, and compared by
Euclidean distance. Nothing relates the two spaces, so results near chance are what is right.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Float64
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor

from avgzsl.learning.nets import unit_rows
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._examples import Examples
from avgzsl.methods._single import SingleFeature
from avgzsl.scores.similarity import Name

_RANK = 1e-12  # relative size below which an eigenvalue counts as zero


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class Pretrained(SingleFeature, name="pretrained"):
    """A floor: what features say about text vectors that they were never related to."""

    projection: Literal["pca", "random"] = "pca"
    """How features are brought to the dimension of the text."""

    citation: ClassVar[str] = "avgzslnet"
    control: ClassVar[bool] = True
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "pretrained-audio": {"input": "audio"},
        "pretrained-video": {"input": "video"},
    }
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "projection": ("pca", "random"),
        "scale": ("none", "l2", "z-score"),
    }

    @property
    def similarity(self) -> Name:
        """Euclidean, between unit vectors."""
        return "euclidean"

    def learn(self, examples: Examples, job: Job) -> dict[str, Tensor]:
        """The projection, and what is taken off features before it."""
        size = examples.text.shape[1]
        if self.projection == "random":
            normal = torch.randn(examples.width, size, generator=Generator().manual_seed(job.seed))
            return {"weight": normal / size**0.5, "mean": torch.zeros(examples.width)}
        moments = examples.moments()
        mean = moments.sums.sum(0) / len(examples.labels)
        covariance = moments.gram / len(examples.labels) - torch.outer(mean, mean)
        return {"weight": principal_axes(covariance, size).float(), "mean": mean.float()}

    def embed_feature(self, x: Float[Tensor, "n d"], learned: Mapping[str, Tensor]) -> Float[Tensor, "n _e"]:
        """Projected, then scaled to length 1."""
        return unit_rows((x - learned["mean"]) @ learned["weight"])


def principal_axes(covariance: Float64[Tensor, "d d"], count: int) -> Float64[Tensor, "d _k"]:
    """The first axes as columns, each with its largest entry positive; zeros where there are no more."""
    variance, axes = (part.flip(-1)[..., :count] for part in torch.linalg.eigh(covariance))
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    kept = torch.where(variance > _RANK * variance.clamp(min=0).max(), axes * largest.sign(), 0.0)
    return torch.nn.functional.pad(kept, (0, count - kept.shape[1]))
