"""The largest of many numbers that come in blocks, for many questions at once, without sorting them.

The greatest of each group of rows is found first, which costs little more than reading them; a group is looked into
only where its greatest is among the n largest greatest so far. That loses nothing: n groups hold n numbers of at least
that size. What is held is a block and what was found in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

_GROUP = 64  # rows
_CELLS = 1 << 18  # numbers of a block: they stay in a cache
_KEPT = 1 << 22  # numbers that are held before those that are too small go
_LEAST = float(np.finfo(np.float32).min)  # what is less is -inf: no number at all

Largest = tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]


class _Found(NamedTuple):
    """Numbers of some questions, and at which rows."""

    questions: Int64[Tensor, " k"]
    rows: Int64[Tensor, " k"]
    values: Float32[Tensor, " k"]


def block_rows(questions: int) -> int:
    """How many rows a block has for so many questions."""
    return max(_CELLS // max(questions, 1), 32 * _GROUP) // _GROUP * _GROUP


def largest(
    blocks: Iterable[tuple[int, Float[Tensor, "_r q"]]], n: Sequence[int], least: Sequence[float]
) -> list[Largest]:
    """For each question, the rows of its n largest numbers that are at least `least`, and these, best first.

    A block is the number of its first row, and a number for each row and question: -inf where there is none. Raises
    ValueError for NaN and for +inf.
    """
    most, above = max(*n, 1), torch.tensor(torch.inf)
    floor = _rounded_down(least).clamp(min=_LEAST)
    greatest = torch.full((0, len(floor)), -torch.inf)
    kept, held = [_Found(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0))], 0
    for first, block, size in _even(blocks):
        maxima = _maxima(block, size)
        if not bool((maxima < torch.inf).all()):
            raise ValueError(f"the rows from {first} on have numbers that are NaN or +inf")
        some = (maxima >= floor).any(1)
        if not bool(some.any()):
            continue
        greatest = torch.cat([greatest, maxima[some]])
        full = len(greatest) >= most
        if full:
            greatest = greatest.topk(most, 0).values
            floor = torch.maximum(floor, greatest[-1])
        kept.append(_looked_into(block, maxima, floor, first))
        held += len(kept[-1].values)
        if full:  # as many as are asked for are held: of equal ones any will do
            floor = torch.maximum(floor, torch.nextafter(greatest[-1], above))
        if held > _KEPT:
            kept = [_cut(kept, n)]
            held = len(kept[0].values)
    return _by_question(_cut(kept, n), len(n))


def _rounded_down(numbers: Sequence[float]) -> Float32[Tensor, " q"]:
    exact = torch.tensor(numbers, dtype=torch.float64)
    rounded = exact.float()
    return torch.where(rounded.double() > exact, torch.nextafter(rounded, torch.tensor(-torch.inf)), rounded)


def _even(
    blocks: Iterable[tuple[int, Float[Tensor, "_r q"]]],
) -> Iterator[tuple[int, Float[Tensor, "_s q"], int]]:
    """Blocks of whole groups, and what is left of each in groups of one row: first row, numbers, rows of a group."""
    for start, block in blocks:
        whole = len(block) // _GROUP * _GROUP
        if whole:
            yield start, block[:whole], _GROUP
        if whole < len(block):
            yield start + whole, block[whole:], 1


def _maxima(block: Float[Tensor, "r q"], size: int) -> Float32[Tensor, "g q"]:
    """The greatest of each group of `size` rows: group i has every row i + k g, so that it is found in one sweep."""
    groups = len(block) // size
    return block.view(size, groups * block.shape[1]).amax(0).view(groups, -1).float()


def _looked_into(
    block: Float[Tensor, "r q"], maxima: Float32[Tensor, "g q"], floor: Float32[Tensor, " q"], first: int
) -> _Found:
    """The numbers that are at least the `floor`, of the groups whose greatest is."""
    groups, questions = maxima.shape
    group, question = (maxima >= floor).nonzero(as_tuple=True)
    grouped = block.view(-1, groups * questions)
    values = grouped.gather(1, (group * questions + question).expand(len(grouped), -1)).float()
    member, pair = (values >= floor[question]).nonzero(as_tuple=True)
    return _Found(question[pair], first + member * groups + group[pair], values[member, pair])


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
