"""Square RGB frames of a span of a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from avgzsl.errors import ConfigError, MediaError
from avgzsl.media.colours import rgb
from avgzsl.media.container import MOST_PIXELS
from avgzsl.media.frames import ROUNDING, frames_from
from avgzsl.media.needs import FrameNeeds
from avgzsl.media.opening import Opening
from avgzsl.media.shape import shown_size
from avgzsl.media.tiles import assembled
from avgzsl.media.tracks import Track, check_whole
from avgzsl.media.turning import upright

MOST_BYTES = 1 << 30
"""Largest size, in bytes, of the frames of one span together."""


def pictures(
    path: Path, track: Track, start: float, end: float, needs: FrameNeeds, opening: Opening | None = None
) -> tuple[UInt8[np.ndarray, "t s s 3"], Float[np.ndarray, " t"], int] | None:
    """Frames, their times in seconds from the start of the file, and the turn in degrees; None if the span has none.

    The `sampling_times` lie within the part of the span that has a picture; for each, the last frame at or before it is
    taken. Raises MediaError, without the path, for what cannot be decoded or is too large.
    """
    from av.video.reformatter import VideoReformatter

    if track.end is None:
        targets = sampling_times(start, start + 1.0, needs)[:1]
    else:
        targets = sampling_times(max(start, track.start), min(end, track.end), needs)
    if not targets:
        return None
    if len(targets) * needs.size**2 * 3 > MOST_BYTES:
        raise MediaError(
            f"{len(targets)} frames of {needs.size} x {needs.size} take more than {MOST_BYTES >> 30} GiB; "
            "cut it into shorter clips, with --window or a start and an end"
        )
    out = np.empty((len(targets), needs.size, needs.size, 3), np.uint8)
    times = np.empty(len(targets))
    last, turn, scaler = None, 0, VideoReformatter()
    for row, (time, frame) in enumerate(frames_at(path, track, targets, opening)):
        if frame is last:
            out[row] = out[row - 1]
        else:
            out[row], turn, last = square(frame, needs, scaler), frame.rotation, frame
        times[row] = time
    return out, times, turn


def sampling_times(start: float, end: float, needs: FrameNeeds) -> list[float]:
    """Seconds at which frames are wanted from `start` to `end`: start + i / fps, or the middles of `count` parts."""
    if (needs.fps is None) == (needs.count is None) or (needs.fps or needs.count or 0) <= 0 or needs.size < 1:
        raise ConfigError(f"frames are wanted at a rate or in a number, both above zero, not by {needs}")
    if not start < end:
        return []
    if needs.count is not None:
        return [start + (i + 0.5) * (end - start) / needs.count for i in range(needs.count)]
    number = max(1, int(np.ceil((end - start) * (needs.fps or 0) - ROUNDING)))
    return [start + i / (needs.fps or 1) for i in range(number)]


def frames_at(
    path: Path, track: Track, targets: list[float], opening: Opening | None = None
) -> Iterator[tuple[float, Any]]:
    """For each of `targets`, rising times in seconds, the last (time, frame) at or before it; else the first frame."""
    if track.grid is not None:
        picture = assembled(path, track.grid)
        yield from ((0.0, picture) for _ in targets)
        return
    with frames_from(path, track, targets[0], opening) as frames:
        current, row = None, 0
        for time, frame in frames:
            while current is not None and row < len(targets) and targets[row] + ROUNDING < time:
                yield current
                row += 1
            if row == len(targets):
                return
            current = time, frame
        if current is None:
            raise MediaError("not one frame of its picture can be decoded")
        if track.last is not None:
            check_whole(current[0], min(track.last, targets[-1]))
        for _ in targets[row:]:
            yield current


def square(frame: Any, needs: FrameNeeds, scaler: Any = None) -> UInt8[np.ndarray, "s s 3"]:
    """A frame turned upright, resized, and cut or stretched to a square of `needs.size` pixels, as `needs` ask."""
    from av.video.reformatter import Interpolation

    width, height = needs.size, needs.size
    if needs.short_side is not None:
        shown = shown_size(frame)
        scale = needs.short_side / min(shown)
        width, height = (max(needs.short_side, round(side * scale)) for side in shown)
    if width * height > MOST_PIXELS:
        raise MediaError(f"a picture of {frame.width} x {frame.height} is too long to be resized and cut to a square")
    kernel = {"bilinear": Interpolation.BILINEAR, "bicubic": Interpolation.BICUBIC}[needs.interpolation]
    small = rgb(frame, width, height, kernel, scaler)
    top, left = (height - needs.size) // 2, (width - needs.size) // 2
    return upright(small[top : top + needs.size, left : left + needs.size], frame)
