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
_UNSPECIFIED, _SUPPORTED = 2, (0, 1, 2, 4, 5, 6, 7, 9)
# 3 is reserved, so it tells nothing; BT.2020 of constant luminance (10) is nearly that of the usual kind (9)
_READ_AS = {3: _UNSPECIFIED, 10: 9}
_UNSUPPORTED = {8: "YCgCo", 11: "YDzDx", 12: "derived from primaries", 13: "derived from primaries", 14: "ICtCp"}


def rgb(frame: Any, width: int, height: int, kernel: Any = None, scaler: Any = None) -> UInt8[np.ndarray, "h w 3"]:
    """A frame as RGB, resized to `width` x `height` pixels; colours of high range (PQ, HLG) are tone-mapped.

    `kernel` is one of `av.video.reformatter.Interpolation`; a `scaler` of that module keeps what it has set up from one
    frame to the next. Raises MediaError for colours that are coded otherwise than above.
    """
    from av.video.reformatter import VideoReformatter

    matrix = frame.colorspace
    if matrix not in _SUPPORTED and not frame.format.is_rgb and len(frame.format.components) > 2:
        if matrix not in _READ_AS:
            name = _UNSUPPORTED.get(matrix, f"matrix coefficients {matrix}")
            raise MediaError(f"its colours are coded in a way that is not read ({name}); convert it to BT.709")
        frame.colorspace = _READ_AS[matrix]
    high_range = frame.color_trc in NAMES
    scaler, form = scaler or VideoReformatter(), "rgb48le" if high_range else "rgb24"
    resized = scaler.reformat(frame, width, height, form, interpolation=kernel, threads=1)
    picture: np.ndarray = resized.to_ndarray()
    return tone_mapped(picture, frame.color_trc, frame.color_primaries) if high_range else picture
