"""Hand-crafted descriptors: what they say does not hang on what does not matter, and they are defined on anything."""

import numpy as np
import pytest
from scipy import ndimage, signal

from avgzsl import backbones
from avgzsl.backbones import handcrafted
from avgzsl.backbones._figure import COLOURS, MIXED, TURNS, WAYS, covered, figures, moving_colours, named_colours
from avgzsl.backbones._path import path, turning
from avgzsl.backbones._strokes import STEP, attack_steps, envelope, onsets, strokes
from avgzsl.backbones._tone import tone
from avgzsl.backbones.handcrafted import FPS, PICTURE_DIMENSION, SIZE, SOUND_DIMENSION, describe_frames, describe_sound
from avgzsl.errors import ConfigError

RATE = 16_000
AXIS = (np.arange(SIZE * 8) + 0.5) / (SIZE * 4) - 1
OUTLINES = {
    "disc": lambda x, y: np.hypot(x, y) - 1,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) - 1,
    "bar": lambda x, y: np.maximum(abs(x) - 1, abs(y) - 0.3),
    "triangle": lambda x, y: np.maximum(0.866 * abs(x) + 0.5 * y, -y) - 0.5,
}
COMPACT, MOMENTS = len(WAYS) + len(MIXED), {way: place for place, way in enumerate(WAYS)}


def drawn(shape, colour=(220, 30, 30), ground=(60, 60, 60), at=(0.0, 0.0), size=0.35, turn=0.0):
    """One frame; drawn eight times as fine, then made small."""
    x, y = np.meshgrid((AXIS - at[0]) / size, (AXIS - at[1]) / size)
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    share = (OUTLINES[shape](x, y) < 0).reshape(SIZE, 8, SIZE, 8).mean((1, 3))[..., None]
    return np.uint8(np.rint(share * colour + (1 - share) * np.array(ground)))


def filmed(frames):
    return np.stack(list(frames))


def told(frame):
    return figures(frame[None])


def test_a_figure_is_what_covers_the_ground():
    frame = drawn("disc", at=(0.2, -0.1), size=0.3)
    found = told(frame)
    assert found.area[0] == pytest.approx(np.pi * 0.3**2 / 4, rel=0.02)
    np.testing.assert_allclose(found.centre[0], (0.2, -0.1), atol=0.01)
    np.testing.assert_allclose(found.ground[0] * 255, (60, 60, 60), atol=0.01)
    assert not found.cut[0] and told(drawn("disc", at=(0.9, 0))).cut[0]
    _, cover = covered(frame[None] / np.float32(255))
    weights = ndimage.center_of_mass(cover[0])
    np.testing.assert_allclose((np.array(weights)[::-1] + 0.5) * 2 / SIZE - 1, found.centre[0], atol=1e-6)


@pytest.mark.parametrize("shape", OUTLINES)
def test_place_size_turn_and_colour_do_not_change_an_outline(shape):
    plain = told(drawn(shape))
    for other in (
        drawn(shape, at=(0.3, -0.25)),
        drawn(shape, size=0.5),
        drawn(shape, turn=0.7),
        drawn(shape, colour=(20, 40, 200), ground=(150, 140, 150)),
    ):
        found = told(other)
        np.testing.assert_allclose(found.moments, plain.moments, atol=0.03)
        np.testing.assert_allclose(found.contour, plain.contour, atol=0.13)


