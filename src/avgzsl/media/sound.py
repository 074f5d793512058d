"""The mono waveform of a span of a file."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from avgzsl.errors import MediaError
from avgzsl.media.reading import frames_from
from avgzsl.media.tracks import Track, check_whole

RATES = (1_000, 768_000)
_GAP = 0.05  # seconds between the end of a frame and the time stamp of the next that are silence, not rounding
_RUN_IN = 0.5  # seconds decoded before the span: lossy codecs overlap their frames


def waveform(path: Path, track: Track, start: float, end: float, rate: int) -> Float32[np.ndarray, " n"] | None:
    """Samples in [-1, 1] from `start` on, at `rate` a second: the mean of all channels but the low-frequency one.

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
    out = np.zeros(round((end - start) * native), np.float32)
    filled, place = 0, None
    with frames_from(path, track, max(start - _RUN_IN, 0.0)) as frames:
        for time, frame in frames:
            if frame.sample_rate != native:
                raise MediaError(f"its sound changes from {native} to {frame.sample_rate} samples a second")
            stamped = round((time - start) * native)
            if place is None or stamped - place > _GAP * native:
                place = stamped
            if place >= len(out):
                break
            piece = mono(frame)
            inside = piece[max(0, -place) : len(out) - place]
            out[max(0, place) : max(0, place) + len(inside)] = inside
            place += len(piece)
            filled = max(filled, min(place, len(out)))
        else:
            if place is None:
                raise MediaError("nothing of its sound can be decoded")
            if track.exact and track.end is not None:
                check_whole(start + place / native, min(end, track.end))
    return np.clip(out[:filled], -1, 1) if filled else None


def mono(frame: Any) -> Float32[np.ndarray, " n"]:
    """The mean of a frame's channels but the low-frequency ones, full scale 1."""
    values = frame.to_ndarray()
    names = [channel.name for channel in frame.layout.channels]
    planes = values if frame.format.is_planar else values.reshape(-1, len(names)).T
    kept = [i for i, name in enumerate(names) if not name.startswith("LFE")] or list(range(len(names)))
    mean: np.ndarray = planes[kept].mean(axis=0, dtype=np.float64)
    if planes.dtype == np.uint8:
        mean = (mean - 128) / 128
    elif planes.dtype.kind == "i":
        mean = mean / -float(np.iinfo(planes.dtype).min)
    if not np.all(np.abs(mean) < 1e30):
        raise MediaError("its sound holds values that are no numbers")
    return mean.astype(np.float32)
