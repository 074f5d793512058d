"""Hand-crafted descriptors: no weights; the colour, shape and motion of a figure, the strokes and tone of a sound.

They look for one figure before a ground, and for one source of sound: where there are many, `descriptors` say more.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from avgzsl.backbones._by_hand import ByHand, refuse_weights
from avgzsl.backbones._figure import COLOURS, HARMONICS, MOMENTS, TURNS, Figures, figures, moving_colours
from avgzsl.backbones._path import PATH, path
from avgzsl.backbones._sound_statistics import RATE, RHYTHM, rhythm
from avgzsl.backbones._strokes import STROKES, envelope, strokes
from avgzsl.backbones._tone import TONE, tone
from avgzsl.media.needs import FrameNeeds, SoundNeeds
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


def load(modality: Modality, weights: str | None, device: torch.device, models: Path | None) -> ByHand:
    """The descriptor of a modality; it needs neither a device nor weights. Raises ConfigError for weights."""
    refuse_weights("handcrafted", weights)
    if modality == "audio":
        return ByHand("handcrafted", modality, SOUND_DIMENSION, SoundNeeds(RATE), describe_sound)
    return ByHand("handcrafted", modality, PICTURE_DIMENSION, FrameNeeds(SIZE, fps=FPS), describe_frames)


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
