"""The outline of a sound, as a page draws it: the least and the greatest sample of equal parts. To be called in
`workers`."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from avgzsl.media.container import media_errors
from avgzsl.media.decode import WHOLE, within
from avgzsl.media.needs import Span
from avgzsl.media.sound import waveform
from avgzsl.media.tracks import survey

COUNT = 400
"""Parts of a span, of which each is about a pixel of a card."""


class Peaks(NamedTuple):
    """`seconds` of sound from `start` on, both of the file, in equal parts: the least and the greatest of each."""

    start: float
    seconds: float
    parts: Float32[np.ndarray, "n 2"]


def peaks(path: Path, span: Span = WHOLE, count: int = COUNT) -> Peaks | None:
    """The peaks of the mono waveform of a span, in [-1, 1], at most `count`; None for a file without sound.

    Where the sound begins later than the span, or ends earlier, it is silent. Raises MediaError like
    `avgzsl.media.decode.decode`.
    """
    with media_errors(Path(path)):
        tracks = survey(Path(path))
        start, end = within(span, tracks)
        if tracks.audio is None or not math.isfinite(end):
            return None
        rate = tracks.audio.info["rate"]
        samples = waveform(Path(path), tracks.audio, start, end, rate)
        return Peaks(start, end - start, outline(samples, round((end - start) * rate), count))


def outline(samples: Float32[np.ndarray, " _n"] | None, length: int, count: int) -> Float32[np.ndarray, "m 2"]:
    """The least and the greatest of `count` equal parts, or fewer, of `samples` and the silence up to `length`."""
    whole = np.zeros(max(length, 1), np.float32)
    if samples is not None:
        whole[: len(samples)] = samples[: len(whole)]
    starts = np.arange(min(count, len(whole))) * len(whole) // min(count, len(whole))
    return np.stack([np.minimum.reduceat(whole, starts), np.maximum.reduceat(whole, starts)], axis=1)
