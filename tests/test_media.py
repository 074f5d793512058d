"""Files to frames and waveforms: known frames and tones, in every container and shape that clips come in."""

import json
from bisect import bisect_right
from dataclasses import replace
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy.signal import resample_poly

from avgzsl.errors import ConfigError
from avgzsl.media import frames as reading
from avgzsl.media.decode import decode, probe
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from tests.media_files import RATE, numbered, numbers, tone, write

FRAMES = FrameNeeds(size=48, fps=10.0)
SOUND = SoundNeeds(RATE)
FORTY = [numbered(i) for i in range(40)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clip") / "clip.mp4", FORTY, tone(4.0))


CONTAINERS = [
    ("a.mp4", "libx264", {"g": "12", "bf": "2"}),
    ("a.mkv", "libx264", {"g": "12", "bf": "2"}),
    ("a.mov", "mpeg4", {"g": "12"}),
    ("a.avi", "libx264", {"g": "12", "bf": "2"}),
    ("a.avi", "mpeg4", {"g": "12", "bf": "2"}),
    ("a.webm", "libvpx", {"g": "12"}),
    ("a.ts", "libx264", {"g": "12", "bf": "2"}),
    ("a.flv", "flv", {"g": "12"}),
    ("a.h264", "libx264", {"g": "12"}),
]


@pytest.mark.parametrize(("name", "codec", "options"), CONTAINERS)
def test_frames_at_the_wanted_times_in_every_container(tmp_path, name, codec, options):
    file = write(tmp_path / name, FORTY, codec=codec, options=options)
    for start, end, fps in [(0.0, None, 10.0), (1.5, 2.5, 10.0), (2.0, 3.3, 4.0), (3.0, 3.5, 25.0), (3.95, None, 10.0)]:
        got = decode(file, Span(start, end), replace(FRAMES, fps=fps))
        wanted = np.arange(start, got.info["span"][1] - 1e-9, 1 / fps)
        assert numbers(got.frames) == [int(t * 10 + 1e-6) for t in wanted]
        np.testing.assert_allclose(got.times, np.floor(wanted * 10 + 1e-6) / 10, atol=2e-3)


def test_mpeg_program_streams(tmp_path):
    file = write(tmp_path / "a.mpg", [numbered(i) for i in range(100)], codec="mpeg2video", fps=25)
    got = decode(file, Span(1.0, 3.0), replace(FRAMES, fps=25.0))
    assert np.abs(np.array(numbers(got.frames)) - np.arange(25, 75)).max() <= 2  # its muxer spaces them unevenly


@pytest.mark.parametrize("count", [1, 3, 8, 100])
def test_a_number_of_frames_from_the_middles_of_equal_parts(clip, count):
    got = decode(clip, Span(1.0, 3.0), replace(FRAMES, fps=None, count=count))
    assert numbers(got.frames) == [int((1 + (i + 0.5) * 2 / count) * 10 + 1e-6) for i in range(count)]


def test_a_variable_rate_is_sampled_by_time(tmp_path):
    stamps = [0, 100, 130, 160, 900, 1400, 1410, 1900, 2500]
    file = write(tmp_path / "a.mkv", FORTY[: len(stamps)], times=stamps)
    got = decode(file, Span(0.0, 2.4), replace(FRAMES, fps=20.0))
    assert numbers(got.frames) == [bisect_right(stamps, 50 * i + 0.5) - 1 for i in range(48)]


@pytest.mark.parametrize("name", ["long.mkv", "long.mp4", "long.ts", "long.avi"])
def test_a_clip_out_of_a_long_file_decodes_little_of_it(tmp_path, monkeypatch, name):
    file = write(tmp_path / name, [numbered(i % 256, 16, 32) for i in range(3000)], fps=2, options={"g": "20"})
    decoded, original = [], reading._frames

    def counted(*arguments):
        for item in original(*arguments):
            decoded.append(item)
            yield item

    monkeypatch.setattr(reading, "_frames", counted)
    got = decode(file, Span(1300.0, 1310.0), FrameNeeds(32, fps=1.0))
    assert numbers(got.frames) == [(2600 + 2 * i) % 256 for i in range(10)]
    assert len(decoded) < 150


@pytest.mark.parametrize("late", [0.0, 0.7])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_picture_and_sound_are_of_the_same_span(tmp_path, name, late):
    frames = [numbered(255 if 20 <= i < 22 else 0) for i in range(40)]
    click = np.zeros(4 * RATE, np.float32)
    click[2 * RATE : 2 * RATE + 800] = 0.8
    file = write(tmp_path / name, frames, click, late_picture=late, late_sound=late)
    got = decode(file, Span(1.5, 2.6), FRAMES, SOUND)
    at = got.times[[i for i, n in enumerate(numbers(got.frames)) if n == 255]]
    loud = 1.5 + np.flatnonzero(np.abs(got.waveform) > 0.3) / RATE
    assert len(at) == 2 and abs(loud[0] - at[0]) < 0.01 and abs(loud[-1] - at[0] - 0.05) < 0.01
    assert len(got.waveform) == round(1.1 * RATE)


def test_a_stream_that_begins_late_is_silent_or_left_out_until_then(tmp_path):
    late = decode(write(tmp_path / "a.mkv", FORTY, tone(3.0), late_sound=1.0), Span(), FRAMES, SOUND)
    assert np.abs(late.waveform[: RATE - 400]).max() == 0 and np.abs(late.waveform[RATE + 400 :]).max() > 0.4
    late = decode(write(tmp_path / "b.mkv", FORTY, tone(5.0), late_picture=1.0), Span(), FRAMES, SOUND)
    assert late.times[0] == 1.0 and numbers(late.frames) == list(range(40))


def test_what_ends_early_gives_less_and_then_nothing(tmp_path):
    short_sound = write(tmp_path / "a.mkv", FORTY, tone(2.0))
    got = decode(short_sound, Span(), FRAMES, SOUND)
    assert len(got.frames) == 40 and abs(len(got.waveform) - 2 * RATE) < 2048
    got = decode(short_sound, Span(3.0, 4.0), FRAMES, SOUND)
    assert len(got.frames) == 10 and got.waveform is None and got.info["audio"]["rate"] == RATE
    short_picture = write(tmp_path / "b.mp4", FORTY[:20], tone(4.0))
    got = decode(short_picture, Span(), FRAMES, SOUND)
    assert len(got.frames) == 20 and abs(len(got.waveform) - 4 * RATE) < 2048
    got = decode(short_picture, Span(3.0, 4.0), FRAMES, SOUND)
    assert got.frames is None and abs(len(got.waveform) - RATE) < 20


def test_what_a_file_lacks_or_nobody_asked_for_is_none(tmp_path, clip):
    silent = decode(write(tmp_path / "a.mp4", FORTY), Span(), FRAMES, SOUND)
    assert silent.waveform is None and silent.info["audio"] is None and len(silent.frames) == 40
    dark = decode(wav(tmp_path / "a.wav", tone(1.0)), Span(), FRAMES, SOUND)
    assert dark.frames is None and dark.info["video"] is None and len(dark.waveform) == RATE
    only = decode(clip, Span(), None, SOUND)
    assert only.frames is None and only.times is None and only.waveform is not None


# Sound


def wav(path, values, rate=RATE):
    """A WAV file of int or float samples x channels, as scipy writes it."""
    from scipy.io import wavfile

    wavfile.write(path, rate, values)
    return path


@pytest.mark.parametrize(
    ("dtype", "scale", "middle"), [("u1", 128, 128), ("i2", 32768, 0), ("i4", 2**31, 0), ("f4", 1, 0), ("f8", 1, 0)]
)
def test_every_sample_format_has_full_scale_one(tmp_path, dtype, scale, middle):
    sound = tone(0.5)
    got = decode(wav(tmp_path / "a.wav", (sound.astype("f8") * scale + middle).astype(dtype)), Span(), None, SOUND)
    np.testing.assert_allclose(got.waveform, sound, atol=1.01 / min(scale, 32768))
    assert got.waveform.dtype == np.float32 and got.frames is None and got.info["video"] is None


def test_channels_are_averaged_without_the_low_frequency_one(tmp_path):
    channels = np.stack([tone(0.5, 100.0 * (i + 1), loudness=0.3) for i in range(6)], axis=1)
    stereo = decode(wav(tmp_path / "2.wav", channels[:, :2]), Span(), None, SOUND)
    np.testing.assert_allclose(stereo.waveform, channels[:, :2].mean(1), atol=1e-6)
    surround = write(tmp_path / "6.wav", sound=channels.T, sound_codec="pcm_f32le", layout="5.1", samples="flt")
    got = decode(surround, Span(), None, SOUND)
    np.testing.assert_allclose(got.waveform, channels[:, [0, 1, 2, 4, 5]].mean(1), atol=1e-6)
    assert got.info["audio"]["channels"] == 6


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_resampling_keeps_tones_and_removes_what_cannot_be_told(tmp_path, rate):
    sound = tone(1.0, 1000.0, rate)
    file = wav(tmp_path / "a.wav", sound, rate)
    got = decode(file, Span(), None, SOUND).waveform
    assert len(got) == RATE
    inner = slice(1000, -1000)
    np.testing.assert_allclose(got[inner], tone(1.0, 1000.0)[inner], atol=2e-3)
    oracle = resample_poly(sound, RATE, rate) if rate != RATE else sound
    np.testing.assert_allclose(got[inner], oracle[inner], atol=2e-3)
    if rate > 20_000:
        high = decode(wav(tmp_path / "b.wav", tone(1.0, 9_500.0, rate), rate), Span(), None, SOUND).waveform
        assert np.abs(high[inner]).max() < 1e-3


def test_a_span_of_sound_is_that_part_of_the_whole(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * RATE).astype(np.float32)
    file = wav(tmp_path / "a.wav", noise)
    got = decode(file, Span(1.25, 3.5), None, SOUND).waveform
    np.testing.assert_array_equal(got, noise[int(1.25 * RATE) : int(3.5 * RATE)])


def test_silence_is_sound(tmp_path):
    got = decode(write(tmp_path / "a.mp4", FORTY, np.zeros(4 * RATE, np.float32)), Span(), FRAMES, SOUND)
    assert abs(len(got.waveform) - 4 * RATE) < 2048 and not got.waveform.any()


def test_lossy_sound_is_the_tone_that_was_encoded(clip):
    got = decode(clip, Span(1.0, 3.0), None, SOUND).waveform
    assert len(got) == 2 * RATE
    peak = np.abs(np.fft.rfft(got * np.hanning(len(got)))).argmax() / 2.0
    assert peak == 440.0
    np.testing.assert_allclose(got, tone(4.0)[RATE : 3 * RATE], atol=0.02)


# Pictures


def smooth(height, width):
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [0.5 + 0.4 * np.sin(7 * x + 3 * y), 0.5 + 0.4 * np.cos(9 * y), 0.2 + 0.6 * x]
    return (255 * np.stack(waves, axis=2)).astype(np.uint8)


def still(path, picture, **options):
    Image.fromarray(picture).save(path, **options)
    return path


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("height", "width"), [(480, 640), (61, 47), (33, 200)])
def test_resizing_against_pillow(tmp_path, height, width, interpolation):
    picture = smooth(height, width)
    file = still(tmp_path / "a.png", picture)
    kernel = Image.Resampling[interpolation.upper()]
    stretched = decode(file, Span(), FrameNeeds(56, count=4, interpolation=interpolation)).frames
    assert stretched.shape == (1, 56, 56, 3)
    oracle = np.asarray(Image.fromarray(picture).resize((56, 56), kernel), float)
    assert np.abs(stretched[0] - oracle).mean() < 1.5
    cut = decode(file, Span(), FrameNeeds(56, count=1, short_side=64, interpolation=interpolation)).frames[0]
    scale = 64 / min(height, width)
    large = Image.fromarray(picture).resize((round(width * scale), round(height * scale)), kernel)
    left, top = (large.width - 56) // 2, (large.height - 56) // 2
    assert np.abs(cut - np.asarray(large, float)[top : top + 56, left : left + 56]).mean() < 1.5


