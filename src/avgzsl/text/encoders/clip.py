"""The text tower of CLIP (Radford et al., ICML 2021), in the space of the backbone `clip`.

A name is read as it is; CLIP was trained on captions, and phrases such as "a photo of a dog" suit it better.
"""

from pathlib import Path

import torch

from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.text.encoders._tower import TextTower

DESCRIPTION = "clip:FOLDER_OR_NAME: CLIP's text tower, in the space of the backbone clip"
BRINGS_WEIGHTS = False
DEFAULT = "openai/clip-vit-base-patch32"


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("clip", argument or DEFAULT, models)
    tokenizer = checkpoint.part("AutoTokenizer", trust_remote_code=False)
    model = checkpoint.model("CLIPModel", device)
    return TextTower(
        spec=f"clip:{argument}" if argument else "clip",
        dimension=model.config.projection_dim,
        weights=checkpoint.files,
        model=model,
        tokenizer=tokenizer,
        longest=model.config.text_config.max_position_embeddings,
    )
