"""Hand-crafted descriptors: no weights; the colour, shape and motion of a figure, the strokes and tone of a sound.

They look for one figure before a ground, and for one source of sound: where there are many, `descriptors` say more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from avgzsl.backbones._base import check_clips
from avgzsl.backbones._figure import COLOURS, HARMONICS, MOMENTS, TURNS, Figures, figures, moving_colours
from avgzsl.backbones._path import PATH, path
from avgzsl.backbones._sound_statistics import RATE, RHYTHM, rhythm
from avgzsl.backbones._strokes import STROKES, envelope, strokes
from avgzsl.backbones._tone import TONE, tone
from avgzsl.errors import ConfigError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality

SIZE, FPS = 64, 12.0
PICTURE_DIMENSION = 2 * COLOURS + MOMENTS + HARMONICS + PATH + 5
SOUND_DIMENSION = STROKES + TONE + RHYTHM
DESCRIPTION = (
    f"no weights: strokes, tone and rhythm of a sound, {SOUND_DIMENSION}-d; hues, outline and path of a figure, "
    f"{PICTURE_DIMENSION}-d"
)
MODALITIES: tuple[Modality, ...] = ("audio", "video")
BRINGS_WEIGHTS = False
_BLOCK = 128  # frames that are looked at together
_CUT = 0.1  # what a frame counts whose figure the rim cuts: its outline is another
# so that colour, shape and motion vary alike over rendered clips, by seeds 0 and 1
_OF_MOMENTS, _OF_CONTOUR, _OF_GROUND = 1.5, 3.0, 0.2


@dataclass(eq=False)
class Handcrafted:
    """A plain function of a clip, the same on every machine."""

    modality: Modality
    dimension: int
    needs: FrameNeeds | SoundNeeds
    describe: Callable[[np.ndarray], np.ndarray]
    spec: str = "handcrafted"
    weights: tuple[WeightFile, ...] = ()

    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """See `Backbone`. Raises DataError for a clip that is not what `needs` asks for."""
        check_clips(clips, self.needs)
        rows = torch.empty(len(clips), self.dimension)
        for position, clip in enumerate(clips):
            rows[position] = torch.from_numpy(self.describe(clip))
        return rows


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> Handcrafted:
    """The descriptor of a modality; it needs neither a device nor weights. Raises ConfigError for weights."""
    if weights is not None:
        raise ConfigError(f"handcrafted:{weights}: descriptors have no weights; name them alone")
    if modality == "audio":
        return Handcrafted(modality, SOUND_DIMENSION, SoundNeeds(RATE), describe_sound)
    return Handcrafted(modality, PICTURE_DIMENSION, FrameNeeds(SIZE, fps=FPS), describe_frames)


def describe_frames(frames: UInt8[np.ndarray, "t s s 3"]) -> Float32[np.ndarray, " d"]:
    """Colours of the figure and of what moves, outline, path, ground, size; zeros for what the frames do not show."""
    blocks = [figures(frames[start : start + _BLOCK]) for start in range(0, len(frames), _BLOCK)]
    found = Figures(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))
    counts = np.where(found.area > 0, np.where(found.cut, _CUT, 1.0), 0.0)
    whole = counts / max(float(counts.sum()), _CUT)
    colours = found.area @ found.colours / max(float(found.area.sum()), 1e-6)
    parts = (
        np.sqrt(colours),
        np.sqrt(moving_colours(frames)),
        _OF_MOMENTS * (whole @ found.moments),
        _OF_CONTOUR * (whole @ found.contour),
        path(found.area, found.centre, found.turned, TURNS, FPS),
        _OF_GROUND * found.ground.mean(0),
        [np.sqrt(found.area.mean()), _OF_GROUND * found.cut.mean()],
    )
    return np.concatenate(parts).astype(np.float32)


def describe_sound(waveform: Float[np.ndarray, " n"]) -> Float32[np.ndarray, " d"]:
    """Strokes, tone and rhythm of a mono waveform of RATE in [-1, 1], however loud; zeros for silence."""
    loud = envelope(waveform, RATE)[::2]  # `rhythm` takes steps of 10 ms
    rises = np.maximum(np.diff(loud, prepend=loud[:1]), 0)
    return np.concatenate([strokes(waveform, RATE), tone(waveform, RATE), *rhythm(rises)]).astype(np.float32)
