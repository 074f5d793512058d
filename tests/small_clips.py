"""A small folder of real media files, one subfolder a class. Used by several test modules."""

import wave
from pathlib import Path

import numpy as np

from avgzsl.media.encode import encode

CLASSES = ("bell", "drum", "flute")
RATE = 16000


def write_clips(root: Path, count: int = 3, seconds: float = 0.5) -> Path:
    """`count` clips a class with picture and sound, a moving square and a tone, of its own colour and pitch."""
    for label, name in enumerate(CLASSES):
        for number in range(count):
            write_clip(root / name / f"{number}.mp4", label * 7 + number, seconds)
    return root


def write_clip(path: Path, seed: int, seconds: float = 0.5, sound: bool = True) -> Path:
    frames = np.zeros((max(2, round(12 * seconds)), 48, 64, 3), np.uint8)
    for at, frame in enumerate(frames):
        frame[8 + at % 20 : 28 + at % 20, 10 + seed : 30 + seed] = (40 * seed % 255, 255 - 9 * seed, 17 * seed % 255)
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(path, frames, 12.0, tone(200.0 + 60 * seed, seconds) if sound else None, RATE if sound else None)
    return path


def write_wav(path: Path, pitch: float = 440.0, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((tone(pitch, seconds) * 32767).astype("<i2").tobytes())
    return path


def tone(pitch: float, seconds: float) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * pitch * np.arange(round(RATE * seconds)) / RATE)).astype(np.float32)
