"""Descriptors: they tell apart what the rendered clips vary, are defined on anything, and quick."""

import time
from itertools import pairwise

import numpy as np
import pytest

from avgzsl import backbones
from avgzsl.backbones import _picture_statistics, _sound_statistics
from avgzsl.backbones._picture_statistics import FPS, SIZE, describe_frames, travel
from avgzsl.backbones._sound_statistics import describe_sound, periodicity, rhythm
from avgzsl.errors import ConfigError
from avgzsl.generators._clip_drawing import COLOURS, MOTIONS, SHAPES, draw_clip
from avgzsl.generators._clip_sounding import PITCHES, RHYTHMS, TIMBRES, sound_clip

PICTURE_WORDS = (tuple(COLOURS), tuple(SHAPES), tuple(MOTIONS))
SOUND_WORDS = (tuple(RHYTHMS), tuple(PITCHES), tuple(TIMBRES))

SHAPE = PICTURE_WORDS[1][0]


def drawn(words, draw, seconds=2.0):
    return draw_clip(*words, np.arange(int(seconds * FPS)) / FPS, SIZE, draw)


def sounded(words, draw):
    return sound_clip(*words, 2.0, _sound_statistics.RATE, draw)


@pytest.mark.parametrize(
    ("modality", "lists", "make"), [("audio", SOUND_WORDS, sounded), ("video", PICTURE_WORDS, drawn)]
)
def test_a_line_tells_the_words_of_rendered_clips_apart(modality, lists, make):
    """Fit on half of the clips, judged on the other; every clip has its own place, tempo, shade and noise."""
    draw = np.random.default_rng(0)
    words = np.array([[options[draw.integers(len(options))] for options in lists] for _ in range(200)])
    rows = backbones.load("descriptors", modality).embed([make(clip, draw) for clip in words]).numpy()
    rows = (rows - rows[:100].mean(0)) / (rows[:100].std(0) + 1e-3)
    gram = rows[:100] @ rows[:100].T + 10 * np.eye(100)
    for options, word in zip(lists, words.T, strict=True):
        wanted = 2.0 * (word[:100, None] == np.array(options)) - 1
        scores = rows[100:] @ rows[:100].T @ np.linalg.solve(gram, wanted)  # ridge regression of one against the rest
        assert np.mean(np.array(options)[scores.argmax(1)] == word[100:]) >= 0.95, options


@pytest.mark.parametrize("count", [1, 2, 159, 160, 161, 1023, 1024, 1025, 5000])
def test_any_sound_has_a_finite_row(count):
    draw = np.random.default_rng(0)
    for sound in (np.zeros(count), np.ones(count), np.full(count, 1e-30), draw.uniform(-1, 1, count)):
        row = describe_sound(sound.astype(np.float32))
        assert row.shape == (_sound_statistics.SOUND_DIMENSION,) and np.isfinite(row).all()
        assert np.abs(row).max() <= 1.5


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 129])
def test_any_picture_has_a_finite_row(count):
    draw = np.random.default_rng(0)
    shape = (count, SIZE, SIZE, 3)
    for frames in (np.zeros(shape), np.full(shape, 255), draw.integers(0, 256, shape)):
        row = describe_frames(frames.astype(np.uint8))
        assert row.shape == (_picture_statistics.PICTURE_DIMENSION,) and np.isfinite(row).all()
        assert np.abs(row).max() <= 5


def test_long_clips_in_blocks_are_as_the_whole(monkeypatch):
    draw = np.random.default_rng(1)
    frames = np.concatenate([drawn(("red", SHAPE, motion), draw, 5.0) for motion in MOTIONS])
    sound = np.concatenate([sounded(("fast", "low", timbre), draw) for timbre in TIMBRES])
    assert len(frames) > 2 * _picture_statistics._BLOCK
    in_blocks = describe_frames(frames)
    monkeypatch.setattr(_sound_statistics, "_BLOCK", 100)
    sound_in_blocks = describe_sound(sound)
    monkeypatch.setattr(_picture_statistics, "_BLOCK", 10_000)
    monkeypatch.setattr(_sound_statistics, "_BLOCK", 100_000)
    np.testing.assert_allclose(in_blocks, describe_frames(frames), atol=1e-5)
    np.testing.assert_allclose(sound_in_blocks, describe_sound(sound), atol=1e-5)


def test_periodicity_peaks_at_the_pitch():
    t = np.arange(16_000) / 16_000
    for hertz in (90.0, 200.0, 440.0, 1000.0):
        found = periodicity(np.sin(2 * np.pi * hertz * t).astype(np.float32))
        band = np.searchsorted(_sound_statistics._PITCHES, hertz) - 1
        assert found[band] > 0.95
        assert found[band + 2 :].max(initial=0) < found[band]
    assert periodicity(np.random.default_rng(0).normal(size=16_000).astype(np.float32)).max() < 0.3


