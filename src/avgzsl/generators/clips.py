"""A small world of rendered clips with sound: classes are phrases, and seen ones have every word of the unseen.

The folder holds CLASS/NUMBER.mp4 and `manifest.csv` (path, label, split, seen).
"""

import csv
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from avgzsl.errors import ConfigError
from avgzsl.generators._checks import check_numbers
from avgzsl.generators._clip_drawing import COLOURS, MOTIONS, SHAPES, draw_clip
from avgzsl.generators._clip_sounding import PITCHES, RHYTHMS, TIMBRES, sound_clip
from avgzsl.media.encode import encode
from avgzsl.support.files import write_text

DESCRIPTION = "rendered clips with sound, 32 classes named by phrases such as red square spinning with a slow low drum"
SEEN, UNSEEN = 24, 8
SPLITS = {"train": 300, "val": 120, "test": 180}  # clips a class at scale 1; unseen classes have none to train on
FEWEST = 2
SIZE, FPS, SECONDS, RATE = 96, 12, 2.0, 16_000
WORDS = (tuple(COLOURS), tuple(SHAPES), tuple(MOTIONS), tuple(RHYTHMS), tuple(PITCHES), tuple(TIMBRES))
Phrase = tuple[str, ...]


def name(words: Phrase) -> str:
    """The class name of six words."""
    colour, shape, motion, rhythm, pitch, timbre = words
    return f"{colour} {shape} {motion} with a {rhythm} {pitch} {timbre}"


def phrases(draw: np.random.Generator) -> list[Phrase]:
    """Seen phrases, then unseen ones. No two share four words or more; each word stands in two seen ones or more."""
    while True:
        chosen: list[Phrase] = []
        for _ in range(2000):
            words = tuple(str(draw.choice(options)) for options in WORDS)
            if all(sum(a == b for a, b in zip(words, earlier, strict=True)) < 4 for earlier in chosen):
                chosen.append(words)
            if len(chosen) == SEEN + UNSEEN:
                break
        word_counts = Counter(word for words in chosen[:SEEN] for word in words)
        if len(chosen) == SEEN + UNSEEN and all(word_counts[word] >= 2 for options in WORDS for word in options):
            return chosen


def write(out: Path, scale: float, seed: int, written: Callable[[int, int], None]) -> None:
    """Render the clips and write the manifest into the empty folder `out`. Raises ConfigError."""
    check_numbers(scale, seed)
    if round(SPLITS["train"] * scale) > 10_000:
        raise ConfigError(f"scale is {scale}; that is more than 10,000 clips a class")
    world = np.random.default_rng([seed, 0])
    classes = phrases(world)
    rows = [("path", "label", "split", "seen")]
    for number, words in enumerate(classes):
        seen = number < SEEN
        draw = np.random.default_rng([seed, 1, number])
        splits = [split for split, count in SPLITS.items() for _ in range(max(FEWEST, round(count * scale)))]
        for clip, split in enumerate(split for split in splits if seen or split != "train"):
            path = Path(name(words).replace(" ", "-")) / f"{clip:03d}.mp4"
            _render(out / path, words, draw)
            rows.append((path.as_posix(), name(words), split, "yes" if seen else "no"))
        written(number + 1, len(classes))
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    write_text(out / "manifest.csv", table.getvalue())


def _render(path: Path, words: Phrase, draw: np.random.Generator) -> None:
    path.parent.mkdir(exist_ok=True)
    times = np.arange(round(SECONDS * FPS)) / FPS
    colour, shape, motion, rhythm, pitch, timbre = words
    frames = draw_clip(colour, shape, motion, times, SIZE, draw)
    encode(path, frames, float(FPS), sound_clip(rhythm, pitch, timbre, SECONDS, RATE, draw), RATE)
