"""The turns of a step: who moves, by which loss, one after another on the same batch.

Most methods have one turn. Adversarial ones have several, each with weights, an optimiser and a loss of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_GROUP = "optimiser"  # of a checkpoint: that of the first turn; of later ones with a number


@dataclass(frozen=True)
class Turn:
    """`loss`, terms by name that are added, is lowered over the weights of `trained`.

    The turn comes in the first step of an epoch, and in each step that is so many after one in which it came.
    """

    trained: nn.Module
    loss: Callable[[Any], Mapping[str, Tensor]]
    every: int = 1


def step_through(
    turns: Sequence[Turn],
    optimisers: Sequence[Optimizer],
    batches: Iterable[Any],
    precision: Callable[[], AbstractContextManager[Any]],
    device: torch.device,
) -> dict[str, float]:
    """One pass over the batches, every turn by its optimiser; the mean of each term over the steps of its turn."""
    sums: list[dict[str, Tensor]] = [{} for _ in turns]
    taken = [0] * len(turns)
    for step, batch in enumerate(batches):
        for number, (turn, optimiser) in enumerate(zip(turns, optimisers, strict=True)):
            if step % turn.every:
                continue
            with precision():
                terms = turn.loss(batch)
            optimiser.zero_grad(set_to_none=True)
            torch.stack(list(terms.values())).sum().backward()
            optimiser.step()
            taken[number] += 1
            for key, value in terms.items():
                sums[number][key] = sums[number].get(key, torch.zeros((), device=device)) + value.detach()
    return {key: float(value) / n for own, n in zip(sums, taken, strict=True) for key, value in own.items()}


def optimiser_tensors(optimisers: Sequence[Optimizer]) -> dict[str, dict[str, Tensor]]:
    """What a checkpoint keeps of the optimisers, a group each."""
    groups = {}
    for number, optimiser in enumerate(optimisers):
        state = optimiser.state_dict()["state"]
        slots = ((f"{i}/{key}", value) for i, part in state.items() for key, value in part.items())
        groups[_group(number)] = {key: value for key, value in slots if value is not None}
    return groups


def restore_optimisers(optimisers: Sequence[Optimizer], groups: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Go on from `optimiser_tensors`."""
    for number, optimiser in enumerate(optimisers):
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in groups[_group(number)].items():
            index, slot = key.split("/")
            slots.setdefault(int(index), {})[slot] = value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})


def _group(number: int) -> str:
    return f"{_GROUP}-{number}" if number else _GROUP
