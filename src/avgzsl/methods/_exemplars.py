"""What methods of exemplars share: features whitened within classes, and the mean clip of a class from that of others.

A method says how features are bent (`bent`), how alike two texts are (`kernel`) and how much a clip is to be trusted
(`trusted`). With z a clip's whitened feature, the exemplars e_s of the S seen classes as the rows of E, and A(t) the
weights of these in a class of text t, the cosine of a clip and a class is E z . A / |E^T A|. So a clip is kept as the S
numbers E z, a class as A / |E^T A|, and they are compared by their inner product. Any root of Sigma serves, for cosines
are the same; it is the Cholesky factor. All is solved in float64; no chance plays a part. A class of which no training
clip has the modality has no exemplar there, and predicts none.
"""

from collections.abc import Callable, Iterator, Mapping

import torch
from jaxtyping import Bool, Float, Float64, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.learning.nets import unit_rows
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import Method, fitted
from avgzsl.methods._embeddings import Embeddings, TextEmbeddings, late
from avgzsl.methods._examples import cholesky, solve_positive
from avgzsl.methods._inputs import clip_features, dimensions
from avgzsl.methods._text import TextScale
from avgzsl.scores.similarity import Name
from avgzsl.types import MODALITIES, Modality

_CHUNK = 8192
_SAME = 1e-5  # texts of length 1 that lie nearer are one text, scaled in another batch
_REMEDY = "raise rho"

