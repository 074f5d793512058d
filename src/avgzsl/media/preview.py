"""What a page shows of a file: a still picture, and a piece that any browser plays. To be called in `workers`."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from avgzsl.errors import MediaError
from avgzsl.media.colours import rgb
from avgzsl.media.container import media_errors
from avgzsl.media.decode import WHOLE, within
from avgzsl.media.encode import write_mp4
from avgzsl.media.needs import Span
from avgzsl.media.pictures import frames_at
from avgzsl.media.shape import shown_size
from avgzsl.media.sound import waveform
from avgzsl.media.tracks import Track, survey
from avgzsl.media.turning import upright
from avgzsl.support.files import write_whole

LONGEST = 60.0
"""Seconds of a preview."""

_FPS, _RATE = 25.0, 44_100


def thumbnail(path: Path, span: Span = WHOLE, size: int = 320) -> bytes:
    """A JPEG of the middle of the span, its longer side `size` pixels or less.

    Raises MediaError, also for a file without a picture.
    """
    with media_errors(Path(path)):
        tracks = survey(Path(path))
        if tracks.video is None:
            raise MediaError("has no picture")
        start, end = within(span, tracks)
        track = tracks.video
        if track.end is not None:
            start = (max(start, track.start) + min(end, track.end)) / 2
        picture = next(same_size_pictures(Path(path), track, [start], size))
        return _jpeg(picture)


def preview(path: Path, out: Path, span: Span = WHOLE, size: int = 480) -> None:
    """Write the span, one minute of it at most, to `out` as mp4: 25 frames a second, longer side `size` or less, mono.

    Raises MediaError; a still picture has no preview.
    """
    with media_errors(Path(path)):
        tracks = survey(Path(path))
        start, end = within(span, tracks)
        if tracks.duration is None:
            raise MediaError("is a still picture; it has a thumbnail, no preview")
        end = min(end, start + LONGEST)
        frames: Iterator[np.ndarray] = iter(())
        if tracks.video is not None:
            times = np.arange(start, min(end, tracks.video.end or end), 1 / _FPS).tolist()
            frames = same_size_pictures(Path(path), tracks.video, times, size) if times else frames
        samples = None if tracks.audio is None else waveform(Path(path), tracks.audio, start, end, _RATE)
        write_whole(Path(out), lambda temporary: write_mp4(temporary, frames, _FPS, samples, _RATE))


def same_size_pictures(path: Path, track: Track, times: list[float], size: int) -> Iterator[np.ndarray]:
    """RGB pictures at `times`, all of the size of the first; one of another shape is set in the middle of black."""
    canvas: tuple[int, int] | None = None
    for _, frame in frames_at(path, track, times):
        shown_width, shown_height = shown_size(frame)
        scale = (
            min(1.0, size / max(shown_width, shown_height))
            if canvas is None
            else min(canvas[0] / shown_width, canvas[1] / shown_height)
        )
        width, height = max(2, round(shown_width * scale)), max(2, round(shown_height * scale))
        canvas = canvas or (width, height)
        yield upright(_centred(rgb(frame, width, height), *canvas), frame)


def _centred(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    if picture.shape[:2] == (height, width):
        return picture
    canvas = np.zeros((height, width, 3), np.uint8)
    picture = picture[:height, :width]
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def _jpeg(picture: np.ndarray) -> bytes:
    import av

    frame: Any = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuvj420p", threads=1)
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.qscale = True
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
