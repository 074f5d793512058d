"""The channels of a sound as one: their mean, or, where they cancel in it, their mean in one polarity."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Shaped

from avgzsl.errors import MediaError

PIECE = 0.5
"""Seconds for which it is decided whether the channels cancel."""

_LEFT_OVER = 0.01  # of the power: less is left in the mean of two channels whose correlation is below -0.98
_MARGIN = 1.001  # for rounding, where a bound of the power is looked at
_LARGEST = 1e30


class Part(NamedTuple):
    """The channels of a frame, as they are coded; the first sample is number `place` of the span, from 0."""

    place: int
    channels: Shaped[np.ndarray, "c n"]

    @property
    def end(self) -> int:
        return self.place + int(self.channels.shape[1])


def mix(out: Float32[np.ndarray, " n"], parts: Sequence[Part], since: int, piece: int) -> None:
    """Write the samples of `parts` that lie within `out`, full scale 1: the mean of their channels.

    Where less than a hundredth of the power is left in the mean of `piece` samples, they are the mean of the channels
    turned to one polarity, frame by frame. The first of `out` is sample number `since` of the span. Raises MediaError,
    without the path, for values that are no numbers.
    """
    loudness = np.zeros(len(out))  # the mean square of the channels: what is turned has no more power
    several = False
    for place, channels in _joined(parts):
        values, scale = _numbers(channels), _full_scale(channels.dtype)
        put(out, place - since, (values.mean(axis=0) / scale).astype(np.float32))
        if len(values) > 1:
            several = True
            put(loudness, place - since, np.einsum("cn,cn->n", values, values) / (len(values) * scale**2))
    for start in range(0, len(out) if several else 0, piece):
        mean = out[start : start + piece]
        if _power(mean) < _MARGIN * _LEFT_OVER * loudness[start : start + piece].sum():
            turned = _turned(parts, since + start, len(mean))
            if _power(mean) < _LEFT_OVER * _power(turned):
                mean[:] = turned


def _joined(parts: Sequence[Part]) -> Iterator[Part]:
    """Those that follow one another without a gap, in one format, as one."""
    ends = [0, *(part.end for part in parts)]
    gaps = np.cumsum([part.place != end for part, end in zip(parts, ends, strict=False)])
    numbered = zip(gaps.tolist(), parts, strict=True)
    for _, run in groupby(numbered, lambda item: (item[0], len(item[1].channels), item[1].channels.dtype)):
        together = [part for _, part in run]
        yield Part(together[0].place, np.concatenate([part.channels for part in together], axis=1))


def _numbers(channels: Shaped[np.ndarray, "c n"]) -> Float[np.ndarray, "c n"]:
    """In float64; of one channel in float32, which is all that is kept."""
    values = channels.astype(np.float64 if len(channels) > 1 else np.float32)
    if channels.dtype.kind == "f" and values.size and not (values.max() < _LARGEST and values.min() > -_LARGEST):
        raise MediaError("its sound holds values that are no numbers")
    return values - 128 if channels.dtype == np.uint8 else values


def _full_scale(kind: np.dtype) -> float:
    if kind.kind == "f":
        return 1.0
    return 128.0 if kind == np.uint8 else -float(np.iinfo(kind).min)


def _turned(parts: Sequence[Part], start: int, length: int) -> Float32[np.ndarray, " m"]:
    """The mean of the channels turned to one polarity, of `length` samples from number `start` on."""
    out = np.zeros(length, np.float32)
    for part in parts:
        if part.place < start + length and part.end > start:
            put(out, part.place - start, _in_one_polarity(part.channels))
    return out


def _in_one_polarity(channels: Shaped[np.ndarray, "c n"]) -> Float32[np.ndarray, " n"]:
    """The polarity is that of the first channel with at least half the power of the loudest."""
    values = _numbers(channels)
    power = (values**2).sum(axis=1)
    leading = values[np.argmax(power >= power.max() / 2)]
    signs = np.where(values @ leading < 0, -1.0, 1.0)
    mean: np.ndarray = signs @ values / len(values) / _full_scale(channels.dtype)
    return mean.astype(np.float32)


def as_float(channels: Shaped[np.ndarray, "c n"]) -> Float32[np.ndarray, "c n"]:
    """Samples as they are coded, full scale 1. Raises MediaError, without the path, for values that are no numbers."""
    values: np.ndarray = (_numbers(channels) / _full_scale(channels.dtype)).astype(np.float32)
    return values


def put(out: np.ndarray, place: int, values: np.ndarray) -> None:
    """Write `values` to `out` from `place` on, as far as they lie within it."""
    inside = values[max(0, -place) : max(0, len(out) - place)]
    out[max(0, place) : max(0, place) + len(inside)] = inside


def _power(values: Float32[np.ndarray, " n"]) -> float:
    return float(np.square(values, dtype=np.float64).sum())
