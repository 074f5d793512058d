"""The text tower of CLAP (Wu et al., ICASSP 2023), in the space of the backbone `clap`; a name is read as it is."""

from pathlib import Path
from typing import Any

import torch

from avgzsl.text.encoders._tower import Reading, TextTower, load_tower

DESCRIPTION = "clap:FOLDER_OR_NAME: CLAP's text tower, in the space of the backbone clap"
BRINGS_WEIGHTS = False
DEFAULT = "laion/clap-htsat-unfused"


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    return load_tower("clap", argument, DEFAULT, {"clap": "ClapModel"}, _reading, models, device)


def _reading(config: Any) -> Reading:
    text = config.text_config
    return Reading(text.max_position_embeddings - text.pad_token_id - 1)  # RoBERTa counts from behind its padding
