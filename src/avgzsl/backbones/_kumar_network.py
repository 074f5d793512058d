"""The audio network of Kumar, Khadkevich and Fügen (ICASSP 2018, arXiv 1711.01369), and what it hears of a waveform.

Names of layers and weights are those of the authors' `weak_feature_extractor`. The spectrogram is librosa's of 2018:
the ends are mirrored (later versions fill zeros).
"""

from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from avgzsl.backbones._mel import log_mel, mel_filters
from avgzsl.media.needs import SoundNeeds

DIMENSION = 1024
RATE = 44_100
NEEDS = SoundNeeds(RATE)
STEP = 64  # spectrogram frames to a step of the network
HOP = 512  # samples to a spectrogram frame

_BANDS, _N_FFT, _TOP_DB, _SHORTEST = 128, 1024, 80.0, 2 * STEP


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
    mel = log_mel(waveform, _filters(), HOP, _TOP_DB)
    return torch.nn.functional.pad(mel, (0, 0, 0, max(0, _SHORTEST - len(mel))))


@cache
def _filters() -> Float[Tensor, "f 128"]:
    return mel_filters(RATE, _N_FFT, _BANDS)
