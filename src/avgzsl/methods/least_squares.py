"""Linear least squares: a ridge map from features to text vectors, one a modality. The control for every other method.

W = argmin sum_i w_i ||W x_i + b - t_{y_i}||² + ridge ||W||², with the scaled text t of the modality and, if `balanced`,
w_i = 1 / (c n_{y_i}), so that each class counts alike. Solved by Cholesky of the d x d covariance, in float64,
streaming over clips.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.learning.train_set import TrainSet, load_train_set
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import Method, fitted
from avgzsl.methods._embeddings import Embeddings, TextEmbeddings, late
from avgzsl.methods._inputs import by_modality, clip_features, dimensions
from avgzsl.scores.evidence import Z_LINES, Lines
from avgzsl.scores.similarity import Name
from avgzsl.types import MODALITIES, Modality

_CHUNK = 8192


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class LeastSquares(Method, name="least-squares"):
    """A linear map from the features of each modality to the text vectors."""

    ridge: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Penalty on the squared weights, beside a loss averaged over clips."""
    balanced: bool = True
    """Weigh clips so that every class counts alike."""
    normalise: bool = True
    """Scale audio and video features to length 1 first."""
    compare_by: Literal["cosine", "euclidean"] = "cosine"
    """Similarity of the mapped clip and a text vector."""

    citation: ClassVar[str] = "least-squares"
    modalities = ("audio", "video", "both")
    text_by_modality = True
    yardstick: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "ridge": (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        "balanced": (False, True),
        "compare_by": ("cosine", "euclidean"),
    }

    def __post_init__(self) -> None:
        self.maps_: dict[Modality, Tensor] | None = None

    @property
    def similarity(self) -> Name:
        """As set by `compare_by`."""
        return self.compare_by

    @property
    def lines(self) -> Lines:
        """Its first hits stand farther from the bank than others', of phrases there and not there."""
        return replace(Z_LINES, found=4.0)

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Solve the normal equations of each modality. Raises DataError."""
        data = load_train_set(train, classes, self.normalise, torch.device("cpu"))
        text = {modality: self.prepare_text(classes.text, modality) for modality in data.feature}
        self.maps_ = {modality: self._solve(data, modality, text[modality]) for modality in data.feature}
        self.sizes_ = dimensions(train, classes)

    def _solve(self, data: TrainSet, modality: Modality, text: Float[Tensor, "c t"]) -> Float[Tensor, "_d t"]:
        """Weights, with the intercept as the last row; features and targets are centred by their weighted means."""
        rows = data.has[modality].nonzero().squeeze(1)
        count = torch.bincount(data.labels[rows], minlength=len(text)).double()
        weight = (1 / (count * (count > 0).sum())) if self.balanced else torch.full_like(count, 1 / len(rows))
        width = data.feature[modality].shape[1]
        covariance = torch.zeros(width + 1, width + 1, dtype=torch.float64)
        cross = torch.zeros(width + 1, text.shape[1], dtype=torch.float64)
        for part in rows.split(_CHUNK):
            x = torch.nn.functional.pad(data.feature[modality][part].double(), (0, 1), value=1.0)
            weighted = x * weight[data.labels[part], None]
            covariance += weighted.T @ x
            cross += weighted.T @ text[data.labels[part]].double()
        mean_x, mean_t = covariance[-1, :-1], cross[-1]
        centred = covariance[:-1, :-1] - torch.outer(mean_x, mean_x) + self.ridge * torch.eye(width)
        factor = torch.linalg.cholesky(centred)
        solution = torch.cholesky_solve(cross[:-1] - torch.outer(mean_x, mean_t), factor)
        return torch.cat([solution, (mean_t - mean_x @ solution)[None]]).float()

    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        """The text vector that each modality of a clip points to."""
        maps: dict[Modality, Tensor] = fitted(self.maps_, self)
        features = clip_features(clips, self.sizes_, self.normalise, torch.device("cpu"))
        z = {m: features[m] @ maps[m][:-1] + maps[m][-1] for m in MODALITIES if m in features}
        return late(z, clips)

    def embed_text(self, text: Float[Tensor, "c t"]) -> TextEmbeddings:
        """The scaled text vectors themselves, of each modality."""
        maps: dict[Modality, Tensor] = fitted(self.maps_, self)
        return by_modality(self.prepare_text, text, maps)

    def learned(self) -> dict[str, Tensor]:
        """One matrix a modality."""
        maps: dict[Modality, Tensor] = fitted(self.maps_, self)
        return {f"map.{modality}": value for modality, value in maps.items()}

    def restore_learned(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        """One matrix a modality, from `state`."""
        self.maps_ = {m: state[f"map.{m}"] for m in MODALITIES if m in sizes}
        self.sizes_ = dict(sizes)
