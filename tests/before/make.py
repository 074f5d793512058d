"""Made what lies beside this file, once, with the code of commit 9df7108: what all later code has to open.

`kept.tar.xz` holds a store of the features of thirty-six tiny clips, of six classes, two of them unseen; a run of each
kind, one of them packed; an index of each engine that is a folder; a tuning and a benchmark; and of the clips those of
the test split. `expected.json` is what that code said of them (`tests/before_answers.py`).

This file tells how that was done, and is not run again: what it made anew would say nothing of what is older. It ran in
a folder that says nothing of its machine, since stores, runs and indexes record where their clips and data lay. It and
`tests/before_answers.py` were put into a checkout of that commit, and there:

    PYTHONPATH=.:src python tests/before/make.py
"""

import csv
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from avgzsl.media.encode import encode

HERE = Path(__file__).parent
ARCHIVE = Path("/tmp/archive")
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230)}
PITCHES = {"low": 180.0, "high": 2400.0}
CLASSES = [f"{colour} {pitch}" for colour in COLOURS for pitch in PITCHES]
UNSEEN = ("red high", "blue low")
SPLITS = {"train": 3, "val": 2, "test": 2}
FPS, RATE, SECONDS = 12, 16000, 0.5
NETS = "optimiser=adam lr=0.01 epochs=40 batch_size=32 milestones=20,30 attention_epochs=3"
SIZES = "embedding=8 hidden=16 decoder_hidden=16 dropout=0.1"


def render(path: Path, name: str, draw: np.random.Generator) -> None:
    """A square that moves over grey, and a tone, each a little off those of its class."""
    colour, pitch = name.split()
    shade = np.clip(np.array(COLOURS[colour]) + draw.integers(-25, 26, 3), 0, 255)
    top, grey = draw.integers(4, 20), draw.integers(10, 40)
    frames = np.full((round(FPS * SECONDS), 48, 64, 3), grey, np.uint8)
    for t, frame in enumerate(frames):
        frame[top : top + 24, 4 + 3 * t : 28 + 3 * t] = shade
    times = np.arange(round(RATE * SECONDS)) / RATE
    hertz, loudness = PITCHES[pitch] * draw.uniform(0.85, 1.15), draw.uniform(0.3, 0.6)
    waveform = (loudness * np.sin(2 * np.pi * hertz * times)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(path, frames, float(FPS), waveform, RATE)


def write_clips(folder: Path) -> None:
    """SPLIT/CLASS-NUMBER.mp4, a manifest of all, and one of the test clips alone."""
    draw = np.random.default_rng(0)
    rows = [
        (f"{split}/{name.replace(' ', '-')}-{number}.mp4", name, split, "no" if name in UNSEEN else "yes")
        for name in CLASSES
        for split, count in SPLITS.items()
        if not (name in UNSEEN and split == "train")
        for number in range(count)
    ]
    for path, name, _, _ in rows:
        render(folder / path, name, draw)
    _write_table(folder / "manifest.csv", rows)
    _write_table(folder / "test" / "manifest.csv", [(Path(row[0]).name, *row[1:]) for row in rows if row[2] == "test"])


def _write_table(path: Path, rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("path", "label", "split", "seen"), *rows])


def avgzsl(line: str) -> None:
    """A command, as it is typed in the archive."""
    print(f"$ avgzsl {line}", flush=True)
    subprocess.run([sys.executable, "-m", "avgzsl", *line.split()], check=True, cwd=ARCHIVE)


def make() -> None:
    """All of it, in ARCHIVE."""
    write_clips(ARCHIVE / "clips")
    avgzsl(
        "extract clips --manifest clips/manifest.csv --audio descriptors --video descriptors --text hashed-words:64 "
        "--out store"
    )
    avgzsl("train store --method least-squares --out least-squares")
    avgzsl(f"train store --method avgzslnet --out avgzslnet {NETS} {SIZES}")
    avgzsl("pack avgzslnet --out packed")
    avgzsl("index avgzslnet store --split test --engine memory --out index-memory")
    avgzsl("index avgzslnet clips/test --manifest clips/test/manifest.csv --engine lancedb --out index-lancedb")
    avgzsl("tune store --method eszsl --trials 3 --folds 2 --seed 2 --out tuned/eszsl input=audio")
    avgzsl("benchmark store --methods least-squares,eszsl --seeds 1 --tuned tuned --against least-squares --out bench")


def keep() -> None:
    """Bring what was made here, without the clips of training and the pictures of evaluations."""
    for gone in (*ARCHIVE.glob("*/test-val"), ARCHIVE / "clips" / "train", ARCHIVE / "clips" / "val"):
        shutil.rmtree(gone)
    (ARCHIVE / "store" / "journal.sqlite").unlink()
    shutil.make_archive(str(HERE / "kept"), "xztar", ARCHIVE)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as own:
        os.environ |= {"AVGZSL_STATE": f"{own}/state", "AVGZSL_CACHE": f"{own}/cache"}
        ARCHIVE.mkdir()
        make()
        keep()
        shutil.rmtree(ARCHIVE)
        subprocess.run([sys.executable, "-m", "tests.before_answers"], check=True, cwd=HERE.parents[1])