def test_moments_are_the_integrals_over_the_shape():
    """Against sums over a fine grid, and the disc's and the square's from the book."""
    for shape, outline in OUTLINES.items():
        x, y = np.meshgrid(np.linspace(-1.2, 1.2, 1201), np.linspace(-1.2, 1.2, 1201))
        z = (x + 1j * y)[outline(x, y) < 0]
        z = z - z.mean()
        found = told(drawn(shape, size=0.5)).moments[0]
        wanted = [abs((z**way).mean()) / (abs(z) ** way).mean() for way in WAYS]
        wanted += [abs((z**p * z.conj() ** q).mean()) / (abs(z) ** (p + q)).mean() for p, q in MIXED]
        np.testing.assert_allclose(found[:COMPACT], wanted, atol=0.03, err_msg=shape)
    assert told(drawn("disc")).moments[0, COMPACT] == pytest.approx(1, abs=0.02)
    assert told(drawn("square")).moments[0, COMPACT] == pytest.approx(3 / np.pi, abs=0.02)
    assert told(drawn("square")).contour[0, 3] > 5 * told(drawn("disc")).contour[0, 3]


def test_each_symmetry_has_its_moment():
    strongest = {"bar": 2, "triangle": 3, "square": 4}
    for shape, way in strongest.items():
        moments = told(drawn(shape)).moments[0, : len(WAYS)]
        lower = [moments[MOMENTS[other]] for other in WAYS if other < way]
        assert moments[MOMENTS[way]] > 0.3 and max(lower, default=0) < 0.05, shape


def test_a_hue_is_the_same_wherever_and_however_large_its_figure_is():
    rows = [told(drawn(shape, at=at, size=size, ground=ground)).colours[0]
            for shape, at, size, ground in (
                ("disc", (0, 0), 0.3, (60, 60, 60)), ("bar", (0.2, 0.3), 0.5, (170, 170, 170)),
                ("square", (-0.3, 0), 0.2, (20, 20, 20)))]  # fmt: skip
    for row in rows:
        assert row[0] > 0.85 and row.sum() == pytest.approx(1)


def test_colours_have_their_names():
    hues = [named_colours(np.array([colour], float))[0].argmax() for colour in np.eye(3)]
    assert hues == [0, 4, 8]
    black, grey, white = named_colours(np.array([[0, 0, 0], [0.5, 0.5, 0.5], [1, 1, 1]]))
    assert [row.argmax() for row in (black, grey, white)] == [12, 13, 14]
    draw = np.random.default_rng(0).uniform(0, 1, (50, 3))
    np.testing.assert_allclose(named_colours(draw).sum(1), 1)


def test_only_what_moves_gives_its_colour():
    still = drawn("square", colour=(30, 30, 220), at=(0, -0.6), size=0.2)
    frames = []
    for step in range(6):
        moving = drawn("disc", at=(-0.3 + step * 0.12, 0.3), size=0.2)
        frames.append(np.where((moving != 60).any(2, keepdims=True), moving, still))
    found = moving_colours(filmed(frames))
    assert found[0] > 0.4 and found[8] < 0.01
    assert not moving_colours(filmed([still] * 3)).any()


def test_a_turn_has_its_speed_and_its_way():
    for shape, turns in (("square", 0.5), ("bar", -0.75), ("triangle", 1.0)):
        frames = filmed(drawn(shape, turn=2 * np.pi * turns * step / FPS) for step in range(24))
        found = figures(frames)
        rate = turning(found.turned, TURNS) * FPS / (2 * np.pi)
        np.testing.assert_allclose(rate, turns, atol=0.05, err_msg=shape)


def test_a_path_has_its_ways_and_its_beat():
    area, turned = np.full(48, 0.05), np.zeros((48, 3), complex)
    time = np.arange(48) / FPS
    across = np.column_stack([0.5 * np.sin(2 * np.pi * time), np.zeros(48)])
    found, down = path(area, across, turned, TURNS, FPS), path(area, across[:, ::-1], turned, TURNS, FPS)
    kinds, ways, beats = slice(15, 19), slice(21, 29), slice(29, 33)
    np.testing.assert_allclose(found[kinds], (1, 0, 0, 0), atol=1e-6)
    np.testing.assert_allclose(down[kinds], (0, 1, 0, 0), atol=1e-6)
    assert set(np.flatnonzero(found[ways] > 0.3)) == {0, 4} and set(np.flatnonzero(down[ways] > 0.3)) == {2, 6}
    slow = path(area, np.column_stack([0.5 * np.sin(np.pi * 0.75 * time), np.zeros(48)]), turned, TURNS, FPS)
    assert found[beats][1:3].sum() > 0.9 and slow[beats].argmax() == 0
    grown = path(0.05 * np.exp(np.sin(2 * np.pi * time)), 0 * across, turned, TURNS, FPS)
    np.testing.assert_allclose(grown[kinds], (0, 0, 1, 0), atol=1e-6)


