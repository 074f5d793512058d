"""Frames and waveform to a file, previews, and long files cut into windows."""

from io import BytesIO

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from avgzsl.errors import AvgzslError, ConfigError, MediaError
from avgzsl.media.decode import decode, probe
from avgzsl.media.encode import encode
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.media.preview import preview, thumbnail
from avgzsl.media.windows import seconds, windows
from tests.media_files import RATE, numbered, numbers, tone, write

FRAMES, SOUND = FrameNeeds(size=48, fps=10.0), SoundNeeds(RATE)
FORTY = np.stack([numbered(i) for i in range(40)])


@pytest.mark.parametrize("fps", [10.0, 12.5, 29.97])
def test_what_is_encoded_is_decoded(tmp_path, fps):
    encode(tmp_path / "a.mp4", FORTY, fps, tone(40 / fps), RATE)
    got = decode(tmp_path / "a.mp4", Span(), FrameNeeds(size=48, fps=fps), SOUND)
    assert numbers(got.frames) == list(range(40))
    assert got.info["video"]["fps"] == pytest.approx(fps, rel=1e-3)
    np.testing.assert_allclose(got.waveform[2000:20_000], tone(1.25)[2000:], atol=0.03)


def test_odd_sizes_lose_a_row_and_a_column_and_sound_may_be_absent(tmp_path):
    encode(tmp_path / "a.mp4", FORTY[:, :47, :63], 10.0)
    told = probe(tmp_path / "a.mp4")
    assert (told["video"]["width"], told["video"]["height"], told["audio"]) == (62, 46, None)


def test_loud_sound_is_clipped_and_colours_stay(tmp_path):
    colours = np.zeros((10, 48, 48, 3), np.uint8) + np.array([200, 60, 30], np.uint8)
    encode(tmp_path / "a.mp4", colours, 10.0, 4 * tone(1.0), RATE)
    got = decode(tmp_path / "a.mp4", Span(), FRAMES, SOUND)
    with av.open(str(tmp_path / "a.mp4")) as container:
        loudest = max(np.abs(frame.to_ndarray()).max() for frame in container.decode(audio=0))
    assert loudest < 1.4 and np.abs(got.waveform).max() <= 1.0
    assert np.abs(got.frames[3].astype(float) - colours[3]).max() < 6


@pytest.mark.parametrize(
    ("frames", "fps", "rate"), [(FORTY[:0], 10.0, RATE), (FORTY[:, :1], 10.0, RATE), (FORTY, 0.0, RATE),
                                (FORTY, float("nan"), RATE), (FORTY, 10.0, None), (FORTY, 10.0, 17_000)],
)  # fmt: skip
def test_what_cannot_be_encoded(tmp_path, frames, fps, rate):
    with pytest.raises(MediaError, match=r"a\.mp4: "):
        encode(tmp_path / "a.mp4", frames, fps, tone(1.0), rate)
    assert not list(tmp_path.iterdir())


