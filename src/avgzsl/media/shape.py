"""How wide a picture is shown: pixels need not be square (the sample aspect ratio)."""

from fractions import Fraction
from typing import Any

from avgzsl.media.container import STILLS

_MOST = 8
"""Times that a pixel may be wider than high, or higher than wide; beyond, nobody can have meant it."""

_PICTURES = (*STILLS, "gif", "apng")  # their ratio is meant for print; every viewer shows square pixels


class PixelShape:
    """The ratio of a stream's pixels, width / height, as its container says, else as its frames do.

    Make it before the first frame is decoded.
    """

    def __init__(self, stream: Any) -> None:
        self.codec = stream.codec_context
        ratio = stream.sample_aspect_ratio  # of the container, or of the first frame where the container tells none
        self.container_ratio = None if ratio == self.codec.sample_aspect_ratio else ratio
        self.ignored = stream.container.format.name in _PICTURES

    def current(self) -> Fraction:
        """The ratio of the frame that was decoded last; 1 where nothing tells it, or no sensible one."""
        ratio = None if self.ignored else self.container_ratio or self.codec.sample_aspect_ratio
        # a new Fraction each time: PyAV forgets a frame's `opaque` when another frame with the same object is gone
        return Fraction(ratio) if ratio and 1 / _MOST <= ratio <= _MOST else Fraction(1)

    def mark(self, frame: Any) -> None:
        """Store the ratio in `frame.opaque`, unless it is 1: PyAV does not tell it of a frame."""
        ratio = self.current()
        if ratio != 1:
            frame.opaque = ratio


def shown_size(frame: Any) -> tuple[float, int]:
    """Width and height of a frame in square pixels, before it is turned."""
    return float(frame.width * (frame.opaque or 1)), frame.height
