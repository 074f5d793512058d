"""Descriptors: no weights at all; for the demo, for tests, and as a floor that a network has to beat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.backbones._base import check_clips
from avgzsl.backbones._picture_statistics import FPS, PICTURE_DIMENSION, SIZE, describe_frames
from avgzsl.backbones._sound_statistics import RATE, SOUND_DIMENSION, describe_sound
from avgzsl.errors import ConfigError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality

DESCRIPTION = (
    f"no weights: log-mel, pitch and rhythm statistics, {SOUND_DIMENSION}-d; colour, edge and motion histograms, "
    f"{PICTURE_DIMENSION}-d"
)
MODALITIES: tuple[Modality, ...] = ("audio", "video")
BRINGS_WEIGHTS = False


@dataclass(eq=False)
class Descriptors:
    """A plain function of a clip, the same on every machine."""

    modality: Modality
    dimension: int
    needs: FrameNeeds | SoundNeeds
    describe: Callable[[np.ndarray], np.ndarray]
    spec: str = "descriptors"
    weights: tuple[WeightFile, ...] = ()

    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """See `Backbone`. Raises DataError for a clip that is not what `needs` asks for."""
        check_clips(clips, self.needs)
        rows = torch.empty(len(clips), self.dimension)
        for position, clip in enumerate(clips):
            rows[position] = torch.from_numpy(self.describe(clip))
        return rows


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> Descriptors:
    """The descriptor of a modality; it needs neither a device nor weights. Raises ConfigError for weights."""
    if weights is not None:
        raise ConfigError(f"descriptors:{weights}: descriptors have no weights; name them alone")
    if modality == "audio":
        return Descriptors(modality, SOUND_DIMENSION, SoundNeeds(RATE), describe_sound)
    return Descriptors(modality, PICTURE_DIMENSION, FrameNeeds(SIZE, fps=FPS), describe_frames)
