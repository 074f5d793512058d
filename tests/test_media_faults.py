"""What is no media file, or a damaged one, ends in one named error: its path and the reason."""

import os
import shutil
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from avgzsl.errors import MediaError
from avgzsl.media.decode import decode, probe
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from tests.media_files import RATE, numbered, numbers, tone, write

FRAMES, SOUND = FrameNeeds(size=48, fps=10.0), SoundNeeds(RATE)
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    noise = RANDOM.integers(0, 256, (40, 48, 64, 3), np.uint8)
    folder = tmp_path_factory.mktemp("clip")
    return write(folder / "clip.mp4", noise, tone(4.0), format_options={"movflags": "faststart"}, options={"g": "10"})


def refused(path, match, span=Span(), frames=FRAMES, sound=SOUND):  # noqa: B008
    """The message of the one error, which begins with the path."""
    with pytest.raises(MediaError, match=match) as caught:
        decode(path, span, frames, sound)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_regular_file(tmp_path):
    refused(tmp_path / "absent.mp4", "no such file")
    refused(tmp_path, "a folder")
    refused(Path("/dev/zero"), "no regular file")
    os.mkfifo(tmp_path / "pipe.mp4")
    refused(tmp_path / "pipe.mp4", "no regular file")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        refused(tmp_path / "s", "no regular file")
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", "0 bytes")
    refused(Path("a\0b"), "no name of a file")


def test_a_name_is_never_interpreted(tmp_path, monkeypatch, clip):
    monkeypatch.chdir(tmp_path)
    for name in ("http:", "concat:a|b", "%03d.png", "-", "pipe:0", "file,crypto:x.mp4", "a*.mp4"):
        shutil.copy(clip, tmp_path / name)
        assert decode(Path(name), Span(0.0, 1.0), FRAMES).frames is not None
    for name in ("http://localhost/a.mp4", "concat:clip.mp4|clip.mp4", "testsrc"):
        refused(Path(name), "no such file")


