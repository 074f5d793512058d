"""The largest of many numbers, for many questions at once, without sorting them: they are made a block at a time.

The greatest of each group of rows is found first, while a block is in the cache, which costs little more than reading
it. A group is looked into only where its greatest is among the n largest greatest so far. That loses nothing: n groups
hold n numbers of at least that size. What is held is a few blocks and what was found in them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

_GROUP = 64  # rows
_CELLS = 1 << 18  # numbers of a block: they stay in a cache
_BLOCKS = 8  # that are looked into at a time
_FEW = 1 << 15  # rows: of so few, all numbers are held and sorted as far as needed
_KEPT = 1 << 22  # numbers that are held before those that are too small go
_LEAST = float(np.finfo(np.float32).min)  # what is less is -inf: no number at all

Largest = tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]
"""At which rows the largest are, and these, best first."""
Write = Callable[[int, int, Float[Tensor, "n q"]], object]
"""(start, end, room): puts a number for each row from `start` up to `end`, and each question, into the room."""


class _Found(NamedTuple):
    """Numbers of some questions, and at which rows."""

    questions: Int64[Tensor, " k"]
    rows: Int64[Tensor, " k"]
    values: Float32[Tensor, " k"]


_NOTHING = _Found(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0))


def block_rows(questions: int) -> int:
    """How many rows a block has for so many questions."""
    return max(_CELLS // max(questions, 1), 32 * _GROUP) // _GROUP * _GROUP


def largest(
    write: Write, rows: int, n: Sequence[int], least: Sequence[float], dtype: torch.dtype = torch.float32
) -> list[Largest]:
    """For each question, which of the rows have its n largest numbers of at least `least`, and these, best first.

    `write` makes the numbers, of blocks that follow each other; -inf stands where there is none. Raises ValueError for
    NaN and for +inf.
    """
    most, above, step = max(*n, 1), torch.tensor(torch.inf), block_rows(len(n))
    floor = _rounded_down(least).clamp(min=_LEAST)
    if rows <= _FEW:
        return _of_few(write, rows, n, floor, dtype)
    greatest = torch.full((0, len(n)), -torch.inf)
    room = torch.empty(min(_BLOCKS * step, -(-rows // _GROUP) * _GROUP), len(n), dtype=dtype)
    kept, held = [_NOTHING], 0
    for first in range(0, rows, max(len(room), 1)):
        maxima = _filled(write, first, min(first + len(room), rows), room, step)
        _require_numbers(maxima, first)
        some = (maxima >= floor).any(1)
        if not bool(some.any()):
            continue
        greatest = torch.cat([greatest, maxima[some]])
        full = len(greatest) >= most
        if full:
            greatest = greatest.topk(most, 0).values
            floor = torch.maximum(floor, greatest[-1])
        kept.append(_looked_into(room, step, maxima >= floor, floor, first))
        held += len(kept[-1].values)
        if full:  # as many as are asked for are held: of equal ones any will do
            floor = torch.maximum(floor, torch.nextafter(greatest[-1], above))
        if held > _KEPT:
            kept = [_cut(kept, n)]
            held = len(kept[0].values)
    return _by_question(_cut(kept, n), len(n))


def best(
    positions: Int64[np.ndarray, " n"], values: Float[np.ndarray, " n"], n: int, least: float = -np.inf
) -> tuple[Int64[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The n largest of these values, of at least `least`, best first; of equal ones the lower position comes first."""
    order = np.lexsort((positions, -values))[:n]
    order = order[values[order] >= least]
    return positions[order], values[order]


def _of_few(
    write: Write, rows: int, n: Sequence[int], floor: Float32[Tensor, " q"], dtype: torch.dtype
) -> list[Largest]:
    """`largest` by sorting."""
    room, step = torch.empty(rows, len(n), dtype=dtype), block_rows(len(n))
    for start in range(0, rows, step):
        end = min(start + step, rows)
        write(start, end, room[start:end])
    _require_numbers(room, 0)
    best = room.T.float().contiguous().topk(min(max(n), rows), 1)
    counts = torch.minimum((best.values >= floor[:, None]).sum(1), torch.tensor(n)).tolist()
    pairs = zip(best.indices.numpy(), best.values.numpy(), counts, strict=True)
    return [(indices[:count], values[:count]) for indices, values, count in pairs]


def _require_numbers(some: Float[Tensor, "r q"], first: int) -> None:
    if not bool((some < torch.inf).all()):
        raise ValueError(f"the rows from {first} on have numbers that are NaN or +inf")


def _filled(write: Write, first: int, last: int, room: Float[Tensor, "r q"], step: int) -> Float32[Tensor, "g q"]:
    """Make the numbers of the rows from `first` up to `last`; gives the greatest of each group.

    Group i of a block has every row i + k g, g being its groups, so that all are found in one sweep.
    """
    maxima: list[Tensor] = []
    for start in range(first, last, step):
        end = min(start + step, last)
        groups = -(-(end - start) // _GROUP)
        block = room[start - first :][: groups * _GROUP]
        write(start, end, block[: end - start])
        block[end - start :] = -torch.inf
        maxima.append(block.view(_GROUP, -1).amax(0).view(groups, -1))
    return torch.cat(maxima).float()


def _looked_into(
    room: Float[Tensor, "r q"], step: int, hot: Bool[Tensor, "g q"], floor: Float32[Tensor, " q"], first: int
) -> _Found:
    """The numbers of hot groups that are at least the `floor`."""
    group, question = hot.nonzero(as_tuple=True)
    groups = step // _GROUP  # of each block but the last
    block = group // groups
    stride = (len(hot) - block * groups).clamp(max=groups)
    start = block * step + group % groups
    rows = start + torch.arange(_GROUP)[:, None] * stride
    values = room.view(-1).take(rows * room.shape[1] + question).float()
    member, pair = (values >= floor[question]).nonzero(as_tuple=True)
    return _Found(question[pair], first + rows[member, pair], values[member, pair])


def _rounded_down(numbers: Sequence[float]) -> Float32[Tensor, " q"]:
    exact = torch.tensor(numbers, dtype=torch.float64)
    rounded = exact.float()
    return torch.where(rounded.double() > exact, torch.nextafter(rounded, torch.tensor(-torch.inf)), rounded)


def _cut(kept: list[_Found], n: Sequence[int]) -> _Found:
    """The n largest of each question, best first, question by question."""
    every = _Found(*(torch.cat(parts) for parts in zip(*kept, strict=True)))
    order = torch.from_numpy(np.lexsort((every.rows, -every.values, every.questions)))
    every = _Found(*(part[order] for part in every))
    counts = torch.bincount(every.questions, minlength=len(n))
    place = torch.arange(len(order)) - (counts.cumsum(0) - counts)[every.questions]
    within = place < torch.tensor(n)[every.questions]
    return _Found(*(part[within] for part in every))


def _by_question(found: _Found, questions: int) -> list[Largest]:
    counts = torch.bincount(found.questions, minlength=questions).tolist()
    parts = zip(found.rows.split(counts), found.values.split(counts), strict=True)
    return [(rows.numpy(), values.numpy()) for rows, values in parts]
