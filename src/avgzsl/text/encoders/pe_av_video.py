"""The text of PE-AV (Vyas et al. 2025) beside picture: one text tower, and its head for video; backbone `pe-av`.

The library's `get_text_video_embeds` fails in version 5.24; the same is done here by hand. Not run here: it needs timm.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avgzsl.support.registry import require
from avgzsl.text.encoders._tower import TextTower, load_tower, whole

DESCRIPTION = "pe-av-video:FOLDER_OR_NAME: PE-AV's text beside picture (backbone pe-av; extra pe-av, not run here)"
BRINGS_WEIGHTS = False
DEFAULT = "facebook/pe-av-small"


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    require("timm", "pe-av")
    return load_tower(
        "pe-av-video",
        argument,
        DEFAULT,
        {"pe_video": "PeVideoModel", "pe_audio_video": "PeVideoModel"},
        whole,
        models,
        device,
        parts={"pe_audio_video": "video_config"},
        embed=_embed,
        dimension=lambda config: config.text_config.hidden_size,
    )


def _embed(model: Any, tokens: Any) -> Tensor:
    read = model.text_model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    row: Tensor = model.text_video_head(read.last_hidden_state[:, 0])
    return row
