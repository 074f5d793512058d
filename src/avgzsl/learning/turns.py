"""The turns of a step: who moves, by which loss, one after another on the same batch.

Most methods have one turn. Adversarial ones have several, each with weights, an optimiser and a loss of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from avgzsl.learning.optimisers import Optimiser

_GROUP = "optimiser"  # of a checkpoint: that of the first turn; of later ones with a number


Terms = Mapping[str, Tensor]
Gradients = Sequence[tuple[Tensor, Tensor]]  # of each weight


@dataclass(frozen=True)
class Turn:
    """`loss`, terms by name that are added, is lowered over the weights of `trained`.

    The turn comes in the first step of an epoch, and in each step that is so many after one in which it came.
    `written`, where a method has it, gives the terms with the gradient of their sum by every weight, and stands in the
    place of `loss` and of automatic differentiation.
    """

    trained: nn.Module
    loss: Callable[[Any], Terms]
    every: int = 1
    written: Callable[[Any], tuple[Terms, Gradients]] | None = None


def step_of(
    turn: Turn, optimiser: Optimiser, precision: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> Callable[[Any], Terms]:
    """What moves the weights of a turn by one batch, and gives the terms; `precision` is of the plain loss alone."""
    return partial(_written if turn.written is not None else _plain, turn, optimiser, precision)


def _plain(turn: Turn, optimiser: Optimiser, precision: Callable[[], AbstractContextManager[Any]], batch: Any) -> Terms:
    with precision():
        terms = turn.loss(batch)
    optimiser.clear()
    torch.stack(list(terms.values())).sum().backward()
    optimiser.step()
    return terms


def _written(turn: Turn, optimiser: Optimiser, _: object, batch: Any) -> Terms:
    assert turn.written is not None
    terms, gradients = turn.written(batch)
    for weight, gradient in gradients:
        weight.grad = gradient
    optimiser.step()
    return terms


def step_through(
    turns: Sequence[Turn], steps: Sequence[Callable[[Any], Terms]], batches: Iterable[Any]
) -> dict[str, float]:
    """One pass over the batches, every turn by its step (`step_of`); the mean of each term over the steps of its turn.

    Terms are added as one vector, and read once at the end: to read a number of a GPU is to wait for it.
    """
    sums: list[dict[tuple[str, ...], Tensor]] = [{} for _ in turns]
    taken = [0] * len(turns)
    for number, batch in enumerate(batches):
        for turn, step in enumerate(steps):
            if number % turns[turn].every:
                continue
            terms = step(batch)
            taken[turn] += 1
            values = torch.stack([value.detach() for value in terms.values()])
            values, names = values.to(torch.promote_types(values.dtype, torch.float32)), tuple(terms)
            sums[turn][names] = sums[turn][names] + values if names in sums[turn] else values
    means: dict[str, float] = {}
    for own, n in zip(sums, taken, strict=True):
        for names, total in own.items():
            means |= {name: value / n for name, value in zip(names, total.tolist(), strict=True)}
    return means


def optimiser_tensors(optimisers: Sequence[Optimiser]) -> dict[str, dict[str, Tensor]]:
    """What a checkpoint keeps of the optimisers, a group each."""
    return {_group(number): optimiser.state() for number, optimiser in enumerate(optimisers)}


def restore_optimisers(optimisers: Sequence[Optimiser], groups: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Go on from `optimiser_tensors`."""
    for number, optimiser in enumerate(optimisers):
        optimiser.restore(groups[_group(number)])


def _group(number: int) -> str:
    return f"{_GROUP}-{number}" if number else _GROUP
