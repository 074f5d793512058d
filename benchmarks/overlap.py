"""Extraction on a device that sleeps: does it run as fast as the slower of decoding and embedding?

    python -m benchmarks.overlap --clips DIR [--count 400] [--document docs/benchmarks.md]

Clips are decoded, and made into what CLIP and CLAP are fed, in as many processes as there are cores. In the place of
the networks stands a sleep for each batch, as long as decoding takes, so that neither waits for the other if they
overlap, and half the rate is left if they do not. The rate of decoding alone is measured in the same run.
"""

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avgzsl.features.embedding import Task, requests
from avgzsl.features.engines import BackboneSetup, local
from avgzsl.media.log_mel import LogMel
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.media.prepared import MelWindows, Pictures, Prepare
from avgzsl.media.workers import Decoders
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality
from benchmarks.tables import put

BATCH, ROUNDS = 16, 3
RATE, WINDOW, HOP, WIDTH, BANDS = 48_000, 480_000, 480, 1024, 64  # of CLAP's extractor


@dataclass(eq=False)
class Asleep:
    """A backbone in whose place the caller sleeps `seconds` a clip; the processor is free meanwhile."""

    modality: Modality
    needs: FrameNeeds | SoundNeeds
    prepare: Prepare
    seconds: float = 0.0
    spec: str = "asleep"
    dimension: int = 8
    weights: tuple[WeightFile, ...] = ()

    def embed(self, clips: Sequence[np.ndarray]) -> Tensor:
        """Rows of zeros."""
        return self.embed_prepared(clips)

    def embed_prepared(self, clips: Sequence[np.ndarray]) -> Tensor:
        """Rows of zeros."""
        time.sleep(self.seconds * len(clips))
        return torch.zeros(len(clips), self.dimension)


def backbones() -> dict[Modality, Asleep]:
    """What CLAP and CLIP ask of the decoder, filters aside: as many operations."""
    mel = LogMel(np.hanning(WIDTH + 1)[:-1], np.random.default_rng(0).random((WIDTH // 2 + 1, BANDS)), HOP)
    sound = MelWindows(mel, WINDOW, frames=1 + WINDOW // HOP, fill="repeat")
    pictures = FrameNeeds(224, count=8, short_side=224, interpolation="bicubic")
    return {
        "audio": Asleep("audio", SoundNeeds(RATE), sound),
        "video": Asleep("video", pictures, Pictures()),
    }


def batches(files: Sequence[Path], count: int) -> list[list[Task]]:
    """The files over and over."""
    tasks = [Task(file, Span()) for file in itertools.islice(itertools.cycle(files), count)]
    return [tasks[start : start + BATCH] for start in range(0, count, BATCH)]


def rate(count: int, work: Callable[[], Iterator[object]]) -> float:
    """Clips a second."""
    begun = time.perf_counter()
    for _ in work():
        pass
    return count / (time.perf_counter() - begun)


def rows(files: Sequence[Path], count: int) -> list[str]:
    """Markdown."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    made, work = backbones(), batches(files, count)
    tasks = [task for batch in work for task in batch]
    setup = BackboneSetup(dict.fromkeys(made, "asleep"), device="cuda")  # nothing of it is asked for
    alone, together = [], []
    with Decoders(cores) as decoders:
        rate(BATCH, lambda: decoders.map(requests(tasks[:BATCH], made)))
        for _ in range(ROUNDS):
            alone.append(rate(count, lambda: decoders.map(requests(tasks, made))))
            for backbone in made.values():
                backbone.seconds = 0.5 / alone[-1]  # both together as long as decoding
            together.append(rate(count, lambda: local.run(work, setup, made)))
    decoding, whole = statistics.median(alone), statistics.median(together)
    ratio = statistics.median(one / other for one, other in zip(together, alone, strict=True))
    return [
        "| extraction on a device that sleeps as long as decoding takes | measured | wanted |",
        "|---|---:|---:|",
        f"| decoding for CLIP and CLAP alone, {cores} processes: clips/s | {decoding:.1f} |  |",
        f"| the whole, {count} clips: clips/s | {whole:.1f} |  |",
        f"| the whole over decoding alone (0.5 if nothing overlaps) | {ratio:.2f} | ≥ 0.8 |",
    ]


def main() -> None:
    """Print the table, or put it into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="a folder of folders of clips")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    table = "\n".join(rows(sorted(options.clips.glob("*/*.mp4")), options.count))
    print(table)
    if options.document:
        put(options.document, "overlap", table)


if __name__ == "__main__":
    main()
