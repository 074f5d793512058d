"""The text of PE-AV (Vyas et al. 2025) beside picture: one text tower, and its head for video; backbone `pe-av`.

Not run here: it needs timm.
"""

from pathlib import Path

import torch

from avgzsl.support.registry import require
from avgzsl.text.encoders._pe_av import DEFAULT, load_pe_av
from avgzsl.text.encoders._tower import TextTower

__all__ = ["BRINGS_WEIGHTS", "DEFAULT", "DESCRIPTION", "load"]

DESCRIPTION = "pe-av-video:FOLDER_OR_NAME: PE-AV's text beside picture (backbone pe-av; extra pe-av, not run here)"
BRINGS_WEIGHTS = False


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    require("timm", "pe-av")
    of = {"pe_video": "PeVideoModel", "pe_audio_video": "PeVideoModel"}
    return load_pe_av("pe-av-video", "video", of, argument, models, device)
