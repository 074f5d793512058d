"""The mono waveform of a span of a file."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from avgzsl.errors import MediaError
from avgzsl.media.channels import full_range
from avgzsl.media.frames import frames_from
from avgzsl.media.tracks import Track, check_whole

RATES = (1_000, 768_000)
_GAP = 0.05  # seconds between the end of a frame and the time stamp of the next that are silence, not rounding
_PIECE = 0.5  # seconds
_LEFT_OVER = 0.01  # of the power: less is left in the mean of two channels whose correlation is below -0.98
_LARGEST = 1e30
_RUN_IN = 0.5  # seconds decoded before the span: lossy codecs overlap their frames


def waveform(path: Path, track: Track, start: float, end: float, rate: int) -> Float32[np.ndarray, " n"] | None:
    """Samples in [-1, 1] from `start` on, at `rate` a second: the mean of all channels but the low-frequency ones.

    Where channels cancel each other in it, half second by half second, it is the mean of them turned to one polarity.
    A sound that begins later, or pauses, is silent there; one that ends earlier gives fewer samples; None if the span
    has no sound. Raises MediaError, without the path, for what cannot be decoded.
    """
    import soxr

    native = track.info["rate"]
    if not RATES[0] <= native <= RATES[1]:
        raise MediaError(f"its sound has {native} samples a second; {RATES[0]} to {RATES[1]} were expected")
    samples = _samples(path, track, start, end, native)
    if samples is None or native == rate:
        return samples
    resampled: np.ndarray = soxr.resample(samples, native, rate, quality="HQ")
    return resampled.clip(-1, 1)


def _samples(path: Path, track: Track, start: float, end: float, native: int) -> np.ndarray | None:
    out = np.zeros((2, round((end - start) * native)), np.float32)
    filled, place = 0, None
    with frames_from(path, track, max(start - _RUN_IN, 0.0)) as frames:
        for time, frame in frames:
            if frame.sample_rate != native:
                raise MediaError(f"its sound changes from {native} to {frame.sample_rate} samples a second")
            stamped = round((time - start) * native)
            if place is None or stamped - place > _GAP * native:
                place = stamped
            if place >= out.shape[1]:
                break
            piece = mono(frame, track.info["layout"])
            inside = piece[:, max(0, -place) : out.shape[1] - place]
            out[:, max(0, place) : max(0, place) + inside.shape[1]] = inside
            place += piece.shape[1]
            filled = max(filled, min(place, out.shape[1]))
        else:
            if place is None:
                raise MediaError("nothing of its sound can be decoded")
            if track.exact and track.end is not None:
                check_whole(start + place / native, min(end, track.end))
    return np.clip(_audible(out[:, :filled], round(_PIECE * native)), -1, 1) if filled else None


def mono(frame: Any, layout: str) -> Float32[np.ndarray, "2 n"]:
    """The mean of a frame's channels without the low-frequency ones; and of the same channels turned to one polarity.

    Full scale is 1. The polarity is that of the first channel with at least half the power of the loudest.
    """
    planes = full_range(frame, layout)
    values = planes.astype(np.float64) - (128 if planes.dtype == np.uint8 else 0)
    scale = {"u": 128.0, "i": -float(np.iinfo(planes.dtype).min)}[planes.dtype.kind] if planes.dtype.kind in "ui" else 1
    if not np.all(np.abs(values) < _LARGEST):
        raise MediaError("its sound holds values that are no numbers")
    power = (values**2).sum(axis=1)
    leading = values[np.argmax(power >= power.max() / 2)]
    turned = np.where(values @ leading < 0, -1.0, 1.0)
    means: np.ndarray = np.stack([values.mean(axis=0), turned @ values / len(values)]) / scale
    return means.astype(np.float32)


def _audible(means: Float32[np.ndarray, "2 n"], piece: int) -> Float32[np.ndarray, " n"]:
    """The mean of the channels, but in pieces of `piece` samples where they cancel, that of channels in one polarity.

    `means` has the one and the other, as `mono` gives them.
    """
    mean, turned = means
    for start in range(0, len(mean), piece):
        part = slice(start, start + piece)
        if _power(mean[part]) < _LEFT_OVER * _power(turned[part]):
            mean[part] = turned[part]
    audible: np.ndarray = mean
    return audible


def _power(values: Float32[np.ndarray, " n"]) -> float:
    return float(np.square(values, dtype=np.float64).sum())
