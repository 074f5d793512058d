"""Backbones without weights: plain functions of a clip."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.backbones._base import check_clips
from avgzsl.errors import ConfigError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality


@dataclass(eq=False)
class ByHand:
    """A plain function of a clip, the same on every machine."""

    spec: str
    modality: Modality
    dimension: int
    needs: FrameNeeds | SoundNeeds
    describe: Callable[[np.ndarray], np.ndarray]
    weights: tuple[WeightFile, ...] = ()

    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """See `Backbone`. Raises DataError for a clip that is not what `needs` asks for."""
        check_clips(clips, self.needs)
        rows = torch.empty(len(clips), self.dimension)
        for position, clip in enumerate(clips):
            rows[position] = torch.from_numpy(self.describe(clip))
        return rows


def refuse_weights(name: str, weights: str | None) -> None:
    """Raises ConfigError where weights are named."""
    if weights is not None:
        raise ConfigError(f"{name}:{weights}: descriptors have no weights; name them alone")
