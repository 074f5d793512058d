"""Rendered clips: what their names say can be seen and heard."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import label
from scipy.signal import find_peaks

from avgzsl.errors import ConfigError
from avgzsl.generators import generate
from avgzsl.generators._clip_drawing import COLOURS, MOTIONS, SHAPES, draw_clip
from avgzsl.generators._clip_sounding import PITCHES, RHYTHMS, TIMBRES, sound_clip
from avgzsl.generators.clips import SEEN, UNSEEN, WORDS, name, phrases
from avgzsl.media.encode import encode

TIMES = np.arange(24) / 12


def frames(colour: str, shape: str, motion: str, seed: int = 0) -> np.ndarray:
    return draw_clip(colour, shape, motion, TIMES, 96, np.random.default_rng(seed)).astype(float)


def figure_of(frame: np.ndarray) -> np.ndarray:
    """The pixels that differ from the ground, which is the picture's corner."""
    return abs(frame - frame[:4, :4].mean((0, 1))).max(2) > 40


@pytest.mark.parametrize("seed", range(5))
def test_phrases_hold_out_combinations_of_words_that_were_seen(seed):
    chosen = phrases(np.random.default_rng(seed))
    assert len(chosen) == SEEN + UNSEEN == len(set(map(name, chosen)))
    heard = Counter(word for words in chosen[:SEEN] for word in words)
    assert all(heard[word] >= 2 for options in WORDS for word in options)
    shared = [sum(a == b for a, b in zip(x, y, strict=True)) for i, x in enumerate(chosen) for y in chosen[:i]]
    assert max(shared) <= 3


@pytest.mark.parametrize("colour", COLOURS)
def test_the_figure_has_its_colour(colour):
    picture = frames(colour, "square", "sliding")[0]
    seen = picture[figure_of(picture)].mean(0) / 255
    assert min(COLOURS, key=lambda other: np.linalg.norm(seen - COLOURS[other])) == colour


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_one_piece_of_the_right_fill(shape):
    """Share that is filled of the smallest box around it, and whether that box is long."""
    inside = figure_of(frames("white", shape, "sliding")[0])
    assert label(inside)[1] == 1
    points = np.argwhere(inside)
    turns = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in np.linspace(0, np.pi / 2, 91)]
    short, long = min((sorted(np.ptp(points @ turn, 0) + 1) for turn in turns), key=np.prod)
    wanted = {"square": 1.0, "triangle": 0.5, "cross": 2.04 / 3.38, "bar": 1.0}[shape]
    assert len(points) / (short * long) == pytest.approx(wanted, abs=0.13)
    assert (long > 2 * short) == (shape == "bar")


def test_motions_move_as_they_say():
    spread = {}
    for motion in MOTIONS:
        masks = [figure_of(picture) for picture in frames("white", "bar", motion)]
        middles = np.array([np.argwhere(mask).mean(0) for mask in masks])
        areas = np.array([mask.sum() for mask in masks])
        spread[motion] = (np.ptp(middles[:, 0]), np.ptp(middles[:, 1]), areas.max() / areas.min())
    down, right, growth = zip(*(spread[m] for m in ("bouncing", "sliding", "pulsing")), strict=True)
    assert down[0] > 20 > down[1] and right[1] > 20 > right[0] and growth[2] > 2
    assert spread["spinning"][0] < 8 and spread["spinning"][1] < 8 and spread["spinning"][2] < 1.5
    turned = [figure_of(picture) for picture in frames("white", "bar", "spinning")]
    assert max((a & ~turned[0]).sum() for a in turned) > turned[0].sum() / 3


@pytest.mark.parametrize("timbre", TIMBRES)
def test_pitches_are_apart(timbre):
    """Of the highest peak of the spectrum: no high sound is lower than a low one."""
    top = {}
    for pitch in PITCHES:
        draws = [sound_clip("slow", pitch, timbre, 2.0, 16_000, np.random.default_rng(seed)) for seed in range(4)]
        top[pitch] = [np.abs(np.fft.rfft(wave)).argmax() / 2.0 for wave in draws]
    assert max(top["low"]) < 260 < 500 < min(top["high"])


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_strokes_a_second(rhythm):
    wave = sound_clip(rhythm, "low", "drum", 4.0, 16_000, np.random.default_rng(0))
    loud = np.convolve(abs(wave), np.ones(800) / 800, "same")
    peaks, _ = find_peaks(loud, height=0.3 * loud.max(), distance=1600)
    assert len(peaks) / 4 == pytest.approx(RHYTHMS[rhythm], rel=0.25)
    assert wave.dtype == np.float32 and abs(wave).max() <= 1


def test_the_folder_is_as_the_manifest_says(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("avgzsl.generators.clips.FEWEST", 1)
    first = generate("clips", tmp_path / "a", scale=0.001, seed=3)
    rows = list(csv.DictReader((first / "manifest.csv").read_text().splitlines()))
    assert {row["path"] for row in rows} == {p.relative_to(first).as_posix() for p in first.rglob("*.mp4")}
    assert Counter(row["seen"] for row in rows) == {"yes": SEEN * 3, "no": UNSEEN * 2}
    assert not [row for row in rows if row["seen"] == "no" and row["split"] == "train"]
    with pytest.raises(ConfigError, match=r"10,000 clips a class"):
        generate("clips", tmp_path / "c", scale=100.0)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, seed):
    words = phrases(np.random.default_rng(seed))[seed]

    def render(path: Path) -> bytes:
        draw = np.random.default_rng(seed)
        pictures = draw_clip(*words[:3], TIMES, 96, draw)
        encode(path, pictures, 12.0, sound_clip(*words[3:], 2.0, 16_000, draw), 16_000)
        return path.read_bytes()

    assert len({render(tmp_path / f"{again}.mp4") for again in range(4)}) == 1
