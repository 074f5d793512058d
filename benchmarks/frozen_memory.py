"""An index without a run at scale: what a clip costs on disk, and how much memory filling and searching it take.

    python -m benchmarks.frozen_memory --models DIR [--rows 100000] [--engine lancedb] [--document docs/scale.md]

The run is the one that `avgzsl index FOLDER --frozen` makes of two taggers (1,522 numbers a clip); the clips are
generated probabilities of its labels, a tenth without sound and a tenth without picture. Each half runs in a process of
its own, whose peak of resident memory counts, mapped pages of files included.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Generator

from avgzsl import backbones, load_run, open_searcher, search
from avgzsl.archive.changing import append, apply, writing
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import open_index
from avgzsl.archive.creation import create
from avgzsl.data.clips import Encoder
from avgzsl.methods import Embeddings
from avgzsl.recognition.frozen_run import make_frozen_run
from avgzsl.types import EncoderChoice, Modality
from benchmarks.spine import peak_memory
from benchmarks.tables import put

TAGGERS: dict[Modality, str] = {"audio": "yamnet-labels", "video": "mobilenet-v2-labels"}
BATCH = 8192
PHRASES = ("dog barking", "sea waves", "a helicopter", "playing the piano", "church bell")


def make_run(folder: Path, models: Path) -> dict[Modality, int]:
    """The run, and how many labels each of its taggers has."""
    loaded = {m: backbones.load(spec, m, models=models) for m, spec in TAGGERS.items()}
    sizes = {m: backbone.dimension for m, backbone in loaded.items()}
    make_frozen_run(folder, {m: Encoder(b.spec, b.weights) for m, b in loaded.items()}, sizes, ("minilm",), models)
    return sizes


def clips(rows: int, sizes: dict[Modality, int]) -> Iterator[Embeddings]:
    """Roots of probabilities: a few labels of each clip are likely, all others nearly not."""
    draw = Generator().manual_seed(0)
    for start in range(0, rows, BATCH):
        n = min(BATCH, rows - start)
        lacking = torch.randint(10, (n,), generator=draw)
        audio, video = (torch.rand(n, sizes[m], generator=draw) ** 20 for m in TAGGERS)
        yield Embeddings(audio.sqrt(), video.sqrt(), None, lacking != 0, lacking != 1)


def fill(index: Path, models: Path, rows: int, engine: str) -> None:
    """Put generated clips into a new index, batch by batch, as `index` does."""
    with tempfile.TemporaryDirectory() as work:
        sizes = make_run(Path(work) / "run", models)
        create(index, load_run(Path(work) / "run"), engine).close()
    collection, first = open_index(index), 0
    with writing(collection) as db:
        for part in clips(rows, sizes):
            has = zip(part.has_audio.tolist(), part.has_video.tolist(), strict=True)
            known = [
                IndexedClip(f"clip-{i}", f"{i:064x}", f"/archive/clip-{i}.mp4", 0.0, 10.0, has_audio=a, has_video=v)
                for i, (a, v) in enumerate(has, first)
            ]
            first += len(known)
            append(collection, db, known, part)
            apply(collection, db)
        apply(collection, db, enough=1)
    collection.close()


def ask(index: Path, models: Path) -> list[float]:
    """Seconds of each search, the encoder of words loaded before."""
    searcher = open_searcher(index, encoders=EncoderChoice(models=models))
    search(searcher, "anything")
    times = []
    for phrase in PHRASES:
        begun = time.perf_counter()
        search(searcher, phrase)
        times.append(time.perf_counter() - begun)
    return times


def in_process(part: str, index: Path, options: argparse.Namespace) -> tuple[dict[str, float], float]:
    """What a half said, and the seconds that it took."""
    words = ["--part", part, "--index", str(index), "--models", str(options.models), "--rows", str(options.rows)]
    command = [sys.executable, "-m", "benchmarks.frozen_memory", *words, "--engine", options.engine]
    begun = time.perf_counter()
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    said: dict[str, float] = json.loads(out.splitlines()[-1])
    return said, time.perf_counter() - begun


def table(options: argparse.Namespace) -> str:
    """Both halves, in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        filled, seconds = in_process("fill", index, options)
        size = sum(file.stat().st_size for file in index.rglob("*") if file.is_file())
        asked, _ = in_process("ask", index, options)
    rows = [
        ("on disk, bytes a clip", f"{size / options.rows:,.0f}"),
        ("filling it, clips/s (a process of its own, with its start)", f"{options.rows / seconds:,.0f}"),
        ("peak memory of filling it, GB", f"{filled['peak'] / 1e9:.2f}"),
        ("peak memory of searching it, GB", f"{asked['peak'] / 1e9:.2f}"),
        ("a search by words, median, ms", f"{1000 * asked['median']:.0f}"),
    ]
    lines = [f"| {options.rows:,} clips by two taggers, engine {options.engine} | measured |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows)])


def main() -> None:
    """Print the table, and put it into --document between the marks `frozen-memory`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--engine", default="lancedb")
    parser.add_argument("--document", type=Path)
    parser.add_argument("--part", choices=("fill", "ask"), help=argparse.SUPPRESS)
    parser.add_argument("--index", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "fill":
        fill(options.index, options.models, options.rows, options.engine)
        print(json.dumps({"peak": peak_memory()}))
    elif options.part == "ask":
        times = ask(options.index, options.models)
        print(json.dumps({"peak": peak_memory(), "median": statistics.median(times)}))
    else:
        made = table(options)
        print(made)
        if options.document is not None:
            put(options.document, "frozen-memory", made)


if __name__ == "__main__":
    main()
