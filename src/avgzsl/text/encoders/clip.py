"""The text tower of CLIP (Radford et al., ICML 2021), in the space of the backbone `clip`.

A name is read as it is; CLIP was trained on captions, and phrases such as "a photo of a dog" suit it better.
"""

from pathlib import Path

import torch

from avgzsl.text.encoders._tower import TextTower, load_tower, whole

DESCRIPTION = "clip:FOLDER_OR_NAME: CLIP's text tower, in the space of the backbone clip"
BRINGS_WEIGHTS = False
DEFAULT = "openai/clip-vit-base-patch32"


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    return load_tower("clip", argument, DEFAULT, {"clip": "CLIPModel"}, whole, models, device)
