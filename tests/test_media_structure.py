"""Files that are shorter than they say, or whose index does not hold together, are refused; legal oddities are not."""

import numpy as np
import pytest

from avgzsl.errors import MediaError
from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.media.structure import check_boxes, check_riff
from tests.media_files import RATE, numbered, numbers, tone, write

FRAMES, SOUND = FrameNeeds(size=48, fps=10.0), SoundNeeds(RATE)
FORTY = [numbered(i) for i in range(40)]


@pytest.fixture(scope="module")
def mp4(tmp_path_factory):
    return write(tmp_path_factory.mktemp("mp4") / "a.mp4", FORTY, tone(4.0)).read_bytes()


@pytest.fixture(scope="module")
def avi(tmp_path_factory):
    sound = (tone(4.0) * 32767).astype(np.int16)
    file = tmp_path_factory.mktemp("avi") / "a.avi"
    return write(file, FORTY, sound, codec="mpeg4", sound_codec="mp2", samples="s16").read_bytes()


def put(path, data):
    path.write_bytes(data)
    return path


def refused(path, match):
    with pytest.raises(MediaError, match=match) as caught:
        decode(path, Span(), FRAMES, SOUND)
    assert str(caught.value).startswith(f"{path}: ")


def whole(path):
    got = decode(path, Span(), FRAMES, SOUND)
    assert numbers(got.frames) == list(range(40))
    return got


# RIFF


def sized(data, size, at=0):
    return data[: at + 4] + size.to_bytes(4, "little") + data[at + 8 :]


def test_an_avi_that_was_cut_off(tmp_path, avi):
    for part in (0.4, 0.6, 0.8, 0.95):
        refused(put(tmp_path / "a.avi", avi[: int(part * len(avi))]), f"its header says {len(avi)}: .*cut short")
    assert whole(put(tmp_path / "a.avi", avi)).waveform is not None


def test_a_long_avi_has_several_chunks_and_may_be_cut_in_the_last(tmp_path, avi):
    more = b"RIFF" + (4 + 108).to_bytes(4, "little") + b"AVIX" + b"JUNK" + (100).to_bytes(4, "little") + bytes(100)
    whole(put(tmp_path / "a.avi", avi + more + more))
    refused(put(tmp_path / "a.avi", avi + more + more[:-30]), f"its header says {len(avi) + 240}: .*cut short")


def test_an_avi_that_does_not_tell_its_size(tmp_path, avi):
    whole(put(tmp_path / "a.avi", sized(avi, 0)))  # its recorder never came back to fill it in
    for size in (0, 0xFFFFFFFF):
        check_riff(put(tmp_path / "a.avi", sized(avi, size)[:-1000]))


def test_what_another_program_put_behind_an_avi_is_not_its_own(tmp_path, avi):
    whole(put(tmp_path / "a.avi", avi + b"TAG" + bytes(125)))


def test_a_header_that_states_the_size_of_the_whole_file(tmp_path, avi):
    for more in (-8, 0, 8):
        whole(put(tmp_path / "a.avi", sized(avi, len(avi) - 8 + more)))
    refused(put(tmp_path / "a.avi", sized(avi, len(avi) + 10)), "cut short")


def test_a_big_endian_wav_file_is_refused_and_not_misread(tmp_path):
    fields = [b"WAVEfmt ", (16, 4), (1, 2), (1, 2), (RATE, 4), (2 * RATE, 4), (2, 2), (16, 2), b"data", (2 * RATE, 4)]
    body = b"".join(one if isinstance(one, bytes) else one[0].to_bytes(one[1], "big") for one in fields)
    data = body + (tone(1.0) * 32767).astype(">i2").tobytes()
    refused(put(tmp_path / "a.wav", b"RIFX" + len(data).to_bytes(4, "big") + data), "big-endian")


# MP4


def place(data, name, nth=0):
    """Where the nth box of that name begins."""
    at = -1
    for _ in range(nth + 1):
        at = data.index(name, at + 1)
    return at - 4


def test_an_index_that_was_cut_off_within_its_sound(tmp_path, mp4):
    assert whole(put(tmp_path / "a.mp4", mp4)).waveform is not None
    sound = place(mp4, b"trak", 1)
    for end in (sound, sound + 4, sound + 100, len(mp4) - 1):
        refused(put(tmp_path / "a.mp4", mp4[:end]), f"has {end} bytes, though its header says {len(mp4)}")
    refused(put(tmp_path / "a.mp4", mp4[: sound + 400]), "cut short")


@pytest.mark.parametrize("begin", [0, 4, 20, 100, 250, 300])
def test_an_index_that_was_overwritten_within_its_sound(tmp_path, mp4, begin):
    sound = place(mp4, b"trak", 1) + begin
    noise = np.random.default_rng(begin).bytes(len(mp4) - sound)
    refused(put(tmp_path / "a.mp4", mp4[:sound] + noise), "damaged")


