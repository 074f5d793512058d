"""Whole methods: losses and gradients of a step, and what closed forms and training come to, against the CPU."""

from typing import Any

import torch

from avgzsl.data.clips import Dataset
from benchmarks.gpu.data import fitted
from benchmarks.gpu.part import Row, Where, apart, must, near

NEEDS = ("pydantic",)
SECONDS = 60
LIMIT = 1e-5
STEPS: dict[str, dict[str, Any]] = {
    "avgzslnet": {"attention": "none"},
    "avgzslnet, attention joint": {"attention": "joint"},
    "cjme, attention joint": {"attention": "joint"},
    "avgzslnet, squared distances": {"attention": "none", "distance": "mse"},
}


def step_gaps(data: Dataset, label: str, device: str) -> tuple[float, float]:
    """How far the terms of the loss and its gradients by the weights are from the CPU's, without dropout."""
    from avgzsl.learning.training import Job
    from avgzsl.methods import build

    found = []
    batch = None
    for at in ("cpu", device):
        method: Any = build(label.split(",")[0], settings={**STEPS[label], "batch_size": 256})
        setup = method.prepare(*data.training(), Job(device=at))
        method.networks_ = setup.networks
        batch = setup.sampler.epoch(setup.generator)[0] if batch is None else batch
        terms = method.loss(setup.data, batch.to(at), None)
        torch.stack(list(terms.values())).sum().backward()
        slopes = [weight.grad for weight in setup.networks.parameters() if weight.grad is not None]
        found.append((torch.stack(list(terms.values())), slopes))
    (here, slopes_here), (there, slopes_there) = found
    return apart(there, here), max(apart(y, x) for x, y in zip(slopes_here, slopes_there, strict=True))


def scores_of(method: Any, data: Dataset) -> torch.Tensor:
    """Of the tested clips in the fullest mode."""
    clips = data.split("test")
    scores: torch.Tensor = method.scores(clips, data.classes.text, method.modalities[-1], "equal")
    return scores


def rows(where: Where) -> list[Row]:
    """Losses and gradients, closed forms, and the accuracy of what was trained."""
    from avgzsl.learning.training import Schedule
    from avgzsl.methods import method_class, methods
    from avgzsl.testing.worlds import world

    data = world(sizes=(64, 48, 32))
    gaps = {label: step_gaps(data, label, where.device) for label in STEPS}
    closed = [
        name
        for name in methods()
        if not (issubclass(method_class(name), Schedule) or method_class(name).untrained)
    ]  # fmt: skip
    far = {}
    for name in closed:
        here, there = (scores_of(fitted(data, {}, at, name), data) for at in ("cpu", where.device))
        far[name] = apart(there, here)
    settings = {"epochs": 30, "batch_size": 64, "milestones": (20,), "lr": 0.1, "attention": "none"}
    labels = data.split("test").labels
    unseen = (~data.classes.seen).nonzero().squeeze(1)
    accuracy = []
    for at in ("cpu", where.device):
        best = scores_of(fitted(data, settings, at), data)[:, unseen].argmax(1)
        accuracy.append(float((unseen[best] == labels).double().mean()))
    values, slopes = zip(*gaps.values(), strict=True)
    return [
        near(f"terms of the loss ({'; '.join(STEPS)}), farthest from the CPU's", max(values), LIMIT),
        near("gradients by the weights: farthest from the CPU's", max(slopes), 10 * LIMIT),
        near(f"closed forms ({', '.join(closed)}): farthest scores from the CPU's", max(far.values()), 1e-3),
        must("what AVGZSLNet learns recognises unseen classes as well as on the CPU (within 10 points)",
             abs(accuracy[0] - accuracy[1]) < 0.1),
    ]  # fmt: skip
