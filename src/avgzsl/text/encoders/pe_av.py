"""The text of PE-AV (Vyas et al. 2025) beside sound: one text tower, and its head for audio; backbone `pe-av`."""

from pathlib import Path

import torch

from avgzsl.text.encoders._pe_av import DEFAULT, load_pe_av
from avgzsl.text.encoders._tower import TextTower

__all__ = ["BRINGS_WEIGHTS", "DEFAULT", "DESCRIPTION", "load"]

DESCRIPTION = "pe-av:FOLDER_OR_NAME: PE-AV's text beside sound, in the space of the backbone pe-av"
BRINGS_WEIGHTS = False


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    of = {"pe_audio": "PeAudioModel", "pe_audio_video": "PeAudioModel"}
    return load_pe_av("pe-av", "audio", of, argument, models, device)