def test_an_index_with_a_hole_of_zeros(tmp_path, mp4):
    sound = place(mp4, b"trak", 1)
    for start, end in ((sound - 100, sound + 200), (sound, sound + 8), (sound, sound + 4), (sound + 20, sound + 300)):
        holed = mp4[:start] + bytes(end - start) + mp4[end:]
        refused(put(tmp_path / "a.mp4", holed), "does not hold together|cannot be decoded|nothing can be read")


def test_an_index_may_be_padded_with_zeros(tmp_path, mp4):
    at = place(mp4, b"moov")  # the last box
    longer = (len(mp4) - at + 32).to_bytes(4, "big")
    whole(put(tmp_path / "a.mp4", mp4[:at] + longer + mp4[at + 4 :] + bytes(32)))


@pytest.mark.parametrize("name", [b"stsd", b"stbl", b"minf"])
def test_a_track_of_which_nothing_can_be_read(tmp_path, mp4, name):
    at = place(mp4, name, 1) + 4
    refused(
        put(tmp_path / "a.mp4", mp4[:at] + b"lost" + mp4[at + 4 :]), "lists audio .* nothing can be read: .*damaged"
    )


def test_pictures_of_chapters_are_no_lost_video(tmp_path, mp4):
    moov, trak = place(mp4, b"moov"), place(mp4, b"trak", 1)
    refers = (20).to_bytes(4, "big") + b"tref" + (12).to_bytes(4, "big") + b"chap" + (1).to_bytes(4, "big")
    end = trak + int.from_bytes(mp4[trak : trak + 4], "big")
    data = bytearray(mp4[:end] + refers + mp4[end:])
    for at in (moov, trak):
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + len(refers)).to_bytes(4, "big")
    got = decode(put(tmp_path / "a.mp4", bytes(data)), Span(), FRAMES, SOUND)
    assert got.frames is None and got.waveform is not None


def test_boxes_in_boxes_without_end(tmp_path, mp4):
    count = 20_000
    nested = b"".join((8 * (count - i)).to_bytes(4, "big") + b"trak" for i in range(count))
    moov = (len(nested) + 8).to_bytes(4, "big") + b"moov" + nested
    assert check_boxes(put(tmp_path / "a.mp4", mp4[: place(mp4, b"moov")] + moov)) == (set(), False, 0.0)


def test_sizes_of_64_bits_and_up_to_the_end(tmp_path, mp4):
    at = place(mp4, b"mdat")
    assert mp4[at - 4 : at] == b"free"  # left free for this
    size = int.from_bytes(mp4[at : at + 4], "big")
    large = (1).to_bytes(4, "big") + b"mdat" + (size + 8).to_bytes(8, "big")
    whole(put(tmp_path / "a.mp4", mp4[: at - 8] + large + mp4[at + 8 :]))
    first = write(tmp_path / "b.mp4", FORTY, tone(4.0), format_options={"movflags": "faststart"}).read_bytes()
    at = place(first, b"mdat")
    whole(put(tmp_path / "b.mp4", first[:at] + bytes(4) + first[at + 4 :]))


@pytest.mark.parametrize("trailer", [b"\xff" * 40, bytes(40), b"TAG", b"\x7f\xff\xff\xffmine" + bytes(8)])
def test_what_another_program_put_behind_the_last_box(tmp_path, mp4, trailer):
    whole(put(tmp_path / "a.mp4", mp4 + trailer))


def test_fragments_that_were_cut_off(tmp_path):
    options = {"movflags": "frag_keyframe+empty_moov"}
    data = write(tmp_path / "a.mp4", FORTY, tone(4.0), options={"g": "10"}, format_options=options).read_bytes()
    assert numbers(decode(tmp_path / "a.mp4", Span(), FRAMES, SOUND).frames)[-40:] == list(range(40))
    last = place(data, b"moof", data.count(b"moof") - 1)
    for end in (last + 50, place(data, b"mdat", data.count(b"mdat") - 1) + 500):
        refused(put(tmp_path / "a.mp4", data[:end]), f"has {end} bytes, though its header says")


def test_what_lies_before_missing_media_can_be_had(tmp_path):
    options = {"movflags": "faststart"}
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    file = write(tmp_path / "a.mp4", noise, tone(4.0), options={"g": "10"}, format_options=options)
    first = decode(file, Span(0.0, 1.0), FRAMES, SOUND)
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 6 // 10])
    refused(file, "cut short|damaged")
    np.testing.assert_array_equal(decode(file, Span(0.0, 1.0), FRAMES, SOUND).frames, first.frames)