STILLS = {
    "a.jpg": {"quality": 95, "subsampling": 0},
    "a.png": {},
    "a.bmp": {},
    "a.webp": {"lossless": True},
    "a.tiff": {},
}


@pytest.mark.parametrize("name", STILLS)
def test_a_still_picture_is_one_frame_without_sound(tmp_path, name):
    picture = smooth(48, 48)
    file = still(tmp_path / name, picture, **STILLS[name])
    got = decode(file, Span(), FRAMES, SOUND)
    assert got.frames.shape == (1, 48, 48, 3) and got.waveform is None
    assert np.abs(got.frames[0].astype(float) - picture).mean() < 2
    assert got.times.tolist() == [0.0] and got.info["duration"] is None
    json.dumps(got.info, allow_nan=False)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright_as_exif_says(tmp_path, orientation):
    picture = smooth(64, 64)
    picture[:20, :30] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = still(tmp_path / "a.jpg", picture, exif=exif, quality=95)
    oracle = np.asarray(ImageOps.exif_transpose(Image.open(file)), float)
    got = decode(file, Span(), FrameNeeds(64, count=1)).frames[0]
    assert np.abs(got - oracle).mean() < 4


ONE = 1 << 16
MATRICES = {  # a, b, u, c, d, v, x, y, w: (x, y) goes to (a x + c y, b x + d y), y downwards (ISO/IEC 14496-12, 6.2.2)
    "as it is": ((ONE, 0, 0, ONE), lambda p: p),
    "clockwise": ((0, ONE, -ONE, 0), lambda p: np.rot90(p, -1)),
    "upside down": ((-ONE, 0, 0, -ONE), lambda p: np.rot90(p, 2)),
    "counterclockwise": ((0, -ONE, ONE, 0), lambda p: np.rot90(p, 1)),
    "mirrored": ((-ONE, 0, 0, ONE), lambda p: p[:, ::-1]),
}


