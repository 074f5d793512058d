"""A small archive of rendered clips, a run and an index over it, and the server on that."""

import atexit
import csv
import os
import shutil
import struct
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from wave import open as open_wave

import numpy as np
from fastapi.testclient import TestClient

from avgzsl.archive.indexing import index
from avgzsl.experiments.train_evaluate import evaluate, save_results, train
from avgzsl.features.extract import extract
from avgzsl.generators._clip_drawing import draw_clip
from avgzsl.generators._clip_sounding import sound_clip
from avgzsl.media.encode import encode
from avgzsl.media.workers import Decoders
from avgzsl.server.app import make_app
from avgzsl.server.index_archive import open_archive
from avgzsl.server.service import started
from avgzsl.server.settings import Settings
from avgzsl.types import DataChoice, EncoderChoice

SIZE, FPS, SECONDS, RATE = 64, 8, 1.0, 16_000
SEEN = ("red square low drum", "blue cross high flute", "green square high drum", "red bar low flute")
UNSEEN = ("blue square low drum", "green cross high flute")
COUNTS = {"train": 5, "val": 2, "test": 3}
SILENT = "Glockenspiel, allein.wav"
HERE = "http://127.0.0.1:8000"
PROBLEM = "application/problem+json"


def render(path: Path, label: str, seed: int, seconds: float = SECONDS) -> Path:
    """A clip of a class."""
    colour, shape, pitch, timbre = label.split()
    draw = np.random.default_rng(seed)
    frames = draw_clip(colour, shape, "spinning", np.arange(round(seconds * FPS)) / FPS, SIZE, draw)
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(path, frames, float(FPS), sound_clip("fast", pitch, timbre, seconds, RATE, draw), RATE)
    return path


def sound_bytes(size: int) -> bytes:
    """A file of so many bytes that is noise, as WAV: 16 bits, mono."""
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", size - 8)
        + b"WAVE"
        + fmt
        + b"data"
        + struct.pack("<I", size - 44)
        + os.urandom(size - 44)
    )


def write_clips(root: Path) -> Path:
    """Clips and their manifest; one has sound alone, no label, and a name that needs quoting."""
    rows = [("path", "label", "split", "seen", "licence")]
    for c, label in enumerate((*SEEN, *UNSEEN)):
        for split, count in COUNTS.items():
            for i in range(count if label in SEEN or split != "train" else 0):
                path = Path(label.replace(" ", "-")) / f"{split}-{i}.mp4"
                render(root / path, label, seed=1000 * c + 10 * i + len(split))
                rows.append((path.as_posix(), label, split, "yes" if label in SEEN else "no", "CC0"))
    sound = sound_clip("slow", "high", "bell", SECONDS, RATE, np.random.default_rng(0))
    with open_wave(str(root / SILENT), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    rows.append((SILENT, "", "test", "", ""))
    for name, kept in (("manifest.csv", rows), ("test.csv", [row for row in rows if row[2] in ("split", "test")])):
        with (root / name).open("w", newline="") as file:
            csv.writer(file).writerows(kept)
    return root / "manifest.csv"


@cache
def world() -> Path:
    """A folder with `clips`, `store`, `run` and `index`, made once a test process, gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="avgzsl-test-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    manifest = write_clips(folder / "clips")
    encoders = EncoderChoice(audio="descriptors", video="descriptors", text="hashed-words")
    extract(folder / "clips", folder / "store", manifest=manifest, workers=1, encoders=encoders)
    settings = {"epochs": 15, "batch_size": 64}
    run = train(
        folder / "store", "avgzslnet", out=folder / "run", choice=DataChoice(class_split="manifest"), settings=settings
    )
    save_results(run.folder, evaluate(run))
    # from the files themselves: the clip without a label is in no split of the data set
    index(folder / "run", folder / "clips", folder / "index", engine="memory", manifest=manifest.with_name("test.csv"))
    return folder


@cache
def listening_alone() -> Path:
    """The index of a run that serves sound alone, over the clips of the world."""
    folder = world()
    train(
        folder / "store",
        "audio-only",
        out=folder / "heard",
        choice=DataChoice(class_split="manifest"),
        settings={"epochs": 2},
    )
    manifest = folder / "clips" / "test.csv"
    index(folder / "heard", folder / "clips", folder / "heard-index", engine="memory", manifest=manifest)
    return folder / "heard-index"


@contextmanager
def application(folder: Path | None = None, **settings):
    """The application over the world's index, or another."""
    chosen = Settings(**{"decoders": 1, **settings})
    with Decoders(1) as decoders:
        archive = open_archive(folder or world() / "index", decoders, chosen.token is None, chosen.media)
        with started(archive, chosen, decoders) as service:
            yield make_app(service)


def client_of(app, **how):
    """A client whose faults are answers."""
    return TestClient(app, base_url=HERE, raise_server_exceptions=False, **how)


def is_problem(response, status):
    """What a problem says, once it is seen to be one."""
    body = response.json()
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM), response.text
    assert body["status"] == status and body["detail"] and "Traceback" not in response.text
    return body["detail"]
