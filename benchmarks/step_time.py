"""Seconds of a training step, by whole epochs of a fit as `avgzsl train` runs them; also of another version.

    PYTHONPATH=SRC python benchmarks/step_time.py --data DATA --preset realset --epochs 50

Prints the seconds of a step in each epoch but the first, as JSON. It knows of the package only what old versions have,
too, so that the interpreter of another checkout can run it.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avgzsl.generators.audioset_zsl import counts
from avgzsl.methods import build

try:
    from avgzsl.data.clips import ClassTable, ClipSet
    from avgzsl.data.layouts import open_dataset
    from avgzsl.learning.training import Job
except ModuleNotFoundError:  # of f675112, before there were rooms
    from avgzsl.datasets import open_dataset  # type: ignore[import-not-found, no-redef]
    from avgzsl.training import Job  # type: ignore[import-not-found, no-redef]

    from avgzsl.data import ClassTable, ClipSet  # type: ignore[attr-defined, no-redef]

UNSEEN = ("pig", "panther", "stream", "bus", "aircraft", "clock", "fan", "printer", "church-bell", "gunshot")


def audioset_size(scale: float = 1.0, device: str = "cpu") -> tuple[ClipSet, ClassTable]:
    """Training clips and seen classes with the counts and dimensions of AudioSetZSL: random numbers about class means.

    Numbers are drawn on the device and lie in memory.
    """
    generator = torch.Generator(device).manual_seed(0)
    sizes = [max(2, round(count * scale)) for name, (count, _, _) in counts().items() if name not in UNSEEN]
    names = tuple(name for name in counts() if name not in UNSEEN)
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))

    def features() -> torch.Tensor:
        means = torch.randn(len(sizes), 1024, generator=generator, device=device)
        noise = torch.randn(len(labels), 1024, generator=generator, device=device)
        return noise.add_(means[labels.to(device)]).cpu()

    audio, video, ids = features(), features(), np.arange(len(labels)).astype(str)
    text = torch.randn(len(sizes), 300, generator=generator, device=device).cpu()
    return ClipSet(audio, video, labels, ids), ClassTable(names, text, torch.ones(len(sizes), dtype=torch.bool))


def step_seconds(
    train: ClipSet,
    classes: ClassTable,
    settings: Mapping[str, Any],
    preset: str | None = None,
    device: str = "cpu",
    between: Callable[[], None] = lambda: None,
) -> list[float]:
    """Seconds of a step in each epoch but the first, which warms up; `between` comes after each, and does not count."""
    spans: list[tuple[float, float]] = []

    def after_epoch(*step: object) -> None:
        ended = time.perf_counter()
        between()
        spans.append((ended, time.perf_counter()))

    method = build("avgzslnet", preset, {"attention": "none", **settings})
    method.fit(train, classes, Job(device=device, progress=after_epoch))
    steps = -(-len(train) // method.batch_size)
    return [(ended - begun) / steps for (_, begun), (ended, _) in itertools.pairwise(spans)]


def main() -> None:
    """Print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a data set; without, random numbers in the size of AudioSetZSL")
    parser.add_argument("--scale", type=float, default=1.0, help="of those random numbers")
    parser.add_argument("--preset")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    train, classes = audioset_size(given.scale) if given.data is None else open_dataset(given.data).training()
    settings = {"precision": given.precision, "epochs": given.epochs}
    print(json.dumps(step_seconds(train, classes, settings, given.preset)))


if __name__ == "__main__":
    main()
