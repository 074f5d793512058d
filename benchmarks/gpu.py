"""Training on a GPU, at the size of AudioSetZSL, against the matrix products of the same card.

    python -m benchmarks.gpu [--clips 80000] [--document docs/benchmarks.md]

Trains AVGZSLNet as `avgzsl train` does, in float32 and in bfloat16, and takes the median time of an epoch's steps after
two epochs of warming up; the rate of an 8192-square matrix product of the same precision is measured in the same run.
Beside it: how much memory the card gives, and the same epochs on the CPU of that machine.
"""

import argparse
import itertools
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.learning.training import Job
from avgzsl.methods import build
from benchmarks.tables import put

FLOP_A_TUPLE = 6.14e6  # what the official step computes for a tuple: forward and backward through all of its networks
SIZES = {"audio": 1024, "video": 1024, "text": 300}
CLASSES = 33
Row = tuple[str, str]


def clips(count: int) -> tuple[ClipSet, ClassTable]:
    """Seen classes and clips of the dimensions of AudioSetZSL, drawn at random."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randn(CLASSES, SIZES["text"], generator=generator)
    names = tuple(f"class {i}" for i in range(CLASSES))
    audio, video = (torch.randn(count, SIZES[m], generator=generator) for m in ("audio", "video"))
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    return ClipSet(audio, video, labels, np.arange(count)), ClassTable(names, text, torch.ones(CLASSES, dtype=bool))


def product_rate(device: str, precision: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product."""
    size = 8192 if device == "cuda" else 2048
    left, right = (torch.randn(size, size, device=device, dtype=precision) for _ in range(2))
    times = []
    for _ in range(13):
        synchronise(device)
        begun = time.perf_counter()
        left @ right
        synchronise(device)
        times.append(time.perf_counter() - begun)
    return 2 * size**3 / statistics.median(times[3:])


def synchronise(device: str) -> None:
    """Wait for what the device was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def tuples_a_second(train: ClipSet, classes: ClassTable, device: str, precision: str, epochs: int) -> float:
    """By the median epoch of a training, steps and all that stands around them."""
    ends: list[float] = []
    settings = {"epochs": epochs, "precision": precision, "attention": "none"}
    job = Job(device=device, progress=lambda *step: ends.append(time.perf_counter()))
    method = build("avgzslnet", settings=settings)
    method.fit(train, classes, job)
    spans = [after - before for before, after in itertools.pairwise(ends[2:])]
    steps = -(-len(train) // 4096)
    return steps * 4096 / statistics.median(spans)


def rows(count: int) -> list[Row]:
    """What is measured, and how much of it."""
    train, classes = clips(count)
    result: list[Row] = [("card", torch.cuda.get_device_name()), ("clips", f"{count:,}")]
    for precision, kind in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        torch.cuda.reset_peak_memory_stats()
        rate, peak = tuples_a_second(train, classes, "cuda", precision, 12), product_rate("cuda", kind)
        result += [
            (f"{precision}: tuples/s at batch 4096", f"{rate:,.0f}"),
            (f"{precision}: matrix product, TFLOP/s", f"{peak / 1e12:.0f}"),
            (f"{precision}: training x 6.14 MFLOP over the product's rate", f"{rate * FLOP_A_TUPLE / peak:.2f}"),
            (f"{precision}: memory on the card, MB", f"{torch.cuda.max_memory_allocated() / 1e6:,.0f}"),
        ]
    rate = tuples_a_second(train, classes, "cpu", "float32", 4)
    return [*result, (f"CPU ({torch.get_num_threads()} threads), float32: tuples/s at batch 4096", f"{rate:,.0f}")]


def main() -> None:
    """Measure and print; into a document, where one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=80_000)
    parser.add_argument("--document", type=Path)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(1, "there is no CUDA device here\n")
    lines = [
        "| on a GPU | measured |",
        "|---|---:|",
        *(f"| {name} | {value} |" for name, value in rows(arguments.clips)),
    ]
    text = "\n".join([*lines, "", f"torch {torch.__version__}, Python {platform.python_version()}."])
    print(text)
    if arguments.document:
        put(arguments.document, "gpu", text)


if __name__ == "__main__":
    main()
