"""CLAP (Wu et al., ICASSP 2023): the projected sound embedding, averaged over windows of ten seconds.

Windows are evenly spread, where the library would cut out one at random. Text of the same space: the encoder `clap`.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avgzsl.backbones._transformers import TransformerBackbone, windows
from avgzsl.media.needs import SoundNeeds
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.types import Modality

DESCRIPTION = "clap:FOLDER_OR_NAME: CLAP's sound embedding, averaged over windows of 10 s (transformers)"
MODALITIES: tuple[Modality, ...] = ("audio",)
BRINGS_WEIGHTS = False
DEFAULT = "laion/clap-htsat-unfused"


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("clap", weights or DEFAULT, models)
    extractor = checkpoint.part("ClapFeatureExtractor")
    model = checkpoint.model("ClapModel", device)
    # the extractor's own default is fusion, whose four channels and filters suit fused weights alone
    truncation = "fusion" if model.config.audio_config.enable_fusion else "rand_trunc"

    def inputs(waveform: np.ndarray) -> Tensor:
        cut = windows(waveform, extractor.nb_max_samples)
        rate = extractor.sampling_rate
        mel: Tensor = extractor(cut, truncation=truncation, sampling_rate=rate, return_tensors="pt")["input_features"]
        return mel.float()

    def rows(mel: Tensor) -> Tensor:
        # no window is longer than the model takes; the extractor would call one so at random
        longer = torch.zeros(len(mel), 1, dtype=torch.bool, device=mel.device)
        row: Tensor = model.get_audio_features(input_features=mel, is_longer=longer).pooler_output
        return row

    return TransformerBackbone(
        spec="clap" if weights is None else f"clap:{weights}",
        modality=modality,
        dimension=model.config.projection_dim,
        needs=SoundNeeds(extractor.sampling_rate),
        weights=checkpoint.files,
        device=device,
        inputs=inputs,
        rows=rows,
    )
