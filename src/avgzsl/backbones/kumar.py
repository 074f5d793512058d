"""The audio network of the paper: Kumar, Khadkevich and Fügen, ICASSP 2018 (arXiv 1711.01369).

Log-mel spectrogram of 128 bands at 44,100 Hz; seven convolution stages; the 1,024 maps of the seventh (`layer18`),
averaged over time, are the feature. `learning.audio_net` trains it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.backbones._base import Steps, check_clips
from avgzsl.backbones._kumar_network import DIMENSION, HOP, NEEDS, STEP, KumarNet, spectrogram
from avgzsl.backbones._pieces import averages, pieces, step_by_step
from avgzsl.backbones._state import fill, read_state
from avgzsl.errors import WeightsError
from avgzsl.media.needs import SoundNeeds
from avgzsl.support.weights import WeightFile, find, identify
from avgzsl.types import Modality

DESCRIPTION = "audio network of the paper (Kumar et al. 2018), 1024-d; weights: the authors' or of train-audio-net"
MODALITIES: tuple[Modality, ...] = ("audio",)
BRINGS_WEIGHTS = False
TRAINED_ON = "AudioSet's balanced training clips with its 527 labels"

_PUBLISHED = "https://github.com/anuragkr90/weak_feature_extractor (mx-h64-1024_0d3-1.17.pkl)"
_FILE = "mx-h64-1024_0d3-1.17.pkl"
_CORE, _MARGIN = 80 * STEP, 2 * STEP  # a minute at a time; a step sees 94 frames around its own 128


@dataclass(eq=False)
class Kumar:
    """The network at rest; a long clip goes through it in pieces, with the result of the whole."""

    network: KumarNet
    device: torch.device
    spec: str
    weights: tuple[WeightFile, ...]
    modality: Modality = "audio"
    dimension: int = DIMENSION
    needs: SoundNeeds = NEEDS

    @torch.inference_mode()
    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """layer18 averaged over time, a row a waveform. Raises DataError for a clip that is not as `needs` asks."""
        check_clips(clips, self.needs)
        return averages(clips, self._steps, DIMENSION)

    @torch.inference_mode()
    def embed_steps(self, clips: Sequence[np.ndarray], lengths: Sequence[int]) -> list[Steps]:
        """See `SteppingBackbone`: a step every 0.74 s, of 1.49 s. Raises DataError as `embed`."""
        check_clips(clips, self.needs)
        return step_by_step(clips, self._steps, STEP * HOP, 2 * STEP * HOP, lengths)

    def _steps(self, waveform: Float[np.ndarray, " n"]) -> Float[Tensor, "1024 s"]:
        mel = spectrogram(waveform)
        parts = pieces(len(mel), STEP, _CORE, _MARGIN)
        return torch.cat([self.network.features(mel[None, i].to(self.device))[0, :, keep] for i, keep in parts], 1)


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> Kumar:
    """The network with the authors' weights, or those of the file `weights`, for any number of classes.

    Raises WeightsError when the file is not there or does not fit.
    """
    path = find("kumar", weights or _FILE, models, _PUBLISHED)
    state = read_state(path)
    if "layer19.0.bias" not in state:
        raise WeightsError(f"{path}: not the weights of KumarNet (missing: layer19.0.bias)")
    with torch.device("meta"):
        network = KumarNet(state["layer19.0.bias"].numel())
    fill(network, state, path)
    spec = "kumar" if weights is None else f"kumar:{weights}"
    return Kumar(network.to(device), device, spec, (identify(path),))
