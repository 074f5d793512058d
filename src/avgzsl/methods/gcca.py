"""GCCA: generalised canonical correlation of audio, video and the text of a clip's class (Kettenring, Biometrika 1971).

The MAXVAR form: min over G with G^T G = I and W_i of sum_i ||G - X_i W_i||² + r_i ||W_i||², where X_i (n x d_i) are the
views of the training clips, less their means, and r_i is r times the mean diagonal of X_i^T X_i. With the factors
L_i L_i^T = X_i^T X_i + r_i I, the top k eigenvectors u and eigenvalues m of the matrix with blocks
L_i^-1 X_i^T X_j L_j^-T give W_i = L_i^-T u_i sqrt(m) (up to the scale of all): only matrices of the size of the
features are ever held. At r = 0 this is the block form A w = lambda B w of public code, with m = 1 + 2 lambda. With c
seen classes at most c - 1 components carry anything about the text. Clips that lack a view are not used; a view that no
clip has is left out.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Float64, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import DataError
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import Method, fitted
from avgzsl.methods._embeddings import Embeddings, late
from avgzsl.methods._examples import cholesky, usable_rows
from avgzsl.methods._inputs import clip_features, dimensions
from avgzsl.scores.similarity import Name
from avgzsl.types import MODALITIES

_CHUNK = 8192
_RESOLUTION = 1e-6  # a spread below this part of the size is float32 rounding


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class GCCA(Method, name="gcca"):
    """A linear map of each view to the directions in which all views agree."""

    k: int = Field(default=16, ge=1)
    """Components kept; all there are where there are fewer."""
    r: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    """Ridge of each view, as a part of its mean variance."""
    weighted: bool = False
    """Scale each component by how far the views agree on it, (m - 1) / (views - 1), 0 where they do not."""
    normalise: bool = True
    """Scale audio and video features to length 1 first."""
    compare_by: Literal["cosine", "euclidean"] = "cosine"
    """Similarity of projected clips and text."""

    citation: ClassVar[str] = "gcca"
    modalities = ("audio", "video", "both")
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "k": (10, 16, 22, 64),
        "r": (1e-3, 1e-2, 0.1, 1.0),
        "weighted": (False, True),
        "compare_by": ("cosine", "euclidean"),
    }

    def __post_init__(self) -> None:
        self.learned_: dict[str, Tensor] | None = None
        self.sizes_: dict[str, int] = {}

    @property
    def similarity(self) -> Name:
        """As set by `compare_by`."""
        return self.compare_by

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Solve the eigenproblem of the covariance of all views. Raises DataError, ModalityError."""
        self.learned_, self.sizes_ = None, dimensions(train, classes)
        views = [*(m for m in MODALITIES if m in self.sizes_), "text"]
        rows = usable_rows(train, classes, tuple(m for m in MODALITIES if m in self.sizes_))
        mean, covariance = self._covariance(train, classes.text.double(), rows)
        sizes = [self.sizes_[view] for view in views]
        means = mean.split(sizes)
        for view, centre, variance in zip(views, means, covariance.diagonal().split(sizes), strict=True):
            if float(variance.sum()) <= _RESOLUTION**2 * float(centre.square().sum()):
                raise DataError(f"{view} is the same in all training clips, so nothing can agree with it; leave it out")
        maps = maxvar(covariance, sizes, self.k, self.r, self.weighted)
        self.learned_ = {f"map.{view}": part.float().contiguous() for view, part in zip(views, maps, strict=True)}
        self.learned_ |= {f"mean.{view}": part.float() for view, part in zip(views, means, strict=True)}

    def _covariance(
        self, train: ClipSet, text: Float64[Tensor, "c t"], rows: Int[Tensor, " n"]
    ) -> tuple[Float64[Tensor, " m"], Float64[Tensor, "m m"]]:
        """Mean and covariance of the views end to end, in two passes over the clips."""

        def chunk(part: Tensor) -> Tensor:
            clips = train.take(part)
            features = clip_features(clips, self.sizes_, self.normalise, torch.device("cpu"))
            return torch.cat([*(x.double() for x in features.values()), text[clips.labels]], 1)

        parts = rows.split(_CHUNK)
        mean = torch.stack([chunk(part).sum(0) for part in parts]).sum(0) / len(rows)
        covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
        for part in parts:
            centred = chunk(part) - mean
            covariance += centred.T @ centred
        return mean, covariance / len(rows)

    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        """Each modality on the common components."""
        learned: dict[str, Tensor] = fitted(self.learned_, self)
        features = clip_features(clips, self.sizes_, self.normalise, torch.device("cpu"))
        z = {m: (x - learned[f"mean.{m}"]) @ learned[f"map.{m}"] for m, x in features.items()}
        return late(z, clips)

    def embed_prepared(self, text: Float[Tensor, "c t"]) -> Float[Tensor, "c _k"]:
        """Text of any classes on the common components."""
        learned: dict[str, Tensor] = fitted(self.learned_, self)
        return (text - learned["mean.text"]) @ learned["map.text"]

    def learned(self) -> dict[str, Tensor]:
        """Map and mean of each view."""
        return dict(fitted(self.learned_, self))

    def restore_learned(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        """Map and mean of each view, from `state`."""
        self.learned_, self.sizes_ = dict(state), dict(sizes)


def maxvar(
    covariance: Float64[Tensor, "m m"], sizes: list[int], k: int, ridge: float, weighted: bool
) -> list[Float64[Tensor, "_d _k"]]:
    """The map of each view. Raises DataError for a ridge too small for float64."""
    whitened = covariance.clone()
    factors = []
    blocks = torch.tensor([0, *sizes]).cumsum(0).tolist()
    spans = [slice(start, end) for start, end in pairwise(blocks)]
    for span in spans:
        block = covariance[span, span]
        ridged = block + ridge * block.diagonal().mean() * torch.eye(len(block), dtype=torch.float64)
        factor = cholesky(ridged, "raise r")
        whitened[span] = torch.linalg.solve_triangular(factor, whitened[span], upper=False)
        whitened[:, span] = torch.linalg.solve_triangular(factor, whitened[:, span].T, upper=False).T
        factors.append(factor)
    value, vectors = (part.flip(-1)[..., :k] for part in torch.linalg.eigh((whitened + whitened.T) / 2))
    scale = value.clamp(min=0).sqrt()
    if weighted:
        scale = scale * (value - 1).clamp(min=0) / (len(sizes) - 1)
    return [
        torch.linalg.solve_triangular(factor.T, vectors[span] * scale, upper=True)
        for factor, span in zip(factors, spans, strict=True)
    ]
