"""Runs of a small world of clips: colours in the picture, pitches in the sound, phrases of two words as names.

The features are descriptors of real, encoded clips, a rendered one a class, with noise: enough for a run that knows its
encoders and tells clips of classes that it never saw.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from avgzsl.backbones import load as load_backbone
from avgzsl.data.clips import ClassTable, ClipSet, Dataset, Encoder
from avgzsl.experiments import run as runs
from avgzsl.experiments import train_evaluate as experiment
from avgzsl.media.decode import decode
from avgzsl.media.encode import encode
from avgzsl.text.encoders import load as load_text

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230)}
PITCHES = {"low": 180.0, "high": 2400.0}
NAMES = tuple(f"{colour} {pitch}" for colour in COLOURS for pitch in PITCHES)
UNSEEN = ("red high", "blue low")
FPS, RATE = 12, 16000
QUICK = {"epochs": 30, "batch_size": 32, "optimiser": "adam", "lr": 0.01, "milestones": (20,), "attention_epochs": 3}


def render(path: Path, name: str, *, sound: bool = True, seconds: float = 1.0) -> Path:
    """A clip of a class, H.264 and AAC."""
    colour, pitch = name.split()
    frames = np.full((round(FPS * seconds), 48, 64, 3), 20, np.uint8)
    for t, frame in enumerate(frames):
        frame[12:36, 4 + t : 28 + t] = COLOURS[colour]
    times = np.arange(round(RATE * seconds)) / RATE
    waveform = (0.5 * np.sin(2 * np.pi * PITCHES[pitch] * times)).astype(np.float32)
    encode(path, frames, float(FPS), waveform if sound else None, RATE if sound else None)
    return path


def clips(folder: Path) -> dict[str, Path]:
    """A clip of every class."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: render(folder / f"{name.replace(' ', '-')}.mp4", name) for name in NAMES}


def features(path: Path) -> dict[str, np.ndarray]:
    """The descriptors of a file, by direct calls."""
    audio, video = (load_backbone("descriptors", modality) for modality in ("audio", "video"))
    found = decode(path, frames=video.needs, sound=audio.needs)
    return {"audio": audio.embed([found.waveform])[0].numpy(), "video": video.embed([found.frames])[0].numpy()}


def dataset(files: Mapping[str, Path], *, known: bool = True, each: int = 12, seed: int = 0) -> Dataset:
    """`each` noisy clips a class in each split; `known` says whether the data set names its encoders."""
    rng = np.random.default_rng(seed)
    clean = [features(files[name]) for name in NAMES]
    text = load_text("hashed-words:64").encode(NAMES)
    classes = ClassTable(NAMES, text, torch.tensor([name not in UNSEEN for name in NAMES]))
    labels = torch.arange(len(NAMES)).repeat_interleave(each)

    def noisy(modality: str) -> torch.Tensor:
        rows = np.stack([clean[c][modality] for c in labels.tolist()])
        spread = 0.3 * rows.std(0, keepdims=True)
        return torch.from_numpy((rows + spread * rng.standard_normal(rows.shape)).astype(np.float32))

    splits = {
        split: ClipSet(noisy("audio"), noisy("video"), labels, np.array([f"{split}{i}" for i in range(len(labels))]))
        for split in ("train", "val", "test")
    }
    made = Dataset.of(classes, splits, source="clips", layout="memory", class_split="one")
    specs = {"audio": "descriptors", "video": "descriptors", "text": "hashed-words:64"}
    encoders = {name: Encoder(spec) for name, spec in specs.items()} if known else {}
    return Dataset(made.classes, made.splits, made.fingerprint, "clips", "memory", "one", (), encoders)


def train(data: Dataset, out: Path, method: str = "avgzslnet", **settings) -> runs.Run:
    """A run of data in memory."""
    quick = QUICK if method in ("avgzslnet", "cjme") else {}
    return experiment.train(data, method, out=out, settings=quick | settings, device="cpu")
