"""AST, Audio Spectrogram Transformer (Gong et al., Interspeech 2021): the pooled last layer.

Averaged over evenly spread windows of ten seconds, where the library would drop what is beyond the first.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avgzsl.backbones._transformers import TransformerBackbone
from avgzsl.errors import WeightsError
from avgzsl.media.log_mel import LogMel
from avgzsl.media.needs import SoundNeeds
from avgzsl.media.prepared import MelWindows
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.support.registry import require
from avgzsl.types import Modality

DESCRIPTION = "ast:FOLDER_OR_NAME: Audio Spectrogram Transformer, averaged over windows of 10 s (transformers)"
MODALITIES: tuple[Modality, ...] = ("audio",)
BRINGS_WEIGHTS = False
TRAINED_ON = "ImageNet's pictures, then AudioSet's two million clips with its 527 labels"
DEFAULT = "MIT/ast-finetuned-audioset-10-10-0.4593"

_FRAME, _HOP, _FFT = 400, 160, 512  # samples, fixed in the library's extractor, and so is all of the spectrogram


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
        prepare=_windows(extractor),
        rows=rows,
    )


def _windows(extractor: Any) -> MelWindows:
    """What the library's extractor makes of windows that are no longer than the model takes, without torchaudio."""
    filters = require("transformers.audio_utils", "transformers").mel_filter_bank(
        num_frequency_bins=_FFT // 2 + 1,
        num_mel_filters=extractor.num_mel_bins,
        min_frequency=20,
        max_frequency=extractor.sampling_rate // 2,
        sampling_rate=extractor.sampling_rate,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    mel = LogMel(
        np.hanning(_FRAME), filters, _HOP, centred=False, emphasis=0.97, decibels=False, floor=1.192092955078125e-07
    )
    size = _FRAME + (extractor.max_length - 1) * _HOP
    mean, scale = (extractor.mean, 2 * extractor.std) if extractor.do_normalize else (0.0, 1.0)
    return MelWindows(mel, size, extractor.max_length, "frames", mean, scale)
