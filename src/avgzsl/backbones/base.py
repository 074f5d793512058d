"""The contract of a backbone."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.types import Modality
from avgzsl.weights import WeightFile


@runtime_checkable
class Backbone(Protocol):
    """A loaded network, ready to embed clips of one modality."""

    spec: str
    modality: Modality
    dimension: int
    needs: FrameNeeds | SoundNeeds
    weights: tuple[WeightFile, ...]

    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """One float32 row on the CPU a clip; a row does not hang on the other clips.

        Clips are what `needs` asks for: frames, uint8 of t x size x size x 3, t >= 1, or waveforms, float32 in [-1, 1],
        of one sample or more. Their lengths differ; windows and chunks are the backbone's affair.
        """
        ...
