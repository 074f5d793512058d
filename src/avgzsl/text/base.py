"""The contracts of a text encoder and of the plug-in that loads it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.support.weights import WeightFile


@runtime_checkable
class TextEncoder(Protocol):
    """Loaded, ready to encode names of classes and, with an `open_vocabulary`, any phrase of words it knows."""

    @property
    def spec(self) -> str:
        """The name that loads this encoder again, such as `words:FILE`."""
        ...

    @property
    def dimension(self) -> int:
        """t, how many numbers a row has."""
        ...

    @property
    def open_vocabulary(self) -> bool:
        """Whether it encodes other names than those of a closed list."""
        ...

    @property
    def weights(self) -> tuple[WeightFile, ...]:
        """The files it was loaded from, with their hashes; empty for an encoder without files."""
        ...

    def encode(self, names: Sequence[str]) -> Float[Tensor, "c t"]:
        """One finite, non-zero float32 row on the CPU a name, unit length unless the encoder's file says otherwise.

        Raises DataError that names every name, and the words in it, for which there is no vector.
        """
        ...


@runtime_checkable
class BatchingEncoder(Protocol):
    """A `TextEncoder` that is quicker with many phrases at once, if their last digits may differ for it."""

    def encode_many(self, phrases: Sequence[str]) -> Float[Tensor, "k t"]:
        """The rows of `encode`, but for rounding. Raises DataError."""
        ...


@runtime_checkable
class TextEncoderPlugin(Protocol):
    """A module that loads one kind of text encoder."""

    @property
    def DESCRIPTION(self) -> str:
        """One line that begins with the spec: `name:FILE: what it is`."""
        ...

    @property
    def BRINGS_WEIGHTS(self) -> bool:
        """Whether its weights come with its own package, so that a run that is packed need not carry them."""
        ...

    def load(self, argument: str, models: Path | None, device: torch.device) -> TextEncoder:
        """The encoder, ready to encode; `argument` is what the spec names behind the colon, "" where it names nothing.

        Files are looked for as they are, then in the folder `models` (`avgzsl.support.weights.find`).

        Raises ConfigError for an argument that it cannot take and for a library that is not installed, WeightsError
        for weights that are not there, DataError for a file that is not what it should be.
        """
        ...


def encode_many(encoder: TextEncoder, phrases: Sequence[str]) -> Float[Tensor, "k t"]:
    """The rows of `encode`, many at once where the encoder can: the last digits may differ. Raises DataError."""
    return encoder.encode_many(phrases) if isinstance(encoder, BatchingEncoder) else encoder.encode(phrases)
