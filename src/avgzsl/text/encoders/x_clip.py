"""The text tower of X-CLIP (Ni et al., ECCV 2022), in the space of the backbone `x-clip`; a name is read as it is.

What the model adds to the text for each video that it is compared with is left out: a name has one vector here.
"""

from pathlib import Path

import torch

from avgzsl.text.encoders._tower import TextTower, load_tower, whole

DESCRIPTION = "x-clip:FOLDER_OR_NAME: X-CLIP's text tower, in the space of the backbone x-clip"
BRINGS_WEIGHTS = False
DEFAULT = "microsoft/xclip-base-patch32"


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    return load_tower("x-clip", argument, DEFAULT, {"xclip": "XCLIPModel"}, whole, models, device)
