"""Many channels, channels in any order, and channels that cancel each other."""

import subprocess
import sys

import numpy as np
import pytest

from avgzsl.media import sound as sounds
from avgzsl.media.decode import decode
from avgzsl.media.needs import SoundNeeds, Span
from tests.media_files import numbered, tone, write
from tests.media_sounds import RATE, heard, many, stereo

SOUND = SoundNeeds(RATE)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


@pytest.mark.parametrize(
    ("name", "codec", "layout", "close"),
    [
        ("a.m4a", "aac", "7.1", 0.1),
        ("a.mkv", "aac", "7.1", 0.1),
        ("a.opus", "libopus", "7.1", 0.02),
        ("a.webm", "libopus", "7.1", 0.02),
        ("a.flac", "flac", "7.1", 1e-4),
        ("a.mkv", "flac", "7.1", 1e-4),
        ("a.wv", "wavpack", "7.1", 0.01),
        ("a.tta", "tta", "12 channels", 0.01),
        ("a.nut", "pcm_s16le_planar", "16 channels", 1e-4),
        ("a.mkv", "alac", "7.1(wide)", 1e-4),
        ("a.wav", "pcm_s16le", "7.1", 1e-4),
        ("a.wav", "pcm_s24le", "64 channels", 1e-4),
        ("a.wav", "pcm_u8", "8 channels", 0.01),
        ("a.caf", "pcm_s16le", "7.1.4", 1e-4),
        ("a.w64", "pcm_s32le", "24 channels", 1e-4),
        ("a.mov", "pcm_f32le", "7.1", 1e-4),
        ("a.m2ts", "pcm_bluray", "7.1", 1e-4),
        ("a.mkv", "flac", "5.1", 1e-4),
        ("a.flac", "flac", "6.1", 1e-4),
    ],
)
def test_many_channels_are_their_mean_without_the_low_frequency_one(tmp_path, name, codec, layout, close):
    file, channels = many(tmp_path / name, codec, layout)
    got = decode(file, sound=SOUND)
    assert got.info["audio"]["channels"] == len(channels)
    # the first samples of AAC are its run-in
    expected, found = heard(channels, layout)[2048:28000], got.waveform[2048:28000]
    n = min(len(expected), len(found))
    assert n > 25_000 and np.abs(found[:n] - expected[:n]).max() < close
    assert rms(found[:n]) == pytest.approx(rms(expected[:n]), rel=0.02)


def test_eight_channels_beside_a_film(tmp_path):
    file, channels = many(tmp_path / "a.mp4", "aac", "7.1", frames=[numbered(i) for i in range(6)])
    got = decode(file, Span(0.2, 0.5), sound=SOUND)
    assert rms(got.waveform) == pytest.approx(rms(heard(channels, "7.1")[9600:24000]), rel=0.02)


def test_channels_listed_in_an_order_of_their_own(tmp_path):
    """In a process of its own: the decoder's library frees such a list twice, and ends the process."""
    order = "FL+FR+LFE+BL+BR+SL+SR+FC"
    file, channels = many(tmp_path / "a.caf", "pcm_s16le", "7.1")
    labels = [1, 2, 4, 5, 6, 10, 11, 3]  # of the chunk `chan` (Core Audio Format), in this order
    content = file.read_bytes()
    at = content.index(b"chan")
    listed = b"".join(label.to_bytes(4, "big") + bytes(16) for label in labels)
    chunk = b"chan" + (12 + len(listed)).to_bytes(8, "big") + bytes(8) + len(labels).to_bytes(4, "big") + listed
    file.write_bytes(content[:at] + chunk + content[at + 12 + int.from_bytes(content[at + 4 : at + 12], "big") :])
    code = (
        "import sys, numpy as np\nfrom avgzsl.media.decode import decode\nfrom avgzsl.media.needs import SoundNeeds\n"
        "for _ in range(4): got = decode(sys.argv[1], sound=SoundNeeds(48000))\n"
        "print(got.info['audio']['layout']); np.save(sys.argv[2], got.waveform)"
    )
    ran = subprocess.run([sys.executable, "-c", code, file, tmp_path / "a.npy"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "") and order in ran.stdout
    expected = channels[[0, 1, 3, 4, 5, 6, 7]].mean(axis=0)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), expected, atol=1e-4)


