"""Speed and memory of the spine at the full size of AudioSetZSL.

    python -m benchmarks.spine --document docs/benchmarks.md [--real DATA]

Generates AudioSetZSL at scale 1 and measures, as ratios within one run, against limits measured in turn with what they
limit: evaluation against bare distances and sorts, memory against the size of the features. Times are medians. Training
has a command of its own, `benchmarks.training`.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Generator

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import class_splits, open_dataset
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.generators import generate
from avgzsl.learning.training import Job
from avgzsl.methods import build, dimensions
from avgzsl.methods.avgzslnet import AVGZSLNet, Networks
from avgzsl.scores.metrics import spread
from benchmarks.tables import put

ROUNDS = 7
THREE = [Mode("audio", "equal"), Mode("video", "equal"), Mode("both", "equal")]
Row = tuple[str, str, str]


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def evaluation_rows(data: Dataset) -> list[Row]:
    """Calibration on val, classification and retrieval on test in three modes, against bare distances and sorts."""
    method = build("avgzslnet", settings={"attention": "none"})
    assert isinstance(method, AVGZSLNet)
    train_clips, classes = data.training()
    method.networks_ = Networks(dimensions(train_clips, classes), method, Generator().manual_seed(0))
    val, test, table = data.split("val"), data.split("test"), data.classes
    embedded = {id(clips): method.embed_clips(clips) for clips in (val, test)}
    text = method.embed_text(table.text)
    embedding = seconds(lambda: method.embed_clips(test))
    method.embed_clips = lambda clips: embedded[id(clips)]  # type: ignore[method-assign]

    def whole() -> None:
        gallery_of(method, test, table).measure(THREE, choose_numbers([gallery_of(method, val, table)], THREE))

    def bare() -> None:
        for clips in (val, test):
            z = embedded[id(clips)]
            audio, video = (
                -torch.cdist(x, text, compute_mode="donot_use_mm_for_euclid_dist") for x in (z.audio, z.video)
            )
            for scores in (audio, video, (audio + video) / 2):
                scores[:, 0].sort()
                if clips is test:
                    scores.sort(dim=0)

    whole(), bare()
    pairs = [(seconds(whole), seconds(bare)) for _ in range(ROUNDS)]
    ratio = statistics.median(a / b for a, b in pairs)
    took = statistics.median(a for a, _ in pairs)
    return [
        (f"evaluation of {len(test):,} clips, three modalities, calibration, retrieval: over bare distances and sorts "
         f"({took:.2f} s; embedding them first takes {embedding:.2f} s)", f"{ratio:.1f} ×", "≤ 5 ×"),
    ]  # fmt: skip


def memory_in_child(data: Path, work: Path) -> None:
    """Train two epochs and evaluate; print the peak of the resident memory in bytes."""
    run = train(data, out=work / "run", settings={"epochs": 2, "attention_epochs": 1}, validate_every=1)
    evaluate(run)
    print(json.dumps({"peak": peak_memory()}))


def peak_memory() -> int:
    """Peak of the resident memory of this process in bytes, mapped pages of files included.

    Linux hands the peak of getrusage down from the parent to a child; the one in /proc is the process's own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if "VmHWM" in line)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_rows(data: Path, work: Path, size: int) -> list[Row]:
    """Peak memory of a process that loads, trains and evaluates, over the bytes of all features."""
    command = [sys.executable, "-m", "benchmarks.spine", "--memory", str(data), str(work)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    peak = json.loads(out.splitlines()[-1])["peak"]
    name = f"peak memory of loading, training and evaluating over the features ({size / 1e9:.2f} GB)"
    return [(name, f"{peak / size:.2f} ×", "≤ 1.6 ×")]


def loading_rows(path: Path) -> list[Row]:
    """The first load writes the cache, the second only maps it."""
    first, second = seconds(lambda: open_dataset(path)), seconds(lambda: open_dataset(path))
    return [("first load, s", f"{first:.1f}", ""), ("second load, s", f"{second:.2f}", "< 1")]


def real_rows(path: Path) -> list[Row]:
    """HM of both precisions on real features: five class splits, seed 0, calibration val, preset realset."""
    rows = []
    for precision in ("float32", "bf16"):
        values: dict[str, list[float]] = {}
        for name in class_splits(path):
            data = open_dataset(path, class_split=name)
            method = build("avgzslnet", "realset", {"precision": precision, "attention": "none"})
            method.fit(*data.training(), Job())
            numbers = choose_numbers([gallery_of(method, data.split("val"), data.classes)], THREE[2:])
            found = gallery_of(method, data.split("test"), data.classes).measure(THREE[2:], numbers)[0]
            values[name] = [100 * found.classification.HM]
        mean, deviation = spread(values)
        rows.append(
            (f"HM on real features, {precision} (five class splits, seed 0)", f"{mean:.1f} ± {deviation:.1f} %", "")
        )
    return rows


def run_all(real: Path | None) -> str:
    """Measure everything; gives the table in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["AVGZSL_CACHE"] = str(work / "cache")
        path = work / "data"
        took = seconds(lambda: generate("audioset-zsl", path, scale=1.0))
        rows: list[Row] = [("generating AudioSetZSL at scale 1, s", f"{took:.0f}", "")]
        rows += loading_rows(path)
        data = open_dataset(path)
        size = sum(f.nbytes for clips in data.splits.values() for f in (clips.audio, clips.video) if f is not None)
        rows += evaluation_rows(data)
        del data
        rows += memory_rows(path, work, size)
    rows += real_rows(real) if real is not None and real.is_dir() else []
    head = f"{torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}; medians of {ROUNDS}."
    return "\n".join(
        [head, "", "| what | measured | wanted |", "|---|---:|---:|", *("| " + " | ".join(row) + " |" for row in rows)]
    )


def main() -> None:
    """Put the table into --document."""
    if sys.argv[1:2] == ["--memory"]:
        memory_in_child(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=Path, required=True)
    parser.add_argument("--real", type=Path)
    options = parser.parse_args()
    table = run_all(options.real)
    print(table)
    put(options.document, "spine", table)


if __name__ == "__main__":
    main()