Chunks = Callable[[], Iterator[tuple[Float64[Tensor, "b d"], Int[Tensor, " b"]]]]


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class ExemplarMethod(Method):
    """The mean clip of a class, predicted from those of the seen classes as its text is from theirs."""

    text_scale: TextScale = "centred"
    """Scaling of each part of the text of classes: raw, unit, or centred on the seen classes and then unit."""
    rho: float = Field(default=0.7, gt=0, le=1)
    """How far the covariance within classes is shrunk to that of a sphere; 1 does not whiten."""
    ridge: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Penalty on the squared weights by which the text of a class is made of those of the seen classes."""

    modalities = ("audio", "video", "both")
    text_by_modality = True

    def __post_init__(self) -> None:
        self.learned_: dict[str, Tensor] | None = None
        self.sizes_: dict[str, int] = {}

    def bent(self, x: Float64[Tensor, "n d"]) -> Float64[Tensor, "n d"]:
        """Features of length 1 as the whitening meets them; by default as they are."""
        return x

    def kernel(self, left: Float64[Tensor, "k t"], right: Float64[Tensor, "c t"]) -> Float64[Tensor, "k c"]:
        """How alike scaled texts are; by default their inner product. It must be positive semidefinite."""
        return left @ right.T

    def trusted(self, z: Float[Tensor, "n s"], modality: Modality) -> Float[Tensor, "n s"]:
        """The S numbers of each clip, with whatever factor its scores are to have; by default none."""
        return z

    @property
    def similarity(self) -> Name:
        """The inner product, which is the cosine with an exemplar."""
        return "dot"

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Whitening and exemplars of each modality, in three passes over the clips. Raises DataError."""
        self.learned_, sizes = None, dimensions(train, classes)
        learned = {}
        for modality in MODALITIES:
            if modality in sizes:
                chunks = self._chunks(train, sizes, modality)
                count = torch.bincount(train.labels[train.has(modality)], minlength=len(classes))
                mean, root, exemplars = whitened_exemplars(chunks, count, sizes[modality], self.rho)
                text = torch.where((count > 0)[:, None], self.prepare_text(classes.text, modality), 0.0)
                learned[f"mean.{modality}"] = mean
                learned[f"root.{modality}"] = root.float().contiguous()
                learned[f"exemplars.{modality}"] = exemplars.float()
                learned[f"seen_text.{modality}"] = text
        self.learned_, self.sizes_ = learned, sizes

    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        """S numbers a modality: how a clip, whitened, lies to the exemplar of each seen class."""
        learned: dict[str, Tensor] = fitted(self.learned_, self)
        z = {}
        for m, x in clip_features(clips, self.sizes_, True, torch.device("cpu")).items():
            whitened = unit_rows((self.bent(x.double()) - learned[f"mean.{m}"]).float() @ learned[f"root.{m}"])
            z[m] = self.trusted(whitened @ learned[f"exemplars.{m}"].T, m)
        return late(z, clips)

    def embed_text(self, text: Float[Tensor, "c t"]) -> TextEmbeddings:
        """The weights of the seen exemplars in that of each class, which is of length 1; by modality."""
        learned: dict[str, Tensor] = fitted(self.learned_, self)
        served = [m for m in MODALITIES if f"mean.{m}" in learned]
        audio, video = (self._weights(text, m) if m in served else None for m in MODALITIES)
        return TextEmbeddings(audio, video, None)

    def embed_classes(self, text: Float[Tensor, "c t"], seen: Bool[Tensor, " c"]) -> TextEmbeddings:
        """As `embed_text`, but a class that is marked, and has the text of a training class, has its exemplar."""
        predicted = self.embed_text(text)
        audio, video = (None if (z := predicted.of(m)) is None else self._own(text, seen, m, z) for m in MODALITIES)
        return TextEmbeddings(audio, video, None)

    def _chunks(self, train: ClipSet, sizes: Mapping[str, int], modality: Modality) -> Chunks:
        """Bent features and labels of the clips that have the modality, a few thousand after another."""

        def read() -> Iterator[tuple[Float64[Tensor, "b d"], Int[Tensor, " b"]]]:
            for rows in train.has(modality).nonzero().squeeze(1).split(_CHUNK):
                clips = train.take(rows)
                x = clip_features(clips, sizes, False, torch.device("cpu"))[modality]
                yield self.bent(unit_rows(x.double())), clips.labels

        return read

    def _weights(self, text: Float[Tensor, "c t"], modality: Modality) -> Float[Tensor, "c s"]:
        seen_text = self._learned("seen_text", modality).double()
        prepared = self.prepare_text(text, modality).double()
        there = (seen_text != 0).any(1).double()[:, None]  # a class without clips has a text of zeros, and no weight
        gram = self.kernel(seen_text, seen_text) * there * there.T
        gram += self.ridge * torch.eye(len(seen_text), dtype=torch.float64)
        weights = solve_positive(gram, self.kernel(seen_text, prepared) * there, "raise ridge").T
        return self._of_length_1(weights, modality)

    def _own(
        self, text: Float[Tensor, "c t"], seen: Bool[Tensor, " c"], modality: Modality, predicted: Float[Tensor, "c s"]
    ) -> Float[Tensor, "c s"]:
        distance = torch.cdist(self.prepare_text(text, modality), self._learned("seen_text", modality))
        nearest, which = distance.min(1)
        own = self._of_length_1(torch.nn.functional.one_hot(which, distance.shape[1]).double(), modality)
        return torch.where((seen & (nearest <= _SAME))[:, None], own, predicted)

    def _of_length_1(self, weights: Float64[Tensor, "c s"], modality: Modality) -> Float[Tensor, "c s"]:
        """Scaled so that the exemplars they add up to have length 1."""
        length = torch.linalg.vector_norm(weights @ self._learned("exemplars", modality).double(), dim=1, keepdim=True)
        return (weights / torch.where(length > 0, length, 1.0)).float()

    def _learned(self, name: str, modality: Modality) -> Tensor:
        learned: dict[str, Tensor] = fitted(self.learned_, self)
        return learned[f"{name}.{modality}"]

    def learned(self) -> dict[str, Tensor]:
        """Mean, root of the inverse covariance, exemplars, and the text of the seen classes, of each modality."""
        return dict(fitted(self.learned_, self))

    def restore_learned(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        """The same, from `state`."""
        self.learned_, self.sizes_ = dict(state), dict(sizes)


def whitened_exemplars(
    chunks: Chunks, count: Int[Tensor, " s"], width: int, rho: float
) -> tuple[Float64[Tensor, " d"], Float64[Tensor, "d d"], Float64[Tensor, "s d"]]:
    """The mean mu, the root by which a row is whitened from the right, and the exemplars, 0 of a class without clips.

    `count` says how many clips each class has. Raises DataError for a rho that is too small for float64.
    """
    there = count > 0

    def class_means(value: Callable[[Tensor, Tensor], Tensor]) -> Float64[Tensor, "s d"]:
        sums = torch.zeros(len(count), width, dtype=torch.float64)
        for x, labels in chunks():
            sums.index_add_(0, labels, value(x, labels))
        return sums / count.clamp(min=1)[:, None]

    centres = class_means(lambda x, labels: x)
    mean = centres[there].mean(0)
    within = torch.zeros(width, width, dtype=torch.float64)
    for x, labels in chunks():
        off = (x - centres[labels]) / count[labels, None].double().sqrt()
        within += off.T @ off
    within /= there.sum()
    spread = within.diagonal().mean()
    sphere = torch.eye(width, dtype=torch.float64)
    # one clip a class: nothing varies within, and there is nothing to whiten by
    covariance = (1 - rho) * within + rho * spread * sphere if bool(spread > 0) else sphere
    scale = covariance.diagonal().mean().sqrt()  # of no matter for a cosine; it keeps float32 far from its ends
    root = torch.linalg.solve_triangular(cholesky(covariance, _REMEDY), scale * sphere, upper=False).T
    exemplars = class_means(lambda x, labels: unit_rows((x - mean) @ root))
    return mean, root, torch.where(there[:, None], exemplars - exemplars[there].mean(0), 0.0)
