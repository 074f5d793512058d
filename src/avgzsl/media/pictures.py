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
from avgzsl.media.shape import shown_size
from avgzsl.media.tiles import assembled
from avgzsl.media.tracks import Track, check_whole
from avgzsl.media.turning import upright

MOST_BYTES = 1 << 30
"""Of the frames of one span together."""


def pictures(
    path: Path, track: Track, start: float, end: float, needs: FrameNeeds
) -> tuple[UInt8[np.ndarray, "t s s 3"], Float[np.ndarray, " t"], int] | None:
    """Frames, their times in seconds from the start of the file, and the turn in degrees; None if the span has none.

    At each wanted time stands the last frame at or before it. Wanted times lie within the part of the span that has a
    picture. Raises MediaError, without the path, for what cannot be decoded or is too large.
    """
    if track.end is None:
        wanted = wanted_times(start, start + 1.0, needs)[:1]
    else:
        wanted = wanted_times(max(start, track.start), min(end, track.end), needs)
    if not wanted:
        return None
    if len(wanted) * needs.size**2 * 3 > MOST_BYTES:
        raise MediaError(
            f"{len(wanted)} frames of {needs.size} x {needs.size} take more than {MOST_BYTES >> 30} GiB; "
            "cut it into shorter clips, with --window or a start and an end"
        )
    out = np.empty((len(wanted), needs.size, needs.size, 3), np.uint8)
    times = np.empty(len(wanted))
    last, turn = None, 0
    for row, (time, frame) in enumerate(chosen(path, track, wanted)):
        if frame is last:
            out[row] = out[row - 1]
        else:
            out[row], turn, last = square(frame, needs), frame.rotation, frame
        times[row] = time
    return out, times, turn


def wanted_times(start: float, end: float, needs: FrameNeeds) -> list[float]:
    """Seconds at which frames are wanted from `start` to `end`: start + i / fps, or the middles of `count` parts."""
    if (needs.fps is None) == (needs.count is None) or (needs.fps or needs.count or 0) <= 0 or needs.size < 1:
        raise ConfigError(f"frames are wanted at a rate or in a number, both above zero, not by {needs}")
    if not start < end:
        return []
    if needs.count is not None:
        return [start + (i + 0.5) * (end - start) / needs.count for i in range(needs.count)]
    number = max(1, int(np.ceil((end - start) * (needs.fps or 0) - ROUNDING)))
    return [start + i / (needs.fps or 1) for i in range(number)]


def chosen(path: Path, track: Track, wanted: list[float]) -> Iterator[tuple[float, Any]]:
    """For each of the rising `wanted` times the last (time, frame) at or before it, else the first there is."""
    if track.grid is not None:
        picture = assembled(path, track.grid)
        yield from ((0.0, picture) for _ in wanted)
        return
    with frames_from(path, track, wanted[0]) as frames:
        current, row = None, 0
        for time, frame in frames:
            while current is not None and row < len(wanted) and wanted[row] + ROUNDING < time:
                yield current
                row += 1
            if row == len(wanted):
                return
            current = time, frame
        if current is None:
            raise MediaError("not one frame of its picture can be decoded")
        if track.last is not None:
            check_whole(current[0], min(track.last, wanted[-1]))
        for _ in wanted[row:]:
            yield current


def square(frame: Any, needs: FrameNeeds) -> UInt8[np.ndarray, "s s 3"]:
    """A frame resized as `needs` tell, upright."""
    from av.video.reformatter import Interpolation

    width, height = needs.size, needs.size
    if needs.short_side is not None:
        shown = shown_size(frame)
        scale = needs.short_side / min(shown)
        width, height = (max(needs.short_side, round(side * scale)) for side in shown)
    if width * height > MOST_PIXELS:
        raise MediaError(f"a picture of {frame.width} x {frame.height} is too long to be resized and cut to a square")
    kernel = {"bilinear": Interpolation.BILINEAR, "bicubic": Interpolation.BICUBIC}[needs.interpolation]
    small = rgb(frame, width, height, kernel)
    top, left = (height - needs.size) // 2, (width - needs.size) // 2
    return upright(small[top : top + needs.size, left : left + needs.size], frame)