def test_a_bounce_is_lopsided():
    time = np.arange(48) / FPS
    area, turned = np.full(48, 0.05), np.zeros((48, 3), complex)
    ball = np.column_stack([np.zeros(48), 0.5 - abs(np.sin(np.pi * 0.7 * time))])
    swing = np.column_stack([np.zeros(48), 0.5 * np.sin(2 * np.pi * 0.7 * time)])
    skewed, even = path(area, ball, turned, TURNS, FPS), path(area, swing, turned, TURNS, FPS)
    assert skewed[10] > 0.3 and abs(even[10]) < 0.2  # of y: it is high up (negative) longer than it is down


def struck(hertz, attack, seconds=1.0, every=None):
    time = np.arange(round(seconds * RATE)) / RATE
    since = time % every if every else time
    return (0.5 * np.sin(2 * np.pi * hertz * time) * np.minimum(since / attack, 1)).astype(np.float32)


@pytest.mark.parametrize("attack", [0.03, 0.06, 0.12])
def test_the_attack_of_a_tone(attack):
    found = attack_steps(envelope(struck(300.0, attack), RATE)) * STEP
    assert found == pytest.approx(0.8 * attack, abs=2 * STEP)  # a tenth to nine tenths of a straight rise


def test_the_envelope_is_that_of_the_analytic_signal():
    time = np.arange(RATE) / RATE
    wave = np.sin(2 * np.pi * 400 * time) * (0.5 + 0.4 * np.sin(2 * np.pi * 3 * time))
    amplitude = np.abs(signal.hilbert(wave)).reshape(-1, round(STEP * RATE)).mean(1)
    np.testing.assert_allclose(envelope(wave, RATE)[2:-2] * np.sqrt(2), amplitude[2:-2], atol=0.03)


def test_strokes_begin_where_they_are_struck():
    for every in (0.2, 0.5):
        wave = struck(300.0, 0.005, 2.0, every)
        fading = wave * np.exp(-12 * ((np.arange(len(wave)) / RATE) % every)).astype(np.float32)
        loud = envelope(fading, RATE)
        starts = onsets(loud / loud.max()) * STEP
        np.testing.assert_allclose(starts, np.arange(0, 2, every), atol=0.04)


@pytest.mark.parametrize("hertz", [90.0, 130.0, 250.0, 440.0, 660.0])
def test_the_pitch_of_a_tone(hertz):
    wave = signal.sawtooth(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)
    for heard in (wave, np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)):
        row = tone(heard.astype(np.float32), RATE)
        assert np.arctanh(row[25]) == pytest.approx(np.log2(hertz / 250), abs=0.03)
        assert row[-2] < 0.05 and row[-1] > 0.9
    assert tone(np.random.default_rng(0).normal(size=RATE).astype(np.float32), RATE)[-1] < 0.4


def test_partials_stand_over_the_pitch_whatever_it_is():
    time = np.arange(RATE) / RATE
    rows = []
    for hertz in (150.0, 300.0):
        rows.append(tone(signal.sawtooth(2 * np.pi * hertz * time).astype(np.float32), RATE)[:20])
        power = np.square([1 / k for k in range(1, 9)])
        assert np.square(rows[-1][0]) == pytest.approx(power[0] / (np.pi**2 / 6), abs=0.08)
        assert np.square(rows[-1][6]) == pytest.approx(power[1] / (np.pi**2 / 6), abs=0.08)
    np.testing.assert_allclose(*rows, atol=0.12)


