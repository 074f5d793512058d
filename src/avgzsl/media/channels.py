"""The channels of a sound: which of them are heard, in frames of any number of planes and any order."""

import ctypes
from typing import Any

import numpy as np
from jaxtyping import Shaped

_FULL = 1  # channels, among which none is a low-frequency one beside others
_PLANES = 8  # of a frame, beyond which PyAV (18.1) reads past their end


def layout_of(stream: Any) -> Any:
    """The layout of a stream's channels, as PyAV has it.

    Its `name` is `stereo`, `7.1`, `8 channels`, or `3 channels (FL+FR+LFE)` where they are listed one by one.
    """
    layout = stream.codec_context.layout
    if _is_listed(layout):
        # PyAV (18.1) shares such a list with its owner, and each of the two frees it: this one stays for ever
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout


def unlist(stream: Any) -> None:
    """Before a stream decodes: let its frames have no list of channels, for PyAV would free each list twice."""
    layout = layout_of(stream)
    if _is_listed(layout):
        stream.codec_context.layout = f"{layout.nb_channels} channels"


def full_range(frame: Any, name: str) -> Shaped[np.ndarray, "c n"]:
    """Samples of a frame, channels x time: all channels but the low-frequency ones (LFE), or these if it has no other.

    `name` is the name of the stream's layout, as of `layout_of`.
    """
    layout = frame.layout
    count = layout.nb_channels
    planes = _planes(frame, count)
    if count <= _FULL:
        return planes
    names = [channel.name for channel in layout.channels]
    listed_names = name.partition("(")[2].rstrip(")").split("+")
    if len(listed_names) == len(names) and set(names) == {"NONE"}:
        names = listed_names
    full = [i for i, channel in enumerate(names) if not channel.startswith("LFE")] or list(range(len(names)))
    samples: np.ndarray = planes[full]
    return samples


def _planes(frame: Any, count: int) -> np.ndarray:
    import av

    if frame.format.is_planar and count < _PLANES:
        planes: np.ndarray = frame.to_ndarray()
        return planes
    if not frame.format.is_planar:
        packed: np.ndarray = frame.to_ndarray().reshape(-1, count).T
        return packed
    pieces = av.AudioResampler(format=frame.format.packed, layout=frame.layout).resample(frame)
    return np.concatenate([piece.to_ndarray().reshape(-1, count) for piece in pieces]).T


def _is_listed(layout: Any) -> bool:
    return "(" in layout.name