def test_a_file_is_whole_or_absent(tmp_path, monkeypatch):
    encode(tmp_path / "a.mp4", FORTY, 10.0)
    before = (tmp_path / "a.mp4").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("avgzsl.media.encode._add_video", full)
    with pytest.raises(AvgzslError, match="No space left"):
        encode(tmp_path / "a.mp4", FORTY, 10.0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == before


# What a page shows


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    return write(folder / "a.mkv", [numbered(i, 96, 128) for i in range(40)], tone(4.0), codec="ffv1", pixels="yuv420p")


def test_a_thumbnail_is_the_middle_of_the_span(clip):
    shown = Image.open(BytesIO(thumbnail(clip, Span(1.0, 2.0), 64)))
    assert shown.format == "JPEG" and shown.size == (64, 48)
    assert numbers(np.asarray(shown)[None]) == [15]
    assert Image.open(BytesIO(thumbnail(clip))).size == (128, 96)


def test_a_preview_is_an_mp4_of_the_span(tmp_path, clip):
    preview(clip, tmp_path / "a.mp4", Span(1.0, 3.0), 64)
    told = probe(tmp_path / "a.mp4")
    assert told["video"] | {"codec": "h264", "width": 64, "height": 48, "fps": 25.0} == told["video"]
    assert told["audio"]["codec"] == "aac" and told["duration"] == pytest.approx(2.0, abs=0.06)
    got = decode(tmp_path / "a.mp4", Span(0.0, 2.0), FrameNeeds(size=48, fps=5.0), SOUND)
    assert numbers(got.frames) == list(range(10, 30, 2))
    np.testing.assert_allclose(got.waveform[2000:-4000], tone(4.0)[RATE + 2000 : 3 * RATE - 4000], atol=0.08)


def test_sound_alone_has_a_preview_and_a_picture_a_thumbnail(tmp_path):
    sound = write(
        tmp_path / "a.wav", sound=(tone(2.0) * 32767).astype(np.int16), sound_codec="pcm_s16le", samples="s16"
    )
    preview(sound, tmp_path / "a.mp4")
    assert probe(tmp_path / "a.mp4")["video"] is None
    with pytest.raises(MediaError, match=r"a\.wav: has no picture"):
        thumbnail(sound)
    Image.fromarray(numbered(77)).save(tmp_path / "a.png")
    assert Image.open(BytesIO(thumbnail(tmp_path / "a.png"))).size == (64, 48)
    with pytest.raises(MediaError, match=r"a\.png: is a still picture"):
        preview(tmp_path / "a.png", tmp_path / "b.mp4")
    assert not (tmp_path / "b.mp4").exists()


# Windows


@pytest.mark.parametrize(
    ("text", "value"),
    [("10s", 10.0), ("500ms", 0.5), ("1m", 60.0), ("1.5min", 90.0), ("2h", 7200.0), ("3", 3.0), (" .5 s ", 0.5)],
)
def test_lengths_of_time(text, value):
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "s", "0", "0s", "-1", "1e3", "10 sec", "1,5s", "inf", "nan", "1s2", "٣s", "9" * 400]
)
def test_what_is_no_length_of_time(text):
    with pytest.raises(ConfigError, match="no length of time"):
        seconds(text)


@pytest.mark.parametrize(
    ("duration", "window", "hop", "expected"),
    [
        (30.0, 10.0, None, [(0, 10), (10, 20), (20, 30)]),
        (35.0, 10.0, None, [(0, 10), (10, 20), (20, 30), (30, 35)]),
        (34.9, 10.0, None, [(0, 10), (10, 20), (20, 30)]),
        (20.0, 10.0, 5.0, [(0, 10), (5, 15), (10, 20)]),
        (22.0, 10.0, 5.0, [(0, 10), (5, 15), (10, 20), (15, 22)]),
        (3.0, 10.0, 5.0, [(0, 3)]),
        (25.0, 10.0, 12.0, [(0, 10), (12, 22)]),
    ],
)
def test_windows(duration, window, hop, expected):
    assert [(span.start, span.end) for span in windows(duration, window, hop)] == expected


@given(st.floats(0.05, 500), st.floats(0.5, 50), st.floats(0.3, 50))
def test_windows_lie_in_the_file_and_no_half_window_is_lost(duration, window, hop):
    spans = windows(duration, window, hop)
    assert all(0 <= span.start < span.end <= duration + 1e-6 for span in spans)
    np.testing.assert_allclose([span.start for span in spans], hop * np.arange(len(spans)), atol=1e-6)
    assert all(span.end - span.start >= min(window / 2, duration) - 1e-6 for span in spans)
    following = len(spans) * hop
    assert spans[-1].end >= duration - 1e-5 or duration - following < window / 2 + 1e-6


@pytest.mark.parametrize(
    ("duration", "window", "hop"), [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, -1.0), (9.0, 1.0, float("nan"))]
)
def test_impossible_windows(duration, window, hop):
    with pytest.raises(ConfigError, match="above zero"):
        windows(duration, window, hop)
