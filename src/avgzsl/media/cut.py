"""A span of a file as a file of its own, cut exactly: it is decoded and encoded again. To be called in `workers`.

A copy of the stream would begin at a key frame, up to seconds too early.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avgzsl.errors import MediaError
from avgzsl.media import encode
from avgzsl.media.container import media_errors
from avgzsl.media.decode import WHOLE, within
from avgzsl.media.needs import Span
from avgzsl.media.preview import same_size_pictures
from avgzsl.media.sound import channels
from avgzsl.media.tracks import Track, Tracks, survey
from avgzsl.support.files import write_whole

_FPS, _MOST_FPS = 25.0, 120.0  # of a film that does not say its own; beyond the greatest, nobody can have meant it
_RATE = 48_000  # of a sound whose rate AAC does not know
_LONG_SIDE = 8192  # pixels
_LOOK = 25  # frames between two looks at how much was written


class TooMuch(MediaError):
    """A cut of more seconds or bytes than are allowed."""


@dataclass(frozen=True)
class Most:
    """What a cut may be: seconds of the span, and the bytes of its file."""

    seconds: float = inf
    size: int = 1 << 62


@dataclass(frozen=True)
class Cut:
    """The file that was written; `seconds` is None of a picture."""

    path: Path
    seconds: float | None
    bytes: int


def cut(path: Path, stem: Path, suffix: str, span: Span = WHOLE, most: Most | None = None) -> Cut:
    """Write the span to `stem` with the ending of its kind, whole or not at all.

    A film becomes an mp4 of H.264 and AAC in its own size, rate of frames and channels, sound alone a FLAC of 16 bits;
    a still picture is copied, with its own `suffix`. More channels than two become one, and a rate of sound that AAC
    does not know 48,000. Raises TooMuch, and MediaError as `decode`; both name the file.
    """
    path, most = Path(path), most or Most()
    try:
        with media_errors(path):
            tracks = survey(path)
            start, end = within(span, tracks)
            if tracks.duration is None:
                return _copied(path, _named(stem, suffix), most)
            if end - start > most.seconds:
                raise TooMuch(f"is {end - start:.1f} s long; at most {most.seconds:.1f} s more may be cut")
            return _encoded(path, stem, tracks, Span(start, end), most)
    except MediaError as problem:
        if isinstance(problem.__cause__, TooMuch):
            raise TooMuch(str(problem)) from problem
        raise


def _copied(path: Path, out: Path, most: Most) -> Cut:
    size = path.stat().st_size
    _require_fits(size, most)
    write_whole(out, lambda temporary: shutil.copyfile(path, temporary))
    return Cut(out, None, size)


def _encoded(path: Path, stem: Path, tracks: Tracks, span: Span, most: Most) -> Cut:
    """Raises MediaError for a span of which nothing is left."""
    start, end = span.start, span.end or span.start
    samples, rate = (None, _RATE) if tracks.audio is None else _sound(path, tracks.audio, start, end)
    times, fps = ([], _FPS) if tracks.video is None else _times(tracks.video, start, end)
    if tracks.video is not None and times:
        frames = same_size_pictures(path, tracks.video, times, _LONG_SIDE)
        out = _named(stem, ".mp4")
        write_whole(out, lambda place: encode.write_mp4(place, _watched(frames, place, most), fps, samples, rate))
    elif samples is not None:
        out = _named(stem, ".flac")
        write_whole(out, lambda place: encode.write_flac(place, samples, rate))
    else:
        raise MediaError(f"has neither picture nor sound from {start:g} to {end:g} s")
    size = out.stat().st_size
    try:
        _require_fits(size, most)
    except TooMuch:
        out.unlink()
        raise
    return Cut(out, end - start, size)


def _sound(path: Path, track: Track, start: float, end: float) -> tuple[Float32[np.ndarray, "c n"] | None, int]:
    """The samples, and how many a second."""
    samples, native = channels(path, track, start, end), track.info["rate"]
    if samples is None or native in encode.RATES:
        return samples, native
    import soxr

    resampled = [soxr.resample(channel, native, _RATE, quality="HQ") for channel in samples]
    return np.stack(resampled).clip(-1, 1), _RATE


def _times(track: Track, start: float, end: float) -> tuple[list[float], float]:
    """When frames are shown, at the film's own rate, and that rate; none where its picture is over by then."""
    fps = track.info["fps"] or _FPS
    fps = fps if 1 <= fps <= _MOST_FPS else _FPS
    count = round((min(end, track.end or end) - start) * fps)
    return [start + i / fps for i in range(count)], fps


def _watched(frames: Iterator[np.ndarray], place: Path, most: Most) -> Iterator[np.ndarray]:
    for i, frame in enumerate(frames):
        if i % _LOOK == 0 and place.exists():
            _require_fits(place.stat().st_size, most)
        yield frame


def _require_fits(size: int, most: Most) -> None:
    if size > most.size:
        raise TooMuch(f"gives more than the {most.size:,} bytes that are left for cut files")


def _named(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)
