"""Base of methods that take one feature of a clip: audio, video, or both joined end to end."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import DataError
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import Method, fitted
from avgzsl.methods._embeddings import Embeddings
from avgzsl.methods._examples import Examples, Scale, Statistics, joined, standardised, statistics, usable_rows
from avgzsl.methods._inputs import dimensions
from avgzsl.types import MODALITIES, Modality, TestModality

Input = Literal["audio", "video", "concat"]


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class SingleFeature(Method):
    """A method says how it learns (`learn`), and how a scaled feature and a scaled text vector meet."""

    input: Input = "video"
    """Feature of a clip: audio, video, or concat, both end to end, of clips that have both."""
    scale: Scale = "l2"
    """Scaling of features: none, l2 (each modality of a clip to length 1), joint-l2 (both together), or z-score by
    training clips."""

    def __post_init__(self) -> None:
        self.learned_: dict[str, Tensor] | None = None
        self.statistics_: Statistics | None = None
        self.sizes_: dict[str, int] = {}

    @property
    def modalities(self) -> tuple[TestModality, ...]:
        """The one that `input` names; both for concat."""
        return ("both",) if self.input == "concat" else (self.input,)

    @property
    def needed(self) -> tuple[Modality, ...]:
        """What a clip must have."""
        return MODALITIES if self.input == "concat" else (self.input,)

    @property
    def text_modality(self) -> Modality | None:
        """That of `input`; None for concat."""
        return None if self.input == "concat" else self.input

    @abstractmethod
    def learn(self, examples: Examples, job: Job) -> dict[str, Tensor]:
        """All that `embed_feature` and `embed_scaled_text` need."""

    def embed_feature(self, x: Float[Tensor, "n d"], learned: Mapping[str, Tensor]) -> Float[Tensor, "n _e"]:
        """Scaled features in the common space; by default linearly."""
        return x @ learned["weight"]

    def embed_scaled_text(self, text: Float[Tensor, "c t"], learned: Mapping[str, Tensor]) -> Float[Tensor, "c _e"]:
        """Scaled text vectors in the common space; by default as they are."""
        return text

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Learn from the seen clips that have the feature. Raises DataError, ModalityError, ConfigError."""
        self.learned_ = None
        rows = usable_rows(train, classes, self.needed)
        self._keep_sizes(dimensions(train, classes))
        width = sum(self.sizes_[modality] for modality in self.needed)

        def raw(part: Tensor) -> Tensor:
            return joined(train.take(rows[part]), self.sizes_, self.needed, self.scale)

        self.statistics_ = statistics(raw, len(rows), width) if self.scale == "z-score" else None

        def scaled(part: Tensor) -> Tensor:
            return raw(part) if self.statistics_ is None else standardised(raw(part), self.statistics_)

        try:
            learned = self.learn(Examples(train.labels[rows], classes.text.double(), width, scaled), job)
            if not all(bool(torch.isfinite(value).all()) for value in learned.values()):
                raise DataError(f"{self.name} with scale={self.scale} overflows float32; set scale=l2 or scale=z-score")
        except BaseException:
            self.learned_ = None  # what a training by steps showed to its monitor is not a fitted method
            raise
        # one memory layout before and after a save: products of transposed matrices round differently
        self.learned_ = {name: value.contiguous() for name, value in learned.items()}

    def _keep_sizes(self, sizes: Mapping[str, int]) -> None:
        """Of the modalities in use only: another dimension of the others does no harm."""
        self.sizes_ = {name: sizes[name] for name in self.needed}

    @torch.no_grad()
    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        """The feature in the common space: `joint` for concat, else under its modality's name."""
        learned: dict[str, Tensor] = fitted(self.learned_, self)
        absent = torch.zeros(len(clips), dtype=torch.bool)
        z = None
        if self.input == "concat" or clips.feature(self.input) is not None:
            x = joined(clips, self.sizes_, self.needed, self.scale)
            x = x if self.statistics_ is None else standardised(x, self.statistics_)
            z = self.embed_feature(x, learned).cpu()
        return Embeddings(
            audio=z if self.input == "audio" else None,
            video=z if self.input == "video" else None,
            joint=z if self.input == "concat" else None,
            has_audio=clips.has_audio if "audio" in self.needed else absent,
            has_video=clips.has_video if "video" in self.needed else absent,
        )

    @torch.no_grad()
    def embed_prepared(self, text: Float[Tensor, "c t"]) -> Float[Tensor, "c _e"]:
        """Scaled text of any classes in the common space."""
        learned: dict[str, Tensor] = fitted(self.learned_, self)
        return self.embed_scaled_text(text, learned)

    def learned(self) -> dict[str, Tensor]:
        """What was learned, and the statistics of the z-score."""
        learned: dict[str, Tensor] = fitted(self.learned_, self)
        scaling = {} if self.statistics_ is None else self.statistics_._asdict()
        kept = {**learned, **{f"scale.{name}": value for name, value in scaling.items()}}
        return {name: value.detach().cpu() for name, value in kept.items()}

    def restore_learned(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        """What was learned, from `state`."""
        self._keep_sizes(sizes)
        self.learned_ = {name: value for name, value in state.items() if not name.startswith("scale.")}
        self.statistics_ = None
        if self.scale == "z-score":
            self.statistics_ = Statistics(*(state[f"scale.{name}"] for name in Statistics._fields))
