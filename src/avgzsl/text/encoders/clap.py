"""The text tower of CLAP (Wu et al., ICASSP 2023), in the space of the backbone `clap`; a name is read as it is."""

from pathlib import Path

import torch

from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.text.encoders._tower import TextTower

DESCRIPTION = "clap:FOLDER_OR_NAME: CLAP's text tower, in the space of the backbone clap"
BRINGS_WEIGHTS = False
DEFAULT = "laion/clap-htsat-unfused"


def load(argument: str, models: Path | None, device: torch.device) -> TextTower:
    """The tower of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("clap", argument or DEFAULT, models)
    tokenizer = checkpoint.part("AutoTokenizer", trust_remote_code=False)
    model = checkpoint.model("ClapModel", device)
    config = model.config.text_config
    return TextTower(
        spec=f"clap:{argument}" if argument else "clap",
        dimension=model.config.projection_dim,
        weights=checkpoint.files,
        model=model,
        tokenizer=tokenizer,
        longest=config.max_position_embeddings - config.pad_token_id - 1,  # RoBERTa counts from behind its padding
    )