@pytest.mark.parametrize("turn", MATRICES)
@pytest.mark.parametrize("short_side", [None, 64])
def test_frames_stand_upright_as_the_display_matrix_says(tmp_path, turn, short_side):
    (a, b, c, d), oracle = MATRICES[turn]
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :32], picture[:32, 32:], picture[32:, :32] = 255, 160, 80
    file = write(tmp_path / "a.mp4", [picture] * 3, matrix=(a, b, 0, c, d, 0, 0, 0, 1 << 30))
    got = decode(file, Span(), FrameNeeds(64, count=1, short_side=short_side))
    assert np.abs(got.frames[0].astype(float) - oracle(picture)).mean() < 4
    assert abs(got.info["video"]["rotation"]) == {"clockwise": 90, "counterclockwise": 90, "as it is": 0}.get(turn, 180)


@pytest.mark.parametrize(
    ("codec", "pixels", "size"),
    [("ffv1", "yuv444p", (61, 47)), ("ffv1", "yuv420p10le", (60, 46)), ("libx264", "yuv420p10le", (60, 46)),
     ("ffv1", "gray", (61, 47)), ("rawvideo", "yuv422p", (32, 48)), ("libx264", "yuv444p", (61, 47))],
)  # fmt: skip
def test_odd_sizes_and_depths(tmp_path, codec, pixels, size):
    picture = smooth(*size)
    if pixels == "gray":
        picture = picture[:, :, :1].repeat(3, axis=2)
    file = write(tmp_path / "a.mkv", [picture] * 3, codec=codec, pixels=pixels)
    got = decode(file, Span(), FrameNeeds(48, count=1)).frames[0]
    oracle = np.asarray(Image.fromarray(picture).resize((48, 48), Image.Resampling.BILINEAR), float)
    assert np.abs(got - oracle).mean() < 6