@pytest.mark.parametrize(
    "content",
    [
        "just some words, renamed\n" * 100,
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{clip}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{clip}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        '<Representation id="0"><BaseURL>{clip}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "1\n00:00:00,000 --> 00:00:02,000\nwords\n\n",
        "[Script Info]\nTitle: words\n",
        '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.m3u8", "a.txt"])
def test_text_and_lists_of_files_are_not_followed(tmp_path, clip, content, name):
    (tmp_path / name).write_text(content.replace("{clip}", str(clip)))
    refused(tmp_path / name, "no media file|not read")


def test_a_movie_that_refers_to_another_file_does_not_open_it(tmp_path, clip):
    data = bytearray(clip.read_bytes())
    at = data.index(b"url \x00\x00\x00\x01") + 7  # the flag "the media is in this file"
    data[at] = 0
    (tmp_path / "a.mp4").write_bytes(data)
    assert decode(tmp_path / "a.mp4", Span(0.0, 1.0), FRAMES).frames is not None


def test_neither_picture_nor_sound(tmp_path):
    import av

    with av.open(str(tmp_path / "a.ts"), "w") as container:
        stream = container.add_data_stream("bin_data")
        for index in range(20):
            packet = av.Packet(bytes(1000))
            packet.stream, packet.pts, packet.dts = stream, index * 9000, index * 9000
            container.mux(packet)
    refused(tmp_path / "a.ts", "neither picture nor sound .streams: data")


def test_a_file_cut_short(tmp_path, clip):
    data = clip.read_bytes()
    for part in (0.35, 0.5, 0.8, 0.97):
        (tmp_path / "a.mp4").write_bytes(data[: int(len(data) * part)])
        refused(tmp_path / "a.mp4", "cut short|damaged")
    late_index = write(tmp_path / "b.mp4", [numbered(i) for i in range(20)])
    (tmp_path / "b.mp4").write_bytes(late_index.read_bytes()[:-300])
    refused(tmp_path / "b.mp4", "cut short")


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.wav", "a.flac"])
def test_other_kinds_cut_short(tmp_path, name):
    frames = [] if name[2:] in ("wav", "flac") else RANDOM.integers(0, 256, (40, 48, 64, 3), np.uint8)
    codecs = {"wav": ("pcm_s16le", "s16"), "flac": ("flac", "s16"), "avi": ("pcm_s16le", "s16"), "mkv": ("flac", "s16")}
    codec, samples = codecs[name[2:]]
    sound = (tone(4.0) * 32767).astype(np.int16)
    file = write(tmp_path / name, frames, sound, sound_codec=codec, samples=samples)
    assert len(decode(file, Span(), FRAMES, SOUND).waveform) == 4 * RATE
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    refused(file, "cut short|damaged at 2")


def test_damage_in_the_middle_is_named_and_only_within_the_span(tmp_path, clip):
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat")
    at = start + (len(data) - start) * 6 // 10
    data[at : at + 400] = bytes(RANDOM.integers(0, 256, 400, np.uint8))
    (tmp_path / "a.mp4").write_bytes(data)
    refused(tmp_path / "a.mp4", "damaged")
    before = decode(tmp_path / "a.mp4", Span(0.0, 1.0), FRAMES, SOUND)
    whole = decode(clip, Span(0.0, 1.0), FRAMES, SOUND)
    np.testing.assert_array_equal(before.frames, whole.frames)
    np.testing.assert_array_equal(before.waveform, whole.waveform)


def test_a_recording_may_begin_in_the_middle_of_a_group_of_pictures(tmp_path):
    file = write(tmp_path / "a.ts", [numbered(i) for i in range(80)], options={"g": "10"})
    data = file.read_bytes()
    file.write_bytes(data[188 * (len(data) // 188 * 3 // 10) :])
    shown = sorted(set(numbers(decode(file, Span(), FRAMES).frames)))
    assert shown == list(range(shown[0], 80)) and shown[0] % 10 == 0 and 0 < shown[0] < 50


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("start", "end"), [(-1.0, 2.0), (2.0, 2.0), (3.0, 1.0), (NAN, 1.0), (0.0, NAN), (INF, None), (0.0, INF)]
)
def test_impossible_spans(clip, start, end):
    refused(clip, "0 <= start < end", Span(start, end))


def test_a_span_beyond_the_end_says_how_long_the_file_is(clip):
    length = probe(clip)["duration"]
    for span in (Span(10.0, 11.0), Span(3.0, length + 0.6), Span(length), Span(0.0, 600.0)):
        assert f"is {length:.2f} s long" in refused(clip, "long", span)
    assert decode(clip, Span(3.0, length + 0.4), FRAMES).info["span"] == [3.0, length]


def test_a_span_that_is_too_long_or_frames_that_are_too_many(tmp_path, monkeypatch):
    file = write(tmp_path / "a.mp4", [numbered(i % 256, 16, 16) for i in range(700)], fps=1)
    refused(file, "700 s are more than the 600 s.*--window")
    refused(file, "take more than 1 GiB.*--window", Span(0.0, 600.0), FrameNeeds(size=224, fps=30.0))
    assert len(decode(file, Span(50.0, 650.0), FrameNeeds(16, fps=0.1)).frames) == 60
    with pytest.raises(MediaError, match="still picture"):
        decode(still(tmp_path / "a.png", 4, 4), Span(1.0), FRAMES)


def still(path, width, height):
    """A PNG that claims this size, and holds its first row."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * min(height, 4)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def test_pictures_that_would_fill_the_memory(tmp_path):
    refused(still(tmp_path / "a.png", 10_000, 10_000), "megapixel")
    long = still(tmp_path / "b.png", 60_000, 2)
    refused(long, "too long", frames=FrameNeeds(224, count=1, short_side=256))


@pytest.mark.parametrize("rate", [1, 4_000_000_000])
def test_absurd_rates(tmp_path, rate):
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, min(2 * rate, 2**32 - 1), 2, 16)
    data = struct.pack("<4sI4s", b"RIFF", 44, b"WAVE") + form + struct.pack("<4sI", b"data", 8)
    (tmp_path / "a.wav").write_bytes(data + bytes(8))
    refused(tmp_path / "a.wav", "samples a second|cannot be decoded|unknown or damaged|holds nothing|long")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e38])
def test_sound_that_is_no_number(tmp_path, bad):
    from scipy.io import wavfile

    sound = tone(1.0)
    sound[5000] = bad
    wavfile.write(tmp_path / "a.wav", RATE, sound)
    refused(tmp_path / "a.wav", "no numbers")


def test_nothing_of_the_decoder_reaches_the_terminal(tmp_path, clip, capfd):
    data = bytearray(clip.read_bytes())
    data[-3000:-100:50] = bytes(len(data[-3000:-100:50]))
    (tmp_path / "a.mp4").write_bytes(data)
    refused(tmp_path / "a.mp4", "damaged")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seed", range(40))
def test_changed_bytes_and_cuts_give_a_clip_or_one_named_error(tmp_path, clip, seed):
    random = np.random.default_rng(seed)
    data = bytearray(clip.read_bytes())
    if seed % 4 == 3:
        del data[random.integers(len(data)) :]
    else:
        for at in random.integers(0, 1200 if seed % 4 else len(data), 1 + 3 * seed):
            data[at] = random.integers(256)
    (tmp_path / "a.mp4").write_bytes(data)
    try:
        got = decode(tmp_path / "a.mp4", Span(), FRAMES, SOUND)
    except MediaError as problem:
        reason = str(problem)
    else:
        reason = f"{tmp_path / 'a.mp4'}: {len(got.info)}"
    assert reason.startswith(f"{tmp_path / 'a.mp4'}: ")
