"""Cut files, decoded again: they are as long as the span, and show and sound what stands in it."""

import av
import numpy as np
import pytest
from PIL import Image

from avgzsl.errors import MediaError
from avgzsl.media.cut import Most, TooMuch, cut
from avgzsl.media.decode import decode, probe
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.media.workers import Decoders
from tests.media_files import RATE, numbered, numbers, tone, write

FPS = 10


def rising(seconds: float, rate: int = RATE) -> np.ndarray:
    """A tone that says by its frequency at which tenth of a second it is."""
    parts = [tone(0.1, 300.0 + 100 * tenth, rate) for tenth in range(round(10 * seconds))]
    return np.concatenate(parts)


def frequency(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(np.argmax(spectrum)) * rate / (8 * len(samples))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Three seconds, of which each frame and each tenth of a second say where they are; one key frame alone."""
    frames = [numbered(n) for n in range(30)]
    place = tmp_path_factory.mktemp("film") / "film.mp4"
    return write(place, frames, rising(3.0), fps=FPS, options={"g": "1000"})


@pytest.mark.parametrize(("start", "end"), [(0.0, 3.0), (1.3, 2.1), (0.7, 0.9), (2.5, None)])
def test_a_film_is_cut_to_the_frame_and_to_the_sample(film, tmp_path, start, end):
    made = cut(film, tmp_path / "piece", ".mp4", Span(start, end))
    end = 3.0 if end is None else end
    assert made.path == tmp_path / "piece.mp4" and made.seconds == pytest.approx(end - start, abs=0.03)
    facts = probe(made.path)
    assert facts["video"]["fps"] == FPS and (facts["video"]["width"], facts["video"]["height"]) == (64, 48)
    assert facts["duration"] == pytest.approx(end - start, abs=0.03)
    again = decode(made.path, frames=FrameNeeds(size=48, fps=float(FPS)), sound=SoundNeeds(rate=RATE))
    first, last = round(start * FPS), round(end * FPS)
    assert numbers(again.frames) == list(range(first, last))
    assert len(again.waveform) == pytest.approx((end - start) * RATE, abs=0.03 * RATE)
    for tenth in range(last - first):
        here = again.waveform[round((tenth + 0.02) * RATE / 10 + 0.01 * RATE) : round((tenth + 1) * RATE / 10)]
        assert frequency(here, RATE) == pytest.approx(300 + 100 * (first + tenth), abs=40)


def test_sound_alone_gives_a_sound_of_as_many_samples_and_channels(tmp_path):
    left, right = tone(3.0, 440.0), tone(3.0, 880.0, loudness=0.25)
    place = write(
        tmp_path / "both.wav", sound=np.stack([left, right]), layout="stereo", sound_codec="pcm_f32le", samples="flt"
    )
    made = cut(place, tmp_path / "piece", ".wav", Span(1.0, 2.25))
    assert made.path.name == "piece.flac" and made.seconds == 1.25 and made.bytes == made.path.stat().st_size
    with av.open(str(made.path)) as container:
        assert container.streams.audio[0].codec_context.layout.name == "stereo"
        samples = np.concatenate([f.to_ndarray().reshape(-1, 2).T for f in container.decode(audio=0)], axis=1)
    assert samples.shape == (2, round(1.25 * RATE))
    np.testing.assert_allclose(samples[0] / 32767, left[RATE : round(2.25 * RATE)], atol=2e-4)
    np.testing.assert_allclose(samples[1] / 32767, right[RATE : round(2.25 * RATE)], atol=2e-4)


def test_a_sound_of_another_rate_is_as_long(tmp_path):
    place = write(
        tmp_path / "odd.wav", sound=tone(2.0, 440.0, 11_000), rate=11_000, sound_codec="pcm_f32le", samples="flt"
    )
    made = cut(place, tmp_path / "piece", ".wav", Span(0.5, 1.5))
    facts = probe(made.path)
    assert facts["audio"]["rate"] == 48_000 and facts["duration"] == pytest.approx(1.0, abs=1e-3)
    assert frequency(decode(made.path, sound=SoundNeeds(rate=48_000)).waveform, 48_000) == pytest.approx(440, abs=2)


def test_more_channels_than_two_become_one(tmp_path):
    place = write(
        tmp_path / "many.wav", sound=np.stack([tone(1.0)] * 6), layout="5.1", sound_codec="pcm_f32le", samples="flt"
    )
    made = cut(place, tmp_path / "piece", ".wav", Span(0.25, 0.75))
    facts = probe(made.path)
    assert facts["audio"]["channels"] == 1 and facts["duration"] == 0.5


def test_a_film_of_which_the_picture_is_over_gives_its_sound(tmp_path):
    place = write(tmp_path / "long.mkv", [numbered(n) for n in range(10)], tone(3.0), fps=FPS)
    made = cut(place, tmp_path / "piece", ".mkv", Span(2.0, 2.5))
    assert made.path.suffix == ".flac" and probe(made.path)["duration"] == pytest.approx(0.5, abs=0.01)


def test_a_picture_is_copied(tmp_path):
    Image.fromarray(numbered(7)).save(tmp_path / "still.png")
    made = cut(tmp_path / "still.png", tmp_path / "piece", ".PNG")
    assert made.path.name == "piece.PNG" and made.seconds is None
    assert made.path.read_bytes() == (tmp_path / "still.png").read_bytes()


def test_what_is_too_long_or_too_large_leaves_nothing(film, tmp_path):
    Image.fromarray(numbered(7)).save(tmp_path / "still.png")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(TooMuch, match=r"film.mp4: is 3.0 s long; at most 2.0 s more"):
        cut(film, out / "piece", ".mp4", most=Most(seconds=2.0))
    for place in (film, tmp_path / "still.png"):
        with pytest.raises(TooMuch, match="more than the 50 bytes"):
            cut(place, out / "piece", ".x", most=Most(size=50))
    with pytest.raises(MediaError, match=r"film.mp4: is 3.00 s long; the span from 5.0") as caught:
        cut(film, out / "piece", ".mp4", Span(5.0, 6.0))
    assert not isinstance(caught.value, TooMuch) and list(out.iterdir()) == []


def test_it_is_cut_in_a_process_with_limits(film, tmp_path):
    with Decoders(1) as decoders:
        made = decoders.call(cut, film, tmp_path / "piece", ".mp4", Span(1.0, 2.0), Most(10.0, 1 << 30))
        assert made.path.is_file() and made.seconds == 1.0
        with pytest.raises(TooMuch):
            decoders.call(cut, film, tmp_path / "other", ".mp4", Span(1.0, 2.0), Most(0.5, 1 << 30))
