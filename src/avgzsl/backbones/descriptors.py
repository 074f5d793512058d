"""Descriptors: no weights at all; for the demo, for tests, and as a floor that a network has to beat."""

from pathlib import Path

import torch

from avgzsl.backbones._by_hand import ByHand, refuse_weights
from avgzsl.backbones._picture_statistics import FPS, PICTURE_DIMENSION, SIZE, describe_frames
from avgzsl.backbones._sound_statistics import RATE, SOUND_DIMENSION, describe_sound
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.types import Modality

DESCRIPTION = (
    f"no weights: log-mel, pitch and rhythm statistics, {SOUND_DIMENSION}-d; colour, edge and motion histograms, "
    f"{PICTURE_DIMENSION}-d"
)
MODALITIES: tuple[Modality, ...] = ("audio", "video")
BRINGS_WEIGHTS = False


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> ByHand:
    """The descriptor of a modality; it needs neither a device nor weights. Raises ConfigError for weights."""
    refuse_weights("descriptors", weights)
    if modality == "audio":
        return ByHand("descriptors", modality, SOUND_DIMENSION, SoundNeeds(RATE), describe_sound)
    return ByHand("descriptors", modality, PICTURE_DIMENSION, FrameNeeds(SIZE, fps=FPS), describe_frames)
