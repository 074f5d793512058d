"""How wide a picture is shown: pixels need not be square (the sample aspect ratio)."""

from fractions import Fraction
from typing import Any

from avgzsl.media.container import STILLS

_MOST = 8
"""Times that a pixel may be wider than high, or higher than wide; beyond, nobody can have meant it."""

_PICTURES = (*STILLS, "gif", "apng")  # in which a ratio tells of paper: whoever shows them, shows square pixels


class PixelShape:
    """The width of a stream's pixels in their heights, as its container says, else as its frames do.

    To be made before the first frame is decoded.
    """

    def __init__(self, stream: Any) -> None:
        self.codec, said = stream.codec_context, stream.sample_aspect_ratio
        # PyAV tells the container's, or that of the first frame where it has none
        self.contained = None if said == self.codec.sample_aspect_ratio else said
        self.ignored = stream.container.format.name in _PICTURES

    def now(self) -> Fraction:
        """Of the frame that was decoded last."""
        ratio = None if self.ignored else self.contained or self.codec.sample_aspect_ratio
        # each a number of its own: PyAV forgets what a frame holds when another that holds the same is gone
        return Fraction(ratio) if ratio and 1 / _MOST <= ratio <= _MOST else Fraction(1)

    def mark(self, frame: Any) -> None:
        """Note the shape with a frame, of which PyAV does not tell it."""
        ratio = self.now()
        if ratio != 1:
            frame.opaque = ratio


def shown_size(frame: Any) -> tuple[float, int]:
    """Width and height of a frame in square pixels, before it is turned."""
    return float(frame.width * (frame.opaque or 1)), frame.height
