"""Training steps of AVCA, TCaF and ClipClap, at the published batch and sizes, over their own matrix products.

    python -m benchmarks.steps --document docs/benchmarks.md

Clips are random numbers of those sizes; those of TCaF last as long as the clips of UCF-101 do. The matrix products of
one step, forward and backward, are collected with their shapes and strides as it runs; then, in turn and on one
machine, whole steps are timed, those products alone, and the sampling and loading of a batch. Times are medians of
rounds, ratios medians of the ratios of a round.
"""

import argparse
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from avgzsl.data.clips import ClassTable, ClipSet, Sequences
from avgzsl.learning.training import Job
from avgzsl.methods import build
from avgzsl.methods._joint import JointMethod
from avgzsl.methods._networks import Setup
from avgzsl.types import MODALITIES, Modality
from benchmarks.spine import Row, seconds
from benchmarks.tables import put

ROUNDS, STEPS = 5, 2
CLASSES = 42  # of UCF, seen in the second stage
PUBLISHED: dict[str, tuple[str | None, tuple[int, int, int], bool]] = {  # preset; audio, video, text; sequences
    "avca": (None, (512, 512, 300), False),
    "tcaf": (None, (128, 4096, 300), True),
    "clipclap": (None, (1024, 512, 1536), False),
}
SECONDS: Mapping[Modality, float] = {"audio": 0.96, "video": 0.64}
_ATTENTION = "_scaled_dot_product"


class Collected(TorchDispatchMode):
    """Keeps what each matrix product of a step reads; attention is counted as the products that it stands for."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[tuple[Tensor, Tensor, Tensor | None]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("mm", "bmm"):
            self.keep(args[0], args[1])
        elif name == "addmm":
            self.keep(args[1], args[2], args[0])
        elif name.startswith(_ATTENTION):
            self.attention(name, args)
        return func(*args, **(kwargs or {}))

    def keep(self, x: Tensor, y: Tensor, bias: Tensor | None = None) -> None:
        """Copies, strides kept, so that nothing that is written later changes them."""
        self.products.append((_copy(x), _copy(y), None if bias is None else _copy(bias)))

    def attention(self, name: str, args: Any) -> None:
        """Two products forward, and four backward: the weights are not counted a second time."""
        query, key, value = (x.detach().contiguous().flatten(0, 1) for x in args[name.endswith("backward") :][:3])
        weights = query @ key.transpose(1, 2)
        if name.endswith("backward"):
            self.keep(weights.transpose(1, 2), query)
            self.keep(weights, key)
        self.keep(query, key.transpose(1, 2))
        self.keep(weights, value)


def _copy(x: Tensor) -> Tensor:
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype).copy_(x.detach()) if min(x.stride()) else x.clone()


def multiply(products: list[tuple[Tensor, Tensor, Tensor | None]]) -> None:
    """All of them once."""
    for x, y, bias in products:
        if bias is not None:
            torch.addmm(bias, x, y)
        elif x.ndim == 3:
            torch.bmm(x, y)
        else:
            torch.mm(x, y)


def random_clips(sizes: tuple[int, int, int], sequences: bool, count: int = 1000) -> tuple[ClipSet, ClassTable]:
    """Clips and classes of these sizes; as sequences, as long as those of UCF-101: 7.2 seconds, 1 to 71."""
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % CLASSES
    text = torch.nn.functional.normalize(torch.randn(CLASSES, sizes[2], generator=g), dim=1)
    classes = ClassTable(tuple(map(str, range(CLASSES))), text, torch.ones(CLASSES, dtype=torch.bool))
    ids = np.array([str(i) for i in range(count)])
    if not sequences:
        audio, video = (torch.rand(count, d, generator=g) for d in sizes[:2])
        return ClipSet(audio, video, labels, ids), classes
    lasts = torch.empty(count).log_normal_(1.83, 0.55, generator=g).clamp(1, 71)
    steps: dict[Modality, Sequences] = {}
    for modality, d in zip(MODALITIES, sizes, strict=False):
        length = (lasts / SECONDS[modality]).long().clamp(min=1)
        rows = torch.rand(int(length.sum()), d, generator=g)
        steps[modality] = Sequences(rows, length.cumsum(0) - length, length, torch.zeros(len(rows)))
    means = {modality: own.steps[own.first] for modality, own in steps.items()}
    return ClipSet(means["audio"], means["video"], labels, ids, sequences=steps), classes


class Trained(NamedTuple):
    """What a step needs, and how a batch is loaded."""

    step: Callable[[Tensor], object]
    load: Callable[[Tensor], object]
    setup: Setup[Any]


def trained(name: str) -> Trained:
    """A method at the published settings, with fresh weights."""
    preset, sizes, sequences = PUBLISHED[name]
    method = build(name, preset)
    assert isinstance(method, JointMethod)
    train, classes = random_clips(sizes, sequences)
    setup = method.set_up(train, classes, Job()) if name == "clipclap" else method.prepare(train, classes, Job())
    method.networks_ = setup.networks
    optimiser = torch.optim.Adam(setup.networks.parameters(), method.lr, weight_decay=1e-5, fused=True)

    def step(batch: Tensor) -> None:
        terms = method.loss(setup.data, batch, setup.generator)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()

    def load(batch: Tensor) -> None:
        if sequences:
            method.read(setup.data.steps, batch, setup.generator, torch.device("cpu"))
            return
        for modality in MODALITIES:
            setup.data.fetch(modality, batch.reshape(-1))

    return Trained(step, load, setup)


def rows_of(name: str) -> list[Row]:
    """Measure one method."""
    step, load, setup = trained(name)
    batches: list[Tensor] = []
    sampling = seconds(lambda: batches.extend(setup.sampler.epoch(setup.generator))) / setup.sampler.steps
    for batch in batches[:2]:
        step(batch)
    ratios, shares, took = [], [], []
    for number in range(ROUNDS):
        steps = products = loading = 0.0
        for batch in batches[2 + STEPS * number :][:STEPS]:
            with Collected() as own:
                step(batch)
            before = seconds(lambda own=own: multiply(own.products))
            steps += seconds(lambda batch=batch: step(batch))
            products += (before + seconds(lambda own=own: multiply(own.products))) / 2
            loading += seconds(lambda batch=batch: load(batch))
        ratios.append(steps / products)
        shares.append((loading / STEPS + sampling) / (steps / STEPS))
        took.append(steps / STEPS)
    ms = 1000 * statistics.median(took)
    return [
        (f"{name}: a step ({ms:.0f} ms) over its matrix products", f"{statistics.median(ratios):.2f} ×", "≤ 2.5 ×"),
        (f"{name}: share of sampling and loading", f"{100 * statistics.median(shares):.1f} %", "≤ 10 %"),
    ]


def main() -> None:
    """Put the table into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", help=f"of {', '.join(PUBLISHED)}; all, if none is given")
    parser.add_argument("--document", type=Path, help="put the table between its marks there")
    options = parser.parse_args()
    rows = [row for name in options.methods or PUBLISHED for row in rows_of(name)]
    head = f"{torch.get_num_threads()} threads, torch {torch.__version__}; medians of {ROUNDS} rounds of {STEPS} steps."
    table = [
        head,
        "",
        "| what | measured | wanted |",
        "|---|---:|---:|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    print("\n".join(table))
    if options.document is not None:
        put(options.document, "steps", "\n".join(table))


if __name__ == "__main__":
    main()
