"""Five seeds of AVGZSLNet as one batch of matrix products against five seeds in turn: does it pay?

    python -m benchmarks.seeds --document docs/benchmarks.md

Whole steps (loss, gradient, Adam) of the method's own networks and loss terms on random features; the batch maps them
over seeds by torch.func.vmap. Dropout is off in both: its masks cost the same either way.
"""

import argparse
import copy
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.learning.train_set import TrainSet, load_train_set
from avgzsl.methods import check_settings
from avgzsl.methods.avgzslnet import AVGZSLNet
from benchmarks.spine import seconds
from benchmarks.tables import put

SEEDS, CLIPS, CLASSES, ROUNDS, STEPS = 5, 1000, 16, 5, 4
SMALL: dict[str, Any] = {"hidden": 64, "embedding": 32, "decoder_hidden": 32}
# name -> feature size, settings
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "preset realset: batch 128": (1024, {"batch_size": 128, "embedding": 128}),
    "official networks: batch 4,096": (1024, {"batch_size": 4096}),
    "official networks: batch 32": (1024, {"batch_size": 32}),
    "small features (128) and networks: batch 32": (128, {"batch_size": 32, **SMALL}),
}


class Plain(AVGZSLNet):
    """Embeds every clip of every tuple: which clips repeat differs from seed to seed, which vmap cannot express."""

    def embed_pairs(self, data: TrainSet, pairs: Tensor, generator: Generator | None) -> dict[str, Tensor]:
        nets = self.networks_.projections()  # type: ignore[union-attr]
        return {m: net(data.feature[m][pairs].flatten(0, 1)).view(*pairs.shape, -1) for m, net in nets.items()}


class Loss(nn.Module):
    """The sum of the method's terms as a module, so that its weights can be swapped."""

    def __init__(self, method: AVGZSLNet, data: TrainSet, seed: int) -> None:
        super().__init__()
        sizes = {"audio": data.feature["audio"].shape[1], "video": data.feature["video"].shape[1], "text": 300}
        self.networks = method.build(sizes, Generator().manual_seed(seed))
        self.method, self.data = copy.copy(method), data
        self.method.networks_ = self.networks

    def forward(self, pairs: Tensor) -> Tensor:
        return torch.stack(list(self.method.loss(self.data, pairs, None).values())).sum()


def world(width: int) -> TrainSet:
    """Random features and text."""
    draw = Generator().manual_seed(0)
    labels = torch.arange(CLIPS) % CLASSES
    features = [torch.randn(CLIPS, width, generator=draw) for _ in range(2)]
    ids = [str(i) for i in range(CLIPS)]
    clips = ClipSet(*features, labels, np.array(ids))
    names = tuple(map(str, range(CLASSES)))
    classes = ClassTable(names, torch.randn(CLASSES, 300, generator=draw), torch.ones(CLASSES, dtype=torch.bool))
    return load_train_set(clips, classes, True, torch.device("cpu"))


def in_turn(losses: list[Loss], pairs: Tensor) -> Callable[[], None]:
    """One step of each seed after another."""
    optimisers = [torch.optim.Adam(loss.parameters()) for loss in losses]

    def steps() -> None:
        for loss, optimiser, mine in zip(losses, optimisers, pairs, strict=True):
            for _ in range(STEPS):
                optimiser.zero_grad()
                loss(mine).backward()
                optimiser.step()

    return steps


def as_one(losses: list[Loss], pairs: Tensor) -> Callable[[], None]:
    """One step of all seeds at once."""
    weights, buffers = stack_module_state(losses)  # type: ignore[arg-type]
    optimiser = torch.optim.Adam(weights.values())
    shell = losses[0]
    gradient = vmap(grad(lambda w, b, mine: functional_call(shell, (w, b), (mine,))))

    def steps() -> None:
        for _ in range(STEPS):
            found = gradient(weights, buffers, pairs)
            for name, weight in weights.items():
                weight.grad = found[name]
            optimiser.step()

    return steps


def check(losses: list[Loss], pairs: Tensor) -> None:
    """The batch's gradients are the seeds' own."""
    weights, buffers = stack_module_state(losses)  # type: ignore[arg-type]
    shell = losses[0]
    found = vmap(grad(lambda w, b, mine: functional_call(shell, (w, b), (mine,))))(weights, buffers, pairs)
    for seed, (loss, mine) in enumerate(zip(losses, pairs, strict=True)):
        loss.zero_grad()
        loss(mine).backward()
        for name, weight in loss.named_parameters():
            torch.testing.assert_close(found[name][seed], weight.grad, rtol=1e-3, atol=1e-5)


def main() -> None:
    """Put the table into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=Path, required=True)
    options = parser.parse_args()
    lines = ["| step | five in turn, ms | one batch, ms | ratio | kept below |", "|---|---:|---:|---:|---:|"]
    for name, (width, settings) in CASES.items():
        data, method = world(width), check_settings(Plain, {**settings, "attention": "none"})
        losses = [Loss(method, data, seed) for seed in range(SEEDS)]  # type: ignore[arg-type]
        pairs = torch.randint(CLIPS, (SEEDS, 2, settings["batch_size"]), generator=Generator().manual_seed(1))
        check(losses, pairs)
        turn, batch = in_turn(losses, pairs), as_one([Loss(method, data, seed) for seed in range(SEEDS)], pairs)  # type: ignore[arg-type]
        turn(), batch()
        times = [(seconds(turn), seconds(batch)) for _ in range(ROUNDS)]
        one, other = (1000 * statistics.median(part) / STEPS for part in zip(*times, strict=True))
        ratio = statistics.median(b / a for a, b in times)
        lines.append(f"| {name} | {one:.1f} | {other:.1f} | {ratio:.2f} | 0.80 |")
        print(lines[-1], flush=True)
    put(options.document, "seeds", "\n".join(lines))


if __name__ == "__main__":
    main()
