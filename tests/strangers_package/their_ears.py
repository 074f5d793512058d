"""How loud a sound is in eight bands."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from avgzsl.backbones import check_clips
from avgzsl.errors import ConfigError
from avgzsl.media.needs import SoundNeeds
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality

DESCRIPTION = "their-ears: the loudness in eight bands, no weights"
MODALITIES: tuple[Modality, ...] = ("audio",)
BRINGS_WEIGHTS = False
_NEEDS = SoundNeeds(16_000)


@dataclass(frozen=True)
class Ears:
    spec: str = "their-ears"
    modality: Modality = "audio"
    dimension: int = 8
    needs: SoundNeeds = _NEEDS
    weights: tuple[WeightFile, ...] = ()

    def embed(self, clips: Sequence[np.ndarray]) -> torch.Tensor:
        check_clips(clips, self.needs)
        rows = torch.empty(len(clips), self.dimension)
        for position, clip in enumerate(clips):
            bands = np.array_split(np.abs(np.fft.rfft(clip, max(len(clip), 16))), self.dimension)
            rows[position] = torch.tensor([np.log1p(np.square(band).mean()) for band in bands])
        return rows


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> Ears:
    if weights is not None:
        raise ConfigError(f"their-ears:{weights}: has no weights; name it alone")
    return Ears()
