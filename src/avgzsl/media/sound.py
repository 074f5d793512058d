"""The mono waveform of a span of a file."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avgzsl.errors import MediaError
from avgzsl.media.channels import full_range
from avgzsl.media.frames import frames_from
from avgzsl.media.mono import PIECE, Part, mix
from avgzsl.media.opening import Opening
from avgzsl.media.tracks import Track, check_whole

RATES = (1_000, 768_000)
_GAP = 0.05  # seconds between the end of a frame and the time stamp of the next that are silence, not rounding
_AT_ONCE = 1 << 20  # values whose mean is taken at once
_RUN_IN = 0.5  # seconds decoded before the span: lossy codecs overlap their frames


def waveform(
    path: Path, track: Track, start: float, end: float, rate: int, opening: Opening | None = None
) -> Float32[np.ndarray, " n"] | None:
    """Samples in [-1, 1] from `start` on, at `rate` a second: the mean of all channels but the low-frequency ones.

    Where channels cancel each other in it, half second by half second, it is the mean of them turned to one polarity.
    A sound that begins later, or pauses, is silent there; one that ends earlier gives fewer samples; None if the span
    has no sound. Raises MediaError, without the path, for what cannot be decoded.
    """
    import soxr

    native = track.info["rate"]
    if not RATES[0] <= native <= RATES[1]:
        raise MediaError(f"its sound has {native} samples a second; {RATES[0]} to {RATES[1]} were expected")
    samples = _samples(path, track, start, end, native, opening)
    if samples is None or native == rate:
        return samples
    resampled: np.ndarray = soxr.resample(samples, native, rate, quality="HQ")
    return resampled.clip(-1, 1)


def _samples(
    path: Path, track: Track, start: float, end: float, native: int, opening: Opening | None
) -> np.ndarray | None:
    out, piece = np.zeros(round((end - start) * native), np.float32), round(PIECE * native)
    parts: list[Part] = []
    filled, place, mixed, size = 0, None, 0, 0
    with frames_from(path, track, max(start - _RUN_IN, 0.0), opening) as frames:
        for time, frame in frames:
            if frame.sample_rate != native:
                raise MediaError(f"its sound changes from {native} to {frame.sample_rate} samples a second")
            stamped = round((time - start) * native)
            if place is None or stamped - place > _GAP * native:
                place = stamped
            if place >= len(out):
                break
            parts.append(Part(place, full_range(frame, track.info["layout"])))
            place, size = parts[-1].end, size + parts[-1].channels.size
            filled = max(filled, min(place, len(out)))
            if size > _AT_ONCE and (until := filled // piece * piece) > mixed:
                mix(out[mixed:until], parts, mixed, piece)
                parts = [part for part in parts if part.end > until]
                mixed, size = until, 0
        else:
            if place is None:
                raise MediaError("nothing of its sound can be decoded")
            if track.exact and track.end is not None:
                check_whole(start + place / native, min(end, track.end))
    mix(out[mixed:filled], parts, mixed, piece)
    return np.clip(out[:filled], -1, 1) if filled else None
