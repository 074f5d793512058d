"""The outline of a sound, against one that is counted sample by sample."""

import numpy as np
import pytest
from PIL import Image

from avgzsl.errors import MediaError
from avgzsl.media.needs import Span
from avgzsl.media.peaks import COUNT, peaks
from tests.media_files import RATE, numbered, tone, write
from tests.media_sounds import stereo


def wav(path, sound, rate=RATE, layout="mono"):
    """A file that holds these very samples."""
    return write(path, sound=sound, rate=rate, sound_codec="pcm_f32le", samples="flt", layout=layout)


def counted(samples, count=COUNT):
    """The least and the greatest of each part, looked for sample by sample."""
    found = []
    for part in range(count):
        first, last = part * len(samples) // count, (part + 1) * len(samples) // count
        least = greatest = float(samples[first])
        for sample in samples[first:last].tolist():
            least, greatest = min(least, sample), max(greatest, sample)
        found.append((least, greatest))
    return np.array(found, np.float32)


def swelling(seconds, rate=RATE):
    """A tone that grows, beside a beat, so that every part differs from its neighbours."""
    time = np.arange(round(seconds * rate)) / rate
    return (tone(seconds, 233.0, rate) * time / seconds + 0.2 * np.sin(2 * np.pi * 1.3 * time)).astype(np.float32)


@pytest.mark.parametrize(("seconds", "rate"), [(1.0, 16_000), (2.3, 44_100), (0.61, 8_000)])
def test_each_part_has_its_least_and_its_greatest_sample(tmp_path, seconds, rate):
    sound = swelling(seconds, rate)
    found = peaks(wav(tmp_path / "a.wav", sound, rate))
    assert (found.start, found.seconds) == (0.0, pytest.approx(seconds, abs=1 / rate))
    np.testing.assert_array_equal(found.parts, counted(sound))


def test_the_outline_is_that_of_the_span(tmp_path):
    sound = swelling(3.0)
    found = peaks(wav(tmp_path / "a.wav", sound), Span(1.0, 2.5))
    assert (found.start, found.seconds) == (1.0, 1.5)
    np.testing.assert_array_equal(found.parts, counted(sound[RATE : 5 * RATE // 2]))


def test_a_short_sound_has_a_part_a_sample(tmp_path):
    sound = swelling(0.01)
    found = peaks(wav(tmp_path / "a.wav", sound))
    np.testing.assert_array_equal(found.parts, np.stack([sound, sound], axis=1))


def test_silence_is_a_line(tmp_path):
    found = peaks(wav(tmp_path / "a.wav", np.zeros(RATE, np.float32)))
    assert found.parts.shape == (COUNT, 2) and not found.parts.any()


def test_what_is_louder_than_full_is_full(tmp_path):
    found = peaks(wav(tmp_path / "a.wav", 3 * tone(1.0, 400.0)))
    np.testing.assert_array_equal(found.parts, np.tile(np.float32([-1, 1]), (COUNT, 1)))


def test_of_two_channels_it_is_the_mean(tmp_path):
    both = stereo(0.3, 1.0, gain=2.0)
    found = peaks(wav(tmp_path / "a.wav", both, 48_000, "stereo"))
    np.testing.assert_allclose(found.parts, counted(both.mean(axis=0)), atol=1e-7)


def test_where_the_sound_is_not_yet_or_no_more_it_is_silent(tmp_path):
    sound = (tone(1.0, 400.0) * 32767).astype(np.int16)
    film = write(
        tmp_path / "a.mkv",
        [numbered(i) for i in range(30)],
        sound,
        sound_codec="pcm_s16le",
        samples="s16",
        late_sound=1.0,
    )
    found = peaks(film)
    third = COUNT // 3
    assert found.seconds == pytest.approx(3.0, abs=0.05)
    assert not found.parts[: third - 4].any() and not found.parts[2 * third + 8 :].any()
    assert (found.parts[third + 4 : 2 * third - 4, 1] > 0.4).all()


def test_what_does_not_sound_has_none(tmp_path):
    Image.fromarray(numbered(7)).save(tmp_path / "a.png")
    assert peaks(tmp_path / "a.png") is None
    assert peaks(write(tmp_path / "a.mp4", [numbered(i) for i in range(9)])) is None


def test_a_broken_file_is_said_to_be_one(tmp_path):
    whole = wav(tmp_path / "a.wav", swelling(2.0))
    (tmp_path / "b.wav").write_bytes(whole.read_bytes()[:9000])
    (tmp_path / "c.wav").write_bytes(b"no sound at all")
    for name in ("b.wav", "c.wav", "gone.wav"):
        with pytest.raises(MediaError, match=name.replace(".", r"\.")):
            peaks(tmp_path / name)
    with pytest.raises(MediaError, match="is not in it"):
        peaks(whole, Span(1.0, 5.0))
