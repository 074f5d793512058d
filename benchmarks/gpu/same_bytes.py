"""Same seed, same device: same bytes; and steps that are replayed end in those of steps that are called."""

from typing import Any

import torch

from benchmarks.gpu.data import dataset, fitted
from benchmarks.gpu.part import Row, Where, must

NEEDS = ("pydantic",)
SECONDS = 60


def rows(where: Where) -> list[Row]:
    """Two fits of one seed, in each precision and with attention."""
    data = dataset(where, 0.1)
    usual: dict[str, Any] = {"epochs": 6, "attention_epochs": 2}

    def state(settings: dict[str, Any], **job: Any) -> dict[str, torch.Tensor]:
        kept: dict[str, torch.Tensor] = fitted(data, {**usual, **settings}, where.device, **job).state()
        return kept

    def same(x: dict[str, torch.Tensor], y: dict[str, torch.Tensor]) -> bool:
        return x.keys() == y.keys() and all(torch.equal(x[key], y[key]) for key in x)

    found = []
    for label, settings in (
        ("float32", {}),
        ("bf16", {"precision": "bf16"}),
        ("attention trained along", {"attention": "joint"}),
        ("Adam", {"optimiser": "adam", "lr": 0.003}),
    ):
        first = state(settings)
        found.append(must(f"same seed twice, same bytes: {label}", same(first, state(settings))))
        found.append(must(f"another seed, other bytes: {label}", not same(first, state(settings, seed=1))))
    plain = ({**settings, "attention": "none"} for settings in ({}, {"precision": "bf16"}))
    replayed = all(same(state(settings), state(settings, record_steps=False)) for settings in plain)
    return [*found, must("steps recorded as a CUDA graph and replayed, same bytes as called ones", replayed)]
