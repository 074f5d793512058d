"""A long clip in pieces that a network can hold: with enough context on both sides, a cut changes nothing."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from avgzsl.backbones._base import Steps


def pieces(length: int, step: int, core: int, margin: int) -> Iterator[tuple[slice, slice]]:
    """(piece of the input, which of the network's steps on that piece to keep), from the first piece to the last.

    A network gives a step every `step` frames of the input, the last of which sees `step` frames beyond its own (a
    final window of two), and no step sees further than `margin` frames around that. Then the kept steps, joined, are
    those of the whole input. `core` frames' worth of steps is kept of every piece; `core` and `margin` are multiples of
    `step`. Each piece has the length of the whole modulo `step`, because TensorFlow's SAME padding looks at it.
    """
    for start in range(0, length, core):
        first = max(0, start - margin)
        skip = (start - first) // step
        end = start + core + step + margin
        if end >= length:
            yield slice(first, length), slice(skip, None)
            return
        yield slice(first, end + length % step), slice(skip, skip + core // step)


def averages(
    clips: Sequence[np.ndarray], steps: Callable[[np.ndarray], Tensor], dimension: int
) -> Float[Tensor, "n d"]:
    """The mean over a clip's steps (d x s), a row a clip; clip by clip, so that no row hangs on another."""
    rows = torch.empty(len(clips), dimension)
    for position, clip in enumerate(clips):
        rows[position] = steps(clip).mean(1)
    return rows


def step_by_step(
    clips: Sequence[np.ndarray], steps: Callable[[np.ndarray], Tensor], step: int, width: int, lengths: Sequence[int]
) -> list[Steps]:
    """As `averages`, with the steps: of the input, each begins `step` after the one before and sees `width` of it."""
    out = []
    for clip, length in zip(clips, lengths, strict=True):
        made = steps(clip)
        out.append(Steps(made.mean(1).cpu(), made.T.contiguous().cpu(), spans(made.shape[1], step, width, length)))
    return out


def spans(count: int, step: int, width: int, length: int) -> Int[np.ndarray, "t 2"]:
    """Where steps begin and end that are `step` apart and `width` wide, within what there is of a clip."""
    first = np.arange(count) * step
    return np.stack([np.minimum(first, length - 1), np.minimum(first + width, length)], axis=1)
