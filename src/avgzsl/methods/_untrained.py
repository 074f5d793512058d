"""The contract of a method that learns nothing: it can be made without clips, and take their scores' spread later."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass as plain
from pathlib import Path
from typing import ClassVar, TypeVar

from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.data.clips import Encoder, TextPart
from avgzsl.learning.training import SETTINGS
from avgzsl.methods._base import Method
from avgzsl.methods._embeddings import Embeddings
from avgzsl.types import Modality

Untrained = TypeVar("Untrained", bound="UntrainedMethod")


@plain(frozen=True)
class Standard:
    """What is taken off the scores of a modality, and what they are then divided by (above 0)."""

    mean: float = 0.0
    deviation: float = 1.0


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class UntrainedMethod(Method):
    """Fitted as any method, or, where there is nothing to fit it to, made by `read` and then `standardise`."""

    untrained: ClassVar[bool] = True

    @property
    @abstractmethod
    def left_out(self) -> Mapping[Modality, str]:
        """Why a modality that the clips have is not compared."""

    @abstractmethod
    def labels(self, modality: Modality) -> tuple[str, ...] | None:
        """The labels that clips of the modality are described by; None where there are none."""

    @abstractmethod
    def read(
        self: Untrained,
        sizes: Mapping[str, int],
        encoders: Mapping[str, Encoder],
        parts: tuple[TextPart, ...],
        models: Path | None = None,
    ) -> Untrained:
        """Find out without clips how features meet words; gives back self.

        `sizes` are the dimensions of audio, video and text, `encoders` what makes the features, by modality, and
        `models` is where weights are looked for. Scores are not standardised before `standardise`. Raises ConfigError
        where nothing relates features to words.
        """

    @abstractmethod
    def standardise(self: Untrained, clips: Iterable[Embeddings], text: Float[Tensor, "c t"]) -> Untrained:
        """Take mean and deviation of the scores of clips, as this method embedded them, with phrases; gives back self.

        Of an index without seen classes the phrases are a bank of everyday ones. Rows of clips stay as they are, for
        only phrases change by it. Raises DataError without any clips.
        """

    @property
    @abstractmethod
    def awaits_standard(self) -> bool:
        """Whether scores are to be standardised, and no clips have said yet how."""

    @property
    @abstractmethod
    def standards(self) -> Mapping[Modality, Standard]:
        """Mean and deviation by modality; none where scores are not standardised, or not yet."""

    @abstractmethod
    def take_standards(self: Untrained, standards: Mapping[Modality, Standard]) -> Untrained:
        """Standardise by what clips said before; gives back self."""