def test_periodicity_is_the_autocorrelation_of_each_frame():
    """One frame, against the sum over its samples lag by lag."""
    frame = np.random.default_rng(0).uniform(-1, 1, 1024).astype(np.float32)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)

    def lagged(x, lag):
        return float((x[: len(x) - lag] * x[lag:]).sum())

    windowed = frame * window
    expected = []
    edges = [int(np.ceil(16_000 / hertz)) for hertz in _sound_statistics._PITCHES]
    for longest, shortest in pairwise(edges):
        own = lagged(window, 0) / lagged(windowed, 0)
        peaks = [lagged(windowed, lag) / lagged(window, lag) * own for lag in range(shortest, longest)]
        expected.append(max(0.0, *peaks, 0.0))
    np.testing.assert_allclose(periodicity(frame), expected, atol=1e-4)


def test_rhythm_peaks_where_onsets_repeat():
    onsets = np.zeros(300)
    onsets[::40] = 1  # every 0.4 s
    beats, tempi = rhythm(onsets)
    assert _sound_statistics._BEATS[beats.argmax()] == 40
    assert beats[7] > 0.8 and beats[3] < 0.2
    low = np.searchsorted(_sound_statistics._TEMPI, 2.5) - 1
    assert tempi[low] > tempi[:low].max(initial=0)


def test_loudness_is_one_number():
    sound = sounded(("slow", "high", "bell"), np.random.default_rng(0))
    loud, quiet = describe_sound(sound), describe_sound(sound / 4)
    differing = np.flatnonzero(np.abs(loud - quiet) > 1e-3)
    assert differing.tolist() == [len(loud) - 4]
    assert loud[-4] - quiet[-4] == pytest.approx(20 * np.log10(4) / 100, abs=1e-3)


def test_a_start_is_an_onset_and_an_end_is_none():
    draw = np.random.default_rng(0)
    decaying = (draw.uniform(-1, 1, 16_000) * np.repeat(np.geomspace(1, 1e-3, 4_000)[None], 4, 0).ravel()).astype("f4")
    assert describe_sound(decaying)[-1] > 3 * describe_sound(decaying[::-1].copy())[-1]


def test_a_square_has_fourfold_symmetry_and_moves_where_it_goes():
    def square(x, turn=0.0):
        axis = np.arange(SIZE) - x
        across, down = np.meshgrid(axis, np.arange(SIZE) - 32)
        u, v = across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)
        inside = np.clip(12.5 - np.maximum(abs(u), abs(v)), 0, 1)[..., None]
        return (40 + 200 * inside * np.array([1, 0, 0])).astype(np.uint8)

    harmonics = slice(64 + 12 + 18, 64 + 12 + 18 + 12)
    for turn in (0.0, 0.3, 0.6):
        found = describe_frames(square(32, turn)[None])[harmonics]
        assert found[3::4].min() > 0.3 and np.delete(found, [3, 7, 11]).max() < 0.1
    right = describe_frames(np.stack([square(20 + 2 * step) for step in range(8)]))
    left = describe_frames(np.stack([square(44 - 2 * step) for step in range(8)]))
    ways = slice(64 + 12 + 18 + 12 + 10, 64 + 12 + 18 + 12 + 10 + 8)
    assert right[ways].argmax() == 0 and left[ways].argmax() == 4
    speed = 64 + 12 + 18 + 12 + 10 + 8 + 2 + 2 * 6
    assert right[speed] == pytest.approx(2 * FPS / 30, rel=0.1) and left[speed] == pytest.approx(-right[speed], rel=0.1)


def test_noise_does_not_hide_a_faint_shape():
    draw = np.random.default_rng(0)
    frames = np.full((4, SIZE, SIZE, 3), 100.0)
    frames[:, 20:44, 20:44] += 25
    grain = draw.normal(0, 5, frames.shape)
    clean, noisy = (describe_frames((frames + noise).astype(np.uint8)) for noise in (0 * grain, grain))
    fourth = 64 + 12 + 18 + 3
    assert clean[fourth] > 0.9 and noisy[fourth] > 0.7 * clean[fourth]


def test_hues_and_cells_are_those_of_the_picture():
    frames = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    frames[:, :, :16] = (250, 0, 0)
    row = describe_frames(frames)
    assert row[3 * 16] == pytest.approx(0.5) and row[0] == pytest.approx(0.75**0.5)
    assert row[64] == pytest.approx((250 / 255 * 0.25) ** 0.5, rel=1e-3) and row[65:76].max() < 1e-3


def test_travel_of_a_course():
    course = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]])
    mean, stray, speed, change = travel(course)
    np.testing.assert_allclose(mean, [1, 2 / 3])
    np.testing.assert_allclose(stray, course.std(0))
    np.testing.assert_allclose(speed, [FPS, 0])
    np.testing.assert_allclose(change, [FPS, FPS])


def test_a_clip_of_three_seconds_takes_milliseconds():
    draw = np.random.default_rng(0)
    clips = {"video": drawn(("blue", SHAPE, "sliding"), draw, 3.0), "audio": np.float32(draw.uniform(-1, 1, 48_000))}
    for modality, clip in clips.items():
        backbone = backbones.load("descriptors", modality)
        best = min(seconds(backbone, clip) for _ in range(5))
        assert best < 0.1, modality  # about 0.01 in truth: a loop over pixels would show, a busy machine not


def seconds(backbone, clip):
    start = time.process_time()
    backbone.embed([clip])
    return time.process_time() - start


def test_descriptors_have_no_weights():
    with pytest.raises(ConfigError, match="descriptors have no weights"):
        backbones.load("descriptors:big", "audio")
