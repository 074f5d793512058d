"""Scores of encoders that nobody trained here: what `frozen` is, and what an index without a run is made of.

In a shared space the score of a modality m is (cos - mu_m) / sigma_m: spaces differ in how large their cosines are, and
without that the one with the larger spread would decide. A clip is stored as [unit feature, 1] and a phrase as
[text / sigma_m, -mu_m / sigma_m], so a change of mu and sigma touches the side of the phrases alone. Clips by labels
have probabilities, which need none of it: where every modality is by labels, a clip is the roots of its probabilities
and the score the rule of `scores/label_mix.py`; beside a shared space labels are standardised, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn.functional import pad

from avgzsl.data.clips import ClassTable, ClipSet, Encoder, TextPart
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import fitted
from avgzsl.methods._embeddings import Embeddings, TextEmbeddings, late
from avgzsl.methods._frozen_finding import Made, find_space, same_width
from avgzsl.methods._frozen_reasons import few_labels, reasons
from avgzsl.methods._frozen_spaces import LabelSpace, Phrases, Space, restored
from avgzsl.methods._inputs import clip_features, dimensions
from avgzsl.methods._text import Columns, TextPreparation
from avgzsl.methods._untrained import Standard, UntrainedMethod
from avgzsl.scores.label_mix import video_share
from avgzsl.scores.similarity import Name
from avgzsl.types import MODALITIES, Fusion, Modality, TestModality

Untrained = TypeVar("Untrained", bound="FrozenEncoders")
_CHUNK = 8192


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class FrozenEncoders(UntrainedMethod):
    """A method without weights: features and text as their encoders made them."""

    space: Literal["auto", "shared"] = "auto"
    """How features meet words: auto asks the encoders that made them; shared says that both stand in one space."""

    text_by_modality = True
    no_class_vectors = "clips and text are compared as their encoders made them"

    def __post_init__(self) -> None:
        self.spaces_: dict[Modality, Space] | None = None
        self.standards_: dict[Modality, Standard] = {}
        self.sizes_: dict[str, int] = {}
        self.left_out_: dict[Modality, str] = {}

    @property
    def similarity(self) -> Name:
        """Dot products; those of shared spaces are standardised cosines."""
        return "dot"

    @property
    def modalities(self) -> tuple[TestModality, ...]:
        """Those that words can meet; both where there are two."""
        found: tuple[Modality, ...] = MODALITIES if self.spaces_ is None else tuple(self.spaces_)
        return (*found, "both") if len(found) == len(MODALITIES) else found

    @property
    def fusions(self) -> tuple[Fusion, ...]:
        """Weighted: by one weight of video for all clips, or, of labels, by how well they fit each phrase."""
        return ("equal", "weighted")

    @property
    def absolute(self) -> bool:
        """Where all is by labels, scores are sums of probabilities' roots, which compare across phrases."""
        return self.spaces_ is not None and not self._standardised

    def because(
        self, clips: Embeddings, text: TextEmbeddings, modality: TestModality
    ) -> Sequence[tuple[str, ...]] | None:
        """See `Method`: the labels that add most to the score of each clip."""
        return reasons(self._spaces, clips, text, modality) if self.absolute else None

    def remark(self, text: TextEmbeddings, modality: TestModality) -> str | None:
        """See `Method`: whether labels fit the phrase at all."""
        return few_labels(float(text.fit[0])) if text.fit is not None else None

    @property
    def left_out(self) -> Mapping[Modality, str]:
        """See `UntrainedMethod`."""
        return self.left_out_

    def labels(self, modality: Modality) -> tuple[str, ...] | None:
        """See `UntrainedMethod`; None in a shared space."""
        space = fitted(self.spaces_, self).get(modality)
        return space.labels if isinstance(space, LabelSpace) else None

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Find the spaces, and standardise by training clips and seen classes. Raises ConfigError."""
        self._find(dimensions(train, classes), Made(job.encoders, classes.parts, job.models))
        chunks = torch.arange(len(train)).split(_CHUNK)
        self.standardise((self.embed_chunk(train.take(rows)) for rows in chunks), classes.text)

    def read(
        self: Untrained,
        sizes: Mapping[str, int],
        encoders: Mapping[str, Encoder],
        parts: tuple[TextPart, ...],
        models: Path | None = None,
    ) -> Untrained:
        """See `UntrainedMethod`. Raises ConfigError also for centred text, whose mean is that of seen classes."""
        if self.text_prepare != "none":
            raise ConfigError(
                f"text_prepare={self.text_prepare} learns from seen classes, and there are none; set none"
            )
        if self.text_scale == "centred":
            raise ConfigError("text_scale=centred takes the mean of seen classes off, and there are none; leave it out")
        columns = [Columns(part.width, part.modality) for part in parts]
        self.text_ = TextPreparation.of(torch.zeros(1, sizes["text"]), columns, self.text_scale)
        self._find(dict(sizes), Made(encoders, parts, models))
        return self

    def standardise(self: Untrained, clips: Iterable[Embeddings], text: Float[Tensor, "c t"]) -> Untrained:
        """See `UntrainedMethod`. Does nothing where every modality is by labels."""
        if not self._standardised:
            return self
        phrases = {m: self._phrases(m, text).vectors for m in self._spaces}
        sums = {m: torch.zeros(3, dtype=torch.float64) for m in self._spaces}
        for chunk in clips:
            for modality, vectors in phrases.items():
                if (z := chunk.of(modality)) is not None:
                    scores = (z[chunk.has(modality)][:, :-1] @ vectors.T).double()
                    sums[modality] += torch.stack([torch.ones_like(scores).sum(), scores.sum(), scores.square().sum()])
        if not any(float(count) for count, _, _ in sums.values()):
            raise DataError("there is no clip to take the mean and deviation of scores from; add one first")
        self.standards_ = {modality: _standard(*moments.tolist()) for modality, moments in sums.items()}
        return self

    @property
    def awaits_standard(self) -> bool:
        """See `UntrainedMethod`: scores of shared spaces are to be standardised."""
        return self._standardised and not self.standards_

    @property
    def standards(self) -> Mapping[Modality, Standard]:
        """See `UntrainedMethod`."""
        return self.standards_

    def take_standards(self: Untrained, standards: Mapping[Modality, Standard]) -> Untrained:
        """See `UntrainedMethod`."""
        self.standards_ = dict(standards)
        return self

    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        """Unit features, or roots of probabilities; a last column of 1 where scores are standardised."""
        spaces = self._spaces
        features = clip_features(clips, self.sizes_, False, torch.device("cpu"))
        z = {m: spaces[m].clips(features[m]) for m in spaces if m in features}
        return late({m: pad(rows, (0, 1), value=1.0) if self._standardised else rows for m, rows in z.items()}, clips)

    def embed_text(self, text: Float[Tensor, "c t"]) -> TextEmbeddings:
        """Phrases as clips meet them, by modality; where all is by labels with the weight of video for each."""
        found = {modality: self._phrases(modality, text) for modality in self._spaces}
        kappa = [phrases.kappa for phrases in found.values() if phrases.kappa is not None]
        share = video_share(*kappa) if len(kappa) == len(MODALITIES) else None
        fit = torch.stack(kappa).amax(0) if self.absolute else None
        z = {modality: self._row(modality, phrases.vectors) for modality, phrases in found.items()}
        return TextEmbeddings(z.get("audio"), z.get("video"), None, share, fit)

    def learned(self) -> dict[str, Tensor]:
        """The spaces, and the mean and deviation of each."""
        tensors = {f"{m}.{name}": value for m, space in self._spaces.items() for name, value in space.state().items()}
        for modality, standard in self.standards_.items():
            tensors[f"{modality}.standard"] = torch.tensor([standard.mean, standard.deviation], dtype=torch.float64)
        return tensors

    def restore_learned(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        """Everything, from `state`."""
        of = {
            m: {name.partition(".")[2]: x for name, x in state.items() if name.startswith(f"{m}.")} for m in MODALITIES
        }
        self.spaces_ = {modality: restored(tensors) for modality, tensors in of.items() if tensors}
        self.standards_ = {m: Standard(*x["standard"].tolist()) for m, x in of.items() if "standard" in x}
        self.sizes_ = {name: size for name, size in sizes.items() if name == "text" or name in self.spaces_}

    @property
    def _spaces(self) -> dict[Modality, Space]:
        spaces: dict[Modality, Space] = fitted(self.spaces_, self)
        return spaces

    @property
    def _standardised(self) -> bool:
        return not all(isinstance(space, LabelSpace) for space in self._spaces.values())

    def _phrases(self, modality: Modality, text: Float[Tensor, "c t"]) -> Phrases:
        return self._spaces[modality].phrases(self.prepare_text, text)

    def _row(self, modality: Modality, vectors: Float[Tensor, "c k"]) -> Float[Tensor, "c _k"]:
        """The stored form of phrases, in which the standardisation stands."""
        if not self._standardised:
            return vectors
        standard = self.standards_.get(modality, Standard())
        return pad(vectors / standard.deviation, (0, 1), value=-standard.mean / standard.deviation)

    def _find(self, sizes: Mapping[str, int], made: Made) -> None:
        """Raises ConfigError, with the reason of every modality, where no modality has a space."""
        self.spaces_, self.left_out_, self.standards_ = {}, {}, {}
        for modality in MODALITIES:
            if modality in sizes:
                try:
                    self.spaces_[modality] = (
                        find_space(modality, made)
                        if self.space == "auto"
                        else same_width(modality, sizes[modality], made)
                    )
                except AvgzslError as problem:
                    self.left_out_[modality] = str(problem)
        if not self.spaces_:
            reasons, self.spaces_ = "\n  ".join(dict.fromkeys(self.left_out_.values())), None
            raise ConfigError(f"{self.name} has nothing to compare clips and words by:\n  {reasons}")
        self.sizes_ = {name: size for name, size in sizes.items() if name == "text" or name in self.spaces_}


def _standard(count: float, total: float, squares: float) -> Standard:
    """Of scores that do not differ, or that there are none of, the deviation is 1."""
    if not count:
        return Standard()
    mean = total / count
    deviation = max(squares / count - mean**2, 0.0) ** 0.5
    return Standard(mean, deviation if deviation > 1e-9 else 1.0)
