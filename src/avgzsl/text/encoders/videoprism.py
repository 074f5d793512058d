"""The text tower of VideoPrism's video-text models (Zhao et al., ICML 2024), in the space of the backbone `videoprism`.

As it was trained: filled up to 64 tokens.
"""

from pathlib import Path
from typing import Any

import torch

from avgzsl.text.encoders._tower import Reading, TextTower, load_tower

DESCRIPTION = "videoprism:FOLDER_OR_NAME: VideoPrism's text tower, in the space of the backbone videoprism"
BRINGS_WEIGHTS = False
DEFAULT = "google/videoprism-lvt-base-f16r288"


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    return load_tower(
        "videoprism",
        argument,
        DEFAULT,
        {"videoprism": "VideoPrismClipModel"},
        _reading,
        models,
        device,
        dimension=lambda config: config.text_config.hidden_size,
    )


def _reading(config: Any) -> Reading:
    longest = config.text_config.max_position_embeddings
    return Reading(longest, padded=longest)