def test_the_cover_of_a_sound_file_is_no_video(tmp_path):
    cover = BytesIO()
    Image.fromarray(smooth(64, 64)).save(cover, "jpeg")
    path = tmp_path / "a.mp3"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("mp3", rate=RATE, layout="mono")
        picture = container.add_stream("mjpeg", rate=1)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts = picture, 0, 0
        sound = tone(1.0)
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        packets = [*audio.encode(frame), *audio.encode(None)]
        container.mux(packet)
        container.mux(packets)
    got = decode(path, Span(), FRAMES, SOUND)
    assert got.frames is None and got.info["video"] is None and abs(len(got.waveform) - RATE) < 3000


def test_of_several_streams_the_best_are_used_and_recorded(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        sizes = [(32, 32), (96, 64)]
        videos = [container.add_stream("libx264", rate=10, options={"preset": "ultrafast"}) for _ in sizes]
        audios = [
            container.add_stream("flac", rate=rate, layout=layout)
            for rate, layout in [(8000, "mono"), (RATE, "stereo")]
        ]
        for video, (width, height) in zip(videos, sizes, strict=True):
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for first, second in (videos, audios):
            first.disposition, second.disposition = av.stream.Disposition.comment, av.stream.Disposition.default
        for index in range(10):
            for video, (width, height) in zip(videos, sizes, strict=True):
                frame = av.VideoFrame.from_ndarray(numbered(index, height, width), format="rgb24")
                frame.pts = index
                container.mux(video.encode(frame))
        for audio, rate, channels in [(audios[0], 8000, 1), (audios[1], RATE, 2)]:
            values = (np.tile(tone(1.0, rate=rate), (channels, 1)).T.reshape(1, -1) * 32767).astype(np.int16)
            for start in range(0, rate, 1000):
                piece = np.ascontiguousarray(values[:, start * channels : (start + 1000) * channels])
                frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono" if channels == 1 else "stereo")
                frame.sample_rate, frame.pts = rate, start
                container.mux(audio.encode(frame))
        for stream in [*videos, *audios]:
            container.mux(stream.encode(None))
    info = decode(path, Span(), FRAMES, SOUND).info
    assert info["video"] | {"stream": 1, "width": 96, "streams": 2, "codec": "h264"} == info["video"]
    assert info["audio"] | {"stream": 3, "rate": RATE, "streams": 2, "channels": 2} == info["audio"]


def test_the_record_is_json_and_probe_tells_the_same(clip):
    got = decode(clip, Span(0.5, 2.0), FRAMES, SOUND)
    assert json.loads(json.dumps(got.info, allow_nan=False)) == got.info
    told = probe(clip)
    assert told["duration"] == pytest.approx(4.0, abs=0.1)
    assert told["video"] | {"codec": "h264", "fps": 10.0, "width": 64, "height": 48} == told["video"]
    assert {key: value for key, value in got.info.items() if key in ("format", "duration", "audio")} == {
        key: value for key, value in told.items() if key != "video"
    }


@pytest.mark.parametrize(
    "needs",
    [
        FrameNeeds(48),
        FrameNeeds(48, fps=1.0, count=2),
        FrameNeeds(48, fps=0.0),
        FrameNeeds(48, count=-1),
        FrameNeeds(0, count=1),
    ],
)
def test_impossible_needs(clip, needs):
    with pytest.raises(ConfigError, match="FrameNeeds"):
        decode(clip, Span(), needs)
