"""The text towers of PE-AV (Vyas et al. 2025): one network, and a head for each modality that a phrase meets.

The library's calls for text of one modality fail in version 5.24; the same is done here by hand.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avgzsl.text.encoders._tower import TextTower, load_tower, whole
from avgzsl.types import Modality

DEFAULT = "facebook/pe-av-small"
_WHOLE = "pe_audio_video"  # the type of a checkpoint that holds both


def load_pe_av(
    name: str,
    modality: Modality,
    models_of: Mapping[str, str],
    argument: str,
    models: Path | None,
    device: torch.device,
) -> TextTower:
    """The tower beside a modality; `models_of` are the classes that load it, by type of checkpoint.

    Raises WeightsError, ConfigError.
    """

    def embed(model: Any, tokens: Any) -> Tensor:
        read = model.text_model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        row: Tensor = getattr(model, f"text_{modality}_head")(read.last_hidden_state[:, 0])
        return row

    return load_tower(
        name,
        argument,
        DEFAULT,
        dict(models_of),
        whole,
        models,
        device,
        parts={_WHOLE: f"{modality}_config"},
        embed=embed,
        dimension=lambda config: config.text_config.hidden_size,
    )