@pytest.mark.parametrize("gain", [1.0, 0.9])
@pytest.mark.parametrize("correlation", [1.0, 0.9, 0.5, 0.0, -0.5, -0.9, -0.95, -0.995, -0.9999, -1.0])
def test_channels_that_cancel_are_heard(tmp_path, correlation, gain):
    """The mean as ever, until less than a hundredth of the power is left; then about as loud as the channels are."""
    channels = stereo(correlation, gain=gain)
    file = write(tmp_path / "a.flac", (), channels, rate=RATE, sound_codec="flac", layout="stereo", samples="flt")
    got = decode(file, sound=SOUND).waveform
    if correlation > -0.98:
        np.testing.assert_allclose(got, channels.mean(axis=0), atol=1e-4)
    else:
        assert rms(got) == pytest.approx(rms(channels), rel=0.06)
        assert np.corrcoef(got, channels[0])[0, 1] > 0.99


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.mp3", "mp3"), ("a.opus", "libopus")])
def test_lossy_codecs_leave_a_rest_of_what_cancels(tmp_path, name, codec):
    both = np.stack([tone(1.0, rate=RATE), -tone(1.0, rate=RATE)])
    file = write(tmp_path / name, (), both, rate=RATE, sound_codec=codec, layout="stereo", samples="flt")
    got = decode(file, Span(0.1, 0.9), sound=SOUND).waveform
    assert rms(got) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_where_a_part_cancels_that_part_is_heard_and_the_rest_is_the_mean(tmp_path):
    channels = np.concatenate([stereo(0.5), stereo(-1.0), stereo(0.3, seed=1)], axis=1)
    file = write(tmp_path / "a.wav", (), channels, rate=RATE, sound_codec="pcm_f32le", layout="stereo", samples="flt")
    got = decode(file, sound=SOUND).waveform
    expected = channels.mean(axis=0)
    expected[2 * RATE : 4 * RATE] = channels[0, 2 * RATE : 4 * RATE]
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("at_once", [1, 30_000, 100_000])
def test_the_mean_is_the_same_however_much_of_it_is_taken_at_once(tmp_path, monkeypatch, at_once):
    """Frames lie across the half seconds for which it is decided whether channels cancel."""
    channels = np.concatenate([stereo(0.5), stereo(-1.0), stereo(0.3, seed=1), stereo(-0.999)], axis=1)
    file = write(tmp_path / "a.flac", (), channels, rate=RATE, sound_codec="flac", layout="stereo", samples="flt")
    whole = decode(file, Span(0.3, 7.7), sound=SOUND).waveform
    monkeypatch.setattr(sounds, "_AT_ONCE", at_once)
    np.testing.assert_array_equal(decode(file, Span(0.3, 7.7), sound=SOUND).waveform, whole)


def test_a_pair_in_antiphase_among_six_channels_and_one_channel_alone(tmp_path):
    front = tone(1.0, rate=RATE)
    six = np.zeros((6, RATE), np.float32)
    six[0], six[1] = front, -front
    file = write(tmp_path / "a.wav", (), six, rate=RATE, sound_codec="pcm_f32le", layout="5.1", samples="flt")
    np.testing.assert_allclose(decode(file, sound=SOUND).waveform, 2 * front / 5, atol=1e-6)
    six[1] = 0
    file = write(tmp_path / "b.wav", (), six, rate=RATE, sound_codec="pcm_f32le", layout="5.1", samples="flt")
    np.testing.assert_allclose(decode(file, sound=SOUND).waveform, front / 5, atol=1e-6)


def test_usual_stereo_is_the_mean_to_the_bit(tmp_path):
    whole = (stereo(0.4) * 32000).clip(-32768, 32767).astype(np.int16)
    file = write(tmp_path / "a.wav", (), whole, rate=RATE, sound_codec="pcm_s16le", layout="stereo", samples="s16")
    mean = (whole.astype(np.float64).mean(axis=0) / 32768).astype(np.float32)
    np.testing.assert_array_equal(decode(file, sound=SOUND).waveform, mean)


def test_a_layout_that_changes_in_the_middle(tmp_path):
    """Mono, then stereo: two recordings of AAC in one stream of bytes, as broadcasts change between programmes."""
    parts = []
    for layout, channels in (("mono", tone(1.0, rate=RATE)[None]), ("stereo", np.stack([tone(1.0, rate=RATE)] * 2))):
        file = write(tmp_path / "a.aac", (), channels, rate=RATE, layout=layout, samples="flt")
        parts.append(file.read_bytes())
    (tmp_path / "b.aac").write_bytes(b"".join(parts))
    got = decode(tmp_path / "b.aac", sound=SOUND).waveform
    assert rms(got[5000:40000]) == pytest.approx(0.354, abs=0.01) == rms(got[60000:90000])
