"""The text of PE-AV (Vyas et al. 2025) beside sound: one text tower, and its head for audio; backbone `pe-av`.

The library's `get_text_audio_embeds` fails in version 5.24; the same is done here by hand.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avgzsl.text.encoders._tower import TextTower, load_tower, whole

DESCRIPTION = "pe-av:FOLDER_OR_NAME: PE-AV's text beside sound, in the space of the backbone pe-av"
BRINGS_WEIGHTS = False
DEFAULT = "facebook/pe-av-small"


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    return load_tower(
        "pe-av",
        argument,
        DEFAULT,
        {"pe_audio": "PeAudioModel", "pe_audio_video": "PeAudioModel"},
        whole,
        models,
        device,
        parts={"pe_audio_video": "audio_config"},
        embed=_embed,
        dimension=lambda config: config.text_config.hidden_size,
    )


def _embed(model: Any, tokens: Any) -> Tensor:
    read = model.text_model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    row: Tensor = model.text_audio_head(read.last_hidden_state[:, 0])
    return row
