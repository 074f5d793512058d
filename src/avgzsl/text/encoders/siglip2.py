"""The text tower of SigLIP 2 (Tschannen et al. 2025), in the space of the backbone `siglip2`.

As it was trained: small letters, always 64 tokens, of which those that only fill up are read, too.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avgzsl.text.encoders._tower import Reading, TextTower, load_tower

DESCRIPTION = "siglip2:FOLDER_OR_NAME: SigLIP 2's text tower, in the space of the backbone siglip2"
BRINGS_WEIGHTS = False
DEFAULT = "google/siglip2-base-patch16-224"


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    return load_tower(
        "siglip2",
        argument,
        DEFAULT,
        {"siglip": "SiglipModel", "siglip2": "Siglip2Model"},  # a checkpoint of fixed size says that it is a siglip
        _reading,
        models,
        device,
        embed=_embed,
        dimension=lambda config: config.text_config.projection_size or config.text_config.hidden_size,
    )


def _reading(config: Any) -> Reading:
    longest = config.text_config.max_position_embeddings
    return Reading(longest, padded=longest, small=True)


def _embed(model: Any, tokens: Any) -> Tensor:
    row: Tensor = model.get_text_features(tokens["input_ids"]).pooler_output
    return row
