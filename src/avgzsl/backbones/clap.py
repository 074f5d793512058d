"""CLAP (Wu et al., ICASSP 2023): the projected sound embedding, averaged over windows of ten seconds.

Windows are evenly spread, where the library would cut out one at random. Text of the same space: the encoder `clap`.
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
from avgzsl.types import Modality

DESCRIPTION = "clap:FOLDER_OR_NAME: CLAP's sound embedding, averaged over windows of 10 s (transformers)"
MODALITIES: tuple[Modality, ...] = ("audio",)
BRINGS_WEIGHTS = False
TEXT = "clap"
TRAINED_ON = "633,526 sounds with captions (LAION-Audio-630K), AudioCaps, Clotho; some weights AudioSet, too"
DEFAULT = "laion/clap-htsat-unfused"


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> TransformerBackbone:
    """The model of a folder or of a name on the hub. Raises WeightsError, ConfigError."""
    checkpoint = find_checkpoint("clap", weights or DEFAULT, models)
    extractor = checkpoint.part("ClapFeatureExtractor")
    model = checkpoint.model("ClapModel", device)
    # the extractor's own default is fusion, whose four channels and filters suit fused weights alone
    fused = model.config.audio_config.enable_fusion

    def rows(mel: Tensor) -> Tensor:
        # no window is longer than the model takes; the extractor would call one so at random
        longer = torch.zeros(len(mel), 1, dtype=torch.bool, device=mel.device)
        channels = mel[:, None].expand(-1, 4 if fused else 1, -1, -1)
        row: Tensor = model.get_audio_features(input_features=channels, is_longer=longer).pooler_output
        return row

    return TransformerBackbone(
        spec="clap" if weights is None else f"clap:{weights}",
        modality=modality,
        dimension=model.config.projection_dim,
        needs=SoundNeeds(extractor.sampling_rate),
        weights=checkpoint.files,
        device=device,
        prepare=_windows(extractor, fused, checkpoint.folder),
        rows=rows,
        unit=True,
    )


def _windows(extractor: Any, fused: bool, where: Path) -> MelWindows:
    """What the checkpoint's extractor makes of windows that are no longer than the model takes."""
    if extractor.padding != "repeatpad":
        raise WeightsError(f"{where}: its extractor fills short sounds by {extractor.padding!r}; expected 'repeatpad'")
    size, hop, width = extractor.nb_max_samples, extractor.hop_length, extractor.fft_window_size
    filters = extractor.mel_filters if fused else extractor.mel_filters_slaney
    window = np.hanning(width + 1)[:-1]
    return MelWindows(LogMel(window, filters, hop), size, frames=1 + size // hop, fill="repeat")
