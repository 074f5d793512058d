"""AST, Audio Spectrogram Transformer (Gong et al., Interspeech 2021): the pooled last layer.

Averaged over evenly spread windows of ten seconds, where the library would drop what is beyond the first.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avgzsl.backbones._transformers import TransformerBackbone, windows
from avgzsl.errors import WeightsError
from avgzsl.media.needs import SoundNeeds
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.types import Modality

DESCRIPTION = "ast:FOLDER_OR_NAME: Audio Spectrogram Transformer, averaged over windows of 10 s (transformers)"
MODALITIES: tuple[Modality, ...] = ("audio",)
BRINGS_WEIGHTS = False
DEFAULT = "MIT/ast-finetuned-audioset-10-10-0.4593"

_FRAME, _HOP = 400, 160  # samples, fixed in the library's extractor


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("audio-spectrogram-transformer", weights or DEFAULT, models)
    extractor = checkpoint.part("ASTFeatureExtractor")
    model = checkpoint.model("ASTModel", device)
    made, expected = (
        (extractor.max_length, extractor.num_mel_bins),
        (model.config.max_length, model.config.num_mel_bins),
    )
    if made != expected:
        raise WeightsError(
            f"{checkpoint.folder}: its extractor gives {made} frames and bands, the model takes {expected}"
        )
    longest = _FRAME + (extractor.max_length - 1) * _HOP

    def inputs(waveform: np.ndarray) -> Tensor:
        whole = np.pad(waveform, (0, max(0, _FRAME - len(waveform))))
        cut, rate = windows(whole, longest), extractor.sampling_rate
        mel: Tensor = extractor(cut, sampling_rate=rate, return_tensors="pt")["input_values"]
        return mel.float()

    def rows(mel: Tensor) -> Tensor:
        row: Tensor = model(mel).pooler_output
        return row

    return TransformerBackbone(
        spec="ast" if weights is None else f"ast:{weights}",
        modality=modality,
        dimension=model.config.hidden_size,
        needs=SoundNeeds(extractor.sampling_rate),
        weights=checkpoint.files,
        device=device,
        inputs=inputs,
        rows=rows,
    )
