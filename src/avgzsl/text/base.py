"""The contract of a text encoder."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from avgzsl.support.weights import WeightFile


@runtime_checkable
class TextEncoder(Protocol):
    """Loaded, ready to encode names of classes and, with an `open_vocabulary`, any phrase of words it knows."""

    @property
    def spec(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def open_vocabulary(self) -> bool: ...

    @property
    def weights(self) -> tuple[WeightFile, ...]: ...

    def encode(self, names: Sequence[str]) -> Float[Tensor, "c t"]:
        """One finite, non-zero float32 row on the CPU a name, unit length unless the encoder's file says otherwise.

        Raises DataError that names every name, and the words in it, for which there is no vector.
        """
        ...
