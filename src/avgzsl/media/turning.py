"""Pictures the way their display matrix says."""

from typing import Any

import numpy as np
from jaxtyping import UInt8


def upright(picture: UInt8[np.ndarray, "h w 3"], frame: Any) -> UInt8[np.ndarray, "_h _w 3"]:
    """`picture`, made from `frame`, turned and mirrored by the frame's display matrix, to the nearest quarter turn.

    The matrix takes x (to the right) and y (downwards) to a x + c y and b x + d y (ISO/IEC 14496-12, 6.2.2).
    """
    from av.sidedata.sidedata import Type

    data = _side_data(frame).get(Type.DISPLAYMATRIX)
    if data is None:
        return picture
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        picture, a, d = picture.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _side_data(frame: Any) -> Any:
    """What comes with a frame, but for kinds that PyAV does not know (EXIF, …) and would stumble over."""
    try:
        return frame.side_data
    except ValueError as problem:
        unknown = str(problem).split()[0]
    return _side_data(_without(frame, unknown))


def _without(frame: Any, kind: str) -> Any:
    import av

    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    removal, sink = graph.add("sidedata", f"mode=delete:type={kind}"), graph.add("buffersink")
    source.link_to(removal)
    removal.link_to(sink)
    graph.configure()
    graph.push(frame)
    return graph.pull()
