"""Sound of many channels with a known content."""

from pathlib import Path

import av
import numpy as np

from tests.media_files import tone, write

RATE = 48_000


def many(path: Path, codec: str, layout: str, seconds: float = 0.6, frames=()) -> tuple[Path, np.ndarray]:
    """A file of this layout, and its channels: channel i sounds at 200 + 40 i Hz, low-frequency ones loudly."""
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    channels = np.stack(
        [
            tone(seconds, 60.0, RATE, 0.9) if name.startswith("LFE") else tone(seconds, 200.0 + 40 * i, RATE, 0.5)
            for i, name in enumerate(names)
        ]
    )
    # packed: PyAV reads past the planes of a frame that has eight or more
    return write(path, frames, channels, rate=RATE, sound_codec=codec, layout=layout, samples="flt"), channels


def heard(channels: np.ndarray, layout: str) -> np.ndarray:
    """The mean without low-frequency channels."""
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    return channels[[not name.startswith("LFE") for name in names]].mean(axis=0)


def stereo(correlation: float, seconds: float = 2.0, gain: float = 1.0, seed: int = 0) -> np.ndarray:
    """Two channels of noise with this correlation; `gain` makes the second louder."""
    left, other = np.random.default_rng(seed).normal(size=(2, round(seconds * RATE))) * 0.1
    right = correlation * left + np.sqrt(1 - correlation**2) * other
    return np.stack([left, gain * right]).astype(np.float32)