def test_loudness_and_light_noise_change_little():
    draw = np.random.default_rng(0)
    sound = struck(300.0, 0.02, 2.0, 0.4)
    np.testing.assert_allclose(describe_sound(sound / 8), describe_sound(sound), atol=1e-3)
    noisy = sound + draw.normal(0, 0.002, len(sound)).astype(np.float32)
    np.testing.assert_allclose(describe_sound(noisy), describe_sound(sound), atol=0.15)
    clip = filmed(drawn("square", at=(0.02 * step, 0)) for step in range(12))
    grain = np.clip(clip + draw.normal(0, 4, clip.shape), 0, 255).astype(np.uint8)
    np.testing.assert_allclose(describe_frames(grain), describe_frames(clip), atol=0.2)


@pytest.mark.parametrize("count", [1, 2, 79, 80, 81, 1023, 2049, 5000])
def test_any_sound_has_a_finite_row(count):
    draw = np.random.default_rng(0)
    for sound in (np.ones(count), np.full(count, 1e-30), draw.uniform(-1, 1, count), np.eye(1, count)[0]):
        row = describe_sound(sound.astype(np.float32))
        assert row.shape == (SOUND_DIMENSION,) and np.isfinite(row).all() and np.abs(row).max() <= 2
    assert not strokes(np.zeros(count, np.float32), RATE).any() and not tone(np.zeros(count, np.float32), RATE).any()
    assert not describe_sound(np.zeros(count, np.float32)).any()


@pytest.mark.parametrize(
    ("count", "side"), [(1, SIZE), (2, SIZE), (3, SIZE), (129, 16), (1, 1), (2, 1), (3, 2), (2, 3)]
)
def test_any_picture_has_a_finite_row(count, side):
    draw = np.random.default_rng(0)
    shape = (count, side, side, 3)
    for frames in (np.zeros(shape), np.full(shape, 255), draw.integers(0, 256, shape)):
        row = describe_frames(frames.astype(np.uint8))
        assert row.shape == (PICTURE_DIMENSION,) and np.isfinite(row).all() and np.abs(row).max() <= 3.5
    blank = describe_frames(np.full(shape, 90, np.uint8))
    assert not blank[: 2 * COLOURS].any() and not blank[-2:].any()


def test_a_figure_that_comes_late_and_goes_is_followed_while_it_is_there():
    empty = np.full((SIZE, SIZE, 3), 60, np.uint8)
    there = [drawn("disc", at=(-0.4 + 0.1 * step, 0)) for step in range(8)]
    row, shorter = describe_frames(filmed([empty, *there, empty])), describe_frames(filmed(there))
    course = slice(30 + COMPACT + 1 + 8, -5)
    np.testing.assert_allclose(row[course], shorter[course], atol=1e-6)
    np.testing.assert_allclose(row[:COLOURS], shorter[:COLOURS], atol=1e-6)


def test_long_clips_in_blocks_are_as_the_whole(monkeypatch):
    frames = filmed(drawn("square", at=(0.03 * (step % 10), 0), turn=0.1 * step) for step in range(20))
    sound = struck(300.0, 0.02, 3.0, 0.4)
    whole = describe_frames(frames), describe_sound(sound)
    monkeypatch.setattr(handcrafted, "_BLOCK", 7)
    monkeypatch.setattr("avgzsl.backbones._tone._BLOCK", 7)
    np.testing.assert_allclose(describe_frames(frames), whole[0], atol=1e-5)
    np.testing.assert_allclose(describe_sound(sound), whole[1], atol=1e-5)


def test_there_are_no_weights():
    with pytest.raises(ConfigError, match="handcrafted:big: descriptors have no weights"):
        backbones.load("handcrafted:big", "audio")
