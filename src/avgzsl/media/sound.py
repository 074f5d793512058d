"""The waveform of a span of a file: mono, or the channels as they are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avgzsl.errors import MediaError
from avgzsl.media.channels import full_range
from avgzsl.media.frames import frames_from
from avgzsl.media.mono import PIECE, Part, as_float, mix, put
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

    native = _rate_of(track)
    samples = _samples(path, track, start, end, native, opening)
    if samples is None or native == rate:
        return samples
    resampled: np.ndarray = soxr.resample(samples, native, rate, quality="HQ")
    return resampled.clip(-1, 1)


def channels(path: Path, track: Track, start: float, end: float) -> Float32[np.ndarray, "c n"] | None:
    """The two channels of stereo as they are, of any other sound its `waveform`; at the track's own rate.

    Raises MediaError, without the path, as `waveform`.
    """
    native = _rate_of(track)
    if track.info["channels"] != 2:
        mono = _samples(path, track, start, end, native, None)
        return None if mono is None else mono[None]
    out, filled = np.zeros((2, round((end - start) * native)), np.float32), 0
    for part in _parts(path, track, start, end, None):
        both = as_float(part.channels)
        if len(both) != 2:
            raise MediaError(f"its sound changes from 2 to {len(both)} channels")
        for side in range(2):
            put(out[side], part.place, both[side])
        filled = max(filled, min(part.end, out.shape[1]))
    return np.clip(out[:, :filled], -1, 1) if filled else None


def _rate_of(track: Track) -> int:
    native: int = track.info["rate"]
    if not RATES[0] <= native <= RATES[1]:
        raise MediaError(f"its sound has {native} samples a second; {RATES[0]} to {RATES[1]} were expected")
    return native


def _samples(
    path: Path, track: Track, start: float, end: float, native: int, opening: Opening | None
) -> np.ndarray | None:
    out, piece = np.zeros(round((end - start) * native), np.float32), round(PIECE * native)
    parts: list[Part] = []
    filled, mixed, size = 0, 0, 0
    for part in _parts(path, track, start, end, opening):
        parts.append(part)
        size += part.channels.size
        filled = max(filled, min(part.end, len(out)))
        if size > _AT_ONCE and (until := filled // piece * piece) > mixed:
            mix(out[mixed:until], parts, mixed, piece)
            parts = [part for part in parts if part.end > until]
            mixed, size = until, 0
    mix(out[mixed:filled], parts, mixed, piece)
    return np.clip(out[:filled], -1, 1) if filled else None


def _parts(path: Path, track: Track, start: float, end: float, opening: Opening | None) -> Iterator[Part]:
    """The frames of a span, each with its place in it; what stands before the span has places below 0."""
    native, place = track.info["rate"], None
    last = round((end - start) * native)
    with frames_from(path, track, max(start - _RUN_IN, 0.0), opening) as frames:
        for time, frame in frames:
            if frame.sample_rate != native:
                raise MediaError(f"its sound changes from {native} to {frame.sample_rate} samples a second")
            stamped = round((time - start) * native)
            if place is None or stamped - place > _GAP * native:
                place = stamped
            if place >= last:
                return
            part = Part(place, full_range(frame, track.info["layout"]))
            place = part.end
            yield part
    if place is None:
        raise MediaError("nothing of its sound can be decoded")
    if track.exact and track.end is not None:
        check_whole(start + place / native, min(end, track.end))
