"""What a page shows of a file: a still picture, and a piece that any browser plays. To be called in `workers`."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from avgzsl.errors import MediaError
from avgzsl.media.colours import rgb
from avgzsl.media.container import about
from avgzsl.media.decode import WHOLE, within
from avgzsl.media.encode import write_mp4
from avgzsl.media.needs import Span
from avgzsl.media.pictures import chosen
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
    with about(Path(path)):
        tracks = survey(Path(path))
        if tracks.video is None:
            raise MediaError("has no picture")
        start, end = within(span, tracks)
        track = tracks.video
        if track.end is not None:
            start = (max(start, track.start) + min(end, track.end)) / 2
        picture = next(_fitting(Path(path), track, [start], size))
        return _jpeg(picture)


def preview(path: Path, out: Path, span: Span = WHOLE, size: int = 480) -> None:
    """Write the span, one minute of it at most, to `out` as mp4: 25 frames a second, longer side `size` or less, mono.

    Raises MediaError; a still picture has no preview.
    """
    with about(Path(path)):
        tracks = survey(Path(path))
        start, end = within(span, tracks)
        if tracks.duration is None:
            raise MediaError("is a still picture; it has a thumbnail, no preview")
        end = min(end, start + LONGEST)
        frames: Iterator[np.ndarray] = iter(())
        if tracks.video is not None:
            times = np.arange(start, min(end, tracks.video.end or end), 1 / _FPS).tolist()
            frames = _fitting(Path(path), tracks.video, times, size) if times else frames
        heard = None if tracks.audio is None else waveform(Path(path), tracks.audio, start, end, _RATE)
        write_whole(Path(out), lambda temporary: write_mp4(temporary, frames, _FPS, heard, _RATE))


def _fitting(path: Path, track: Track, times: list[float], size: int) -> Iterator[np.ndarray]:
    """Pictures of one size: later ones of another shape stand in the middle of black."""
    room: tuple[int, int] | None = None
    for _, frame in chosen(path, track, times):
        wide, high = shown_size(frame)
        scale = min(1.0, size / max(wide, high)) if room is None else min(room[0] / wide, room[1] / high)
        width, height = max(2, round(wide * scale)), max(2, round(high * scale))
        room = room or (width, height)
        yield upright(_centred(rgb(frame, width, height), *room), frame)


def _centred(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    if picture.shape[:2] == (height, width):
        return picture
    whole = np.zeros((height, width, 3), np.uint8)
    picture = picture[:height, :width]
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    whole[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return whole


def _jpeg(picture: np.ndarray) -> bytes:
    import av

    frame: Any = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuvj420p", threads=1)
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.qscale = True
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
