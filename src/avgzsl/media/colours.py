"""From a decoded frame to RGB.

A frame whose file says how its colours are coded (BT.601, BT.709, BT.2020, …; limited or full range) is read so. One
that does not is read as BT.601 of limited range, whatever its size: so does FFmpeg, and with it the tools with which
the data of most backbones were made (`ffmpeg` itself, OpenCV, decord, PyAV and torchvision).
"""

from typing import Any

import numpy as np
from jaxtyping import UInt8

from avgzsl.errors import MediaError
from avgzsl.media.tones import NAMES, tone_mapped

# of ITU-T H.273
_UNSAID, _READ = 2, (0, 1, 2, 4, 5, 6, 7, 9)
_AS = {3: _UNSAID, 10: 9}  # reserved: nothing is said; BT.2020 of constant luminance is all but the other
_UNREAD = {8: "YCgCo", 11: "YDzDx", 12: "derived from primaries", 13: "derived from primaries", 14: "ICtCp"}


def rgb(frame: Any, width: int, height: int, kernel: Any = None) -> UInt8[np.ndarray, "h w 3"]:
    """A frame resized; PQ and HLG are tone-mapped.

    `kernel` is one of `av.video.reformatter.Interpolation`. Raises MediaError for other colours.
    """
    matrix = frame.colorspace
    if matrix not in _READ and not frame.format.is_rgb and len(frame.format.components) > 2:
        if matrix not in _AS:
            name = _UNREAD.get(matrix, f"matrix coefficients {matrix}")
            raise MediaError(f"its colours are coded in a way that is not read ({name}); convert it to BT.709")
        frame.colorspace = _AS[matrix]
    high = frame.color_trc in NAMES
    made = frame.reformat(width, height, "rgb48le" if high else "rgb24", interpolation=kernel, threads=1)
    picture: np.ndarray = made.to_ndarray()
    return tone_mapped(picture, frame.color_trc, frame.color_primaries) if high else picture
