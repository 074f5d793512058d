"""The contract of a backbone."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from avgzsl.errors import DataError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality


@runtime_checkable
class Backbone(Protocol):
    """A loaded network, ready to embed clips of one modality."""

    spec: str
    modality: Modality
    dimension: int
    needs: FrameNeeds | SoundNeeds
    weights: tuple[WeightFile, ...]

    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """One float32 row on the CPU a clip; a row does not hang on the other clips.

        Clips are what `needs` asks for: frames, uint8 of t x size x size x 3, t >= 1, or waveforms, float32 in [-1, 1],
        of one sample or more. Their lengths differ; windows and chunks are the backbone's affair.
        """
        ...


def check_clips(clips: Sequence[np.ndarray], needs: FrameNeeds | SoundNeeds) -> None:
    """Raises DataError that names the first clip that is not what `needs` asks for."""
    for position, clip in enumerate(clips):
        wrong = _wrong_frames(clip, needs.size) if isinstance(needs, FrameNeeds) else _wrong_sound(clip)
        if wrong:
            raise DataError(f"clip {position} of {len(clips)}: {wrong}; decode it as the backbone's `needs` tell")


def _wrong_frames(clip: np.ndarray, size: int) -> str:
    if clip.dtype == np.uint8 and clip.ndim == 4 and len(clip) and clip.shape[1:] == (size, size, 3):
        return ""
    return f"{clip.dtype} of {_shape(clip)}, expected one frame or more, uint8 of {size} x {size} x 3"


def _wrong_sound(clip: np.ndarray) -> str:
    if clip.dtype != np.float32 or clip.ndim != 1 or not len(clip):
        return f"{clip.dtype} of {_shape(clip)}, expected one sample or more of a mono waveform, float32"
    return "" if np.isfinite(clip).all() else "its waveform has values that are not finite"


def _shape(clip: np.ndarray) -> str:
    return " x ".join(map(str, clip.shape)) or "no axis"
