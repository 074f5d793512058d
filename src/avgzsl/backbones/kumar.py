"""The audio network of the paper: Kumar, Khadkevich and Fügen, ICASSP 2018 (arXiv 1711.01369).

Log-mel spectrogram of 128 bands at 44,100 Hz; seven convolution stages; the 1,024 maps of the seventh (`layer18`),
averaged over time, are the feature. Names of layers and weights are those of the authors' `weak_feature_extractor`.
Its spectrogram is librosa's of 2018: the ends are mirrored (later versions fill zeros).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from avgzsl.backbones._base import check_clips
from avgzsl.backbones._mel import log_mel, mel_filters
from avgzsl.backbones._pieces import averages, pieces
from avgzsl.backbones._state import fill, read_state
from avgzsl.errors import WeightsError
from avgzsl.media.needs import SoundNeeds
from avgzsl.support.weights import WeightFile, find, identify
from avgzsl.types import Modality

DESCRIPTION = "audio network of the paper (Kumar et al. 2018), 1024-d; weights: the authors' or of train-audio-net"
MODALITIES: tuple[Modality, ...] = ("audio",)
DIMENSION = 1024
RATE = 44_100
NEEDS = SoundNeeds(RATE)
STEP = 64  # spectrogram frames to a step of the network

_PUBLISHED = "https://github.com/anuragkr90/weak_feature_extractor (mx-h64-1024_0d3-1.17.pkl)"
_FILE = "mx-h64-1024_0d3-1.17.pkl"
_BANDS, _N_FFT, _HOP, _TOP_DB, _SHORTEST = 128, 1024, 512, 80.0, 2 * STEP
_CORE, _MARGIN = 80 * STEP, 2 * STEP  # a minute at a time; a step sees 94 frames around its own 128


class KumarNet(nn.Module):
    """layer1 … layer19, of which every third but the last is a pooling; `layer18` gives the feature."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        widths = [(1, 16), (16, 32), (32, 64), (64, 128), (128, 256)]
        for stage, (n_in, n_out) in enumerate(widths):
            self.add_module(f"layer{3 * stage + 1}", _unit(n_in, n_out, 3, 1))
            self.add_module(f"layer{3 * stage + 2}", _unit(n_out, n_out, 3, 1))
            self.add_module(f"layer{3 * stage + 3}", nn.MaxPool2d(2))
        self.layer16 = _unit(256, 512, 3, 1)
        self.layer17 = nn.MaxPool2d(2)
        self.layer18 = _unit(512, DIMENSION, 2, 0)
        self.layer19 = nn.Sequential(nn.Conv2d(DIMENSION, n_classes, 1), nn.Sigmoid())

    def features(self, mel: Float[Tensor, "n t 128"]) -> Float[Tensor, "n 1024 _s"]:
        """The maps of layer18: one step for the first 128 frames and for every 64 more (10 s: 862 frames, 12 steps)."""
        x = mel[:, None]
        for layer in range(1, 19):
            x = self.get_submodule(f"layer{layer}")(x)
        return x.squeeze(3)

    def logits(self, features: Float[Tensor, "n 1024 s"]) -> Float[Tensor, "n c s"]:
        """Class scores a step, before the sigmoid."""
        out: Tensor = self.layer19[0](features[..., None])
        return out.squeeze(3)


def _unit(n_in: int, n_out: int, kernel: int, padding: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, kernel, padding=padding), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


def fresh(n_classes: int, generator: Generator) -> KumarNet:
    """A network to train: Xavier-uniform weights with the gain of ReLU, zero biases (as the authors' WALNet)."""
    with torch.device("meta"):
        network = KumarNet(n_classes)
    network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.xavier_uniform_(module.weight, nn.init.calculate_gain("relu"), generator=generator)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return network


def spectrogram(waveform: Float[np.ndarray, " n"]) -> Float[Tensor, "t 128"]:
    """What the network hears of a waveform at 44,100 Hz: dB, filled with zeros to at least 128 frames."""
    mel = log_mel(waveform, _filters(), _HOP, _TOP_DB)
    return torch.nn.functional.pad(mel, (0, 0, 0, max(0, _SHORTEST - len(mel))))


@cache
def _filters() -> Float[Tensor, "f 128"]:
    return mel_filters(RATE, _N_FFT, _BANDS)


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
