"""Where a file, or what follows a seek, begins: damage of a first key frame is named, a legal beginning is not."""

from fractions import Fraction

import av
import numpy as np
import pytest

from avgzsl.errors import MediaError
from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from tests.media_files import RATE, numbered, numbers, tone, write

FRAMES, SOUND = FrameNeeds(size=48, fps=10.0), SoundNeeds(RATE)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
OPEN = {"preset": "veryfast", "g": "11", "bf": "2", "x264-params": "open-gop=1:scenecut=0:b-adapt=0"}


def packets(file, kind="video"):
    """The packets of a file's stream of that kind, in the order of decoding."""
    with av.open(str(file)) as container:
        return [packet for packet in container.demux(container.streams.best(kind)) if packet.size]


def damage(file, packet):
    """Overwrite the middle of a packet with random bytes, where it lies in the file."""
    data = bytearray(file.read_bytes())
    inside = bytes(packet)
    at = data.index(inside[len(inside) // 2 :][:64])
    data[at : at + 64] = np.random.default_rng(1).bytes(64)
    file.write_bytes(data)


@pytest.mark.parametrize("options", [{"g": "10"}, OPEN])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.flv"])
def test_a_damaged_first_key_frame_is_named(tmp_path, name, options):
    file = write(tmp_path / name, NOISE, options=options)
    damage(file, packets(file)[0])
    for span in (Span(), Span(0.0, 0.5), Span(0.3, 0.8)):
        with pytest.raises(MediaError, match=r"its video is damaged at 0\.\d0 s"):
            decode(file, span, FRAMES)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_damaged_key_frame_after_a_seek_is_named_and_only_in_its_group(tmp_path, name):
    file = write(tmp_path / name, NOISE, options={"g": "10"})
    whole = decode(file, Span(), FRAMES).frames
    damage(file, next(packet for packet in packets(file)[20:] if packet.is_keyframe))
    for span in (Span(2.0, 2.5), Span(2.4, 2.8)):
        with pytest.raises(MediaError, match=r"its video is damaged at 2\.\d0 s"):
            decode(file, span, FRAMES)
    np.testing.assert_array_equal(decode(file, Span(1.0, 1.6), FRAMES).frames, whole[10:16])
    np.testing.assert_array_equal(decode(file, Span(3.2, 3.8), FRAMES).frames, whole[32:38])


def test_what_follows_a_part_that_is_passed_over_is_not_taken_for_whole(tmp_path):
    file = write(tmp_path / "a.ts", NOISE, options={"g": "10"})
    whole = decode(file, Span(), FRAMES).frames
    damage(file, packets(file)[0])  # a stream of bytes: it could begin anywhere
    got = decode(file, Span(), FRAMES).frames
    np.testing.assert_array_equal(got[10:], whole[10:])
    assert all((frame == whole[10]).all() for frame in got[:10])


@pytest.mark.parametrize(("codec", "samples"), [("aac", "fltp"), ("flac", "s16")])
def test_a_damaged_first_packet_of_sound_is_named(tmp_path, codec, samples):
    sound = (NOISE.reshape(-1)[: 2 * RATE] / 256 - 0.5).astype(np.float32)
    sound = sound if samples == "fltp" else (sound * 32767).astype(np.int16)
    file = write(tmp_path / "a.mkv", sound=sound, sound_codec=codec, samples=samples)
    first = bytes(packets(file, "audio")[0])
    file.write_bytes(file.read_bytes().replace(first, b"\xff" * len(first), 1))
    with pytest.raises(MediaError, match="damaged"):
        decode(file, Span(), None, SOUND)


def copied(source, path, start, *, shift=0.0, keys_alone=True):
    """What `ffmpeg -c copy` makes of `source` from packet `start` on: a file at `path` that begins at `shift` s."""
    with av.open(str(source)) as file, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as out:
        stream = file.streams.video[0]
        copy = out.add_stream_from_template(stream)
        kept = [packet for packet in file.demux(stream) if packet.size][start:]
        assert kept[0].is_keyframe or not keys_alone
        move = kept[0].pts - round(Fraction(shift) / stream.time_base)
        for packet in kept:
            packet.pts, packet.dts = packet.pts - move, None if packet.dts is None else packet.dts - move
            packet.stream = copy
            out.mux(packet)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_copy_may_begin_with_an_open_group(tmp_path, name):
    source = write(tmp_path / "source.mp4", [numbered(i) for i in range(40)], options=OPEN)
    keys = [place for place, packet in enumerate(packets(source)) if packet.is_keyframe]
    cut = packets(source)[keys[2] :]
    number = round(float(cut[0].pts * cut[0].time_base) * 10)
    assert any(packet.pts < cut[0].pts for packet in cut)  # they refer to the group that is not there
    file = copied(source, tmp_path / name, keys[2])
    shown = list(dict.fromkeys(numbers(decode(file, Span(), FRAMES).frames)))
    assert shown == list(range(number, 40))
    assert numbers(decode(source, Span(number / 10, None), FRAMES).frames) == shown


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_copy_may_begin_before_a_key_frame(tmp_path, name):
    source = write(tmp_path / "source.mkv", [numbered(i) for i in range(40)], codec="libvpx", options={"g": "10"})
    if name == "a.mp4":
        source = write(tmp_path / "source.mp4", [numbered(i) for i in range(40)], options={"g": "10"})
    file = copied(source, tmp_path / name, 4, keys_alone=False)
    assert list(dict.fromkeys(numbers(decode(file, Span(), FRAMES).frames))) == list(range(10, 40))


def test_an_edit_list_may_begin_behind_a_key_frame(tmp_path):
    source = write(tmp_path / "source.mp4", [numbered(i) for i in range(40)], options={"g": "10"})
    file = copied(source, tmp_path / "a.mp4", 20, shift=-0.5)
    assert packets(file)[0].is_discard
    assert numbers(decode(file, Span(), FRAMES).frames)[:15] == list(range(25, 40))


def test_sound_that_was_cut_without_regard_to_its_frames_may_begin_with_a_part_of_one(tmp_path):
    sound = (tone(2.0) * 32767).astype(np.int16)
    source = write(tmp_path / "source.mkv", sound=sound, sound_codec="mp2", samples="s16")
    with av.open(str(source)) as file, av.open(str(tmp_path / "a.mkv"), "w") as out:
        copy = out.add_stream_from_template(file.streams.audio[0])
        for place, packet in enumerate(file.demux(file.streams.audio[0])):
            part = av.Packet(bytes(packet)[0 if place else 100 :])
            part.pts, part.dts, part.time_base, part.stream = packet.pts, packet.dts, packet.time_base, copy
            out.mux(part)
    got = decode(tmp_path / "a.mkv", Span(), None, SOUND).waveform
    assert np.abs(got[RATE : RATE + 1000]).max() > 0.4
