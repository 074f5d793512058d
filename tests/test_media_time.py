"""Films whose time is out of the ordinary: at every second the frame that is shown, and the sound that is heard."""

from bisect import bisect_right
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from avgzsl.errors import MediaError
from avgzsl.media import stamps, tracks
from avgzsl.media.decode import decode, probe
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.media.preview import preview, thumbnail
from avgzsl.media.windows import windows
from tests.media_files import RATE, numbered, numbers, tone, write
from tests.media_kinds import beeps, declared, film, held, joined, onsets, remuxed

FRAMES, SOUND = FrameNeeds(size=48, fps=10.0), SoundNeeds(RATE)
FRAGMENTS = {"movflags": "frag_keyframe+delay_moov"}


def pieces(path, window=1.0):
    """What each window of a file gives; all but a short rest has a row."""
    spans = windows(probe(path)["duration"], window)
    return [decode(path, span, FRAMES, SOUND) for span in spans]


# A frame is shown until its own end

HELD = [
    ("a.mp4", "libx264", "aac", {}),
    ("a.mov", "mpeg4", "aac", {}),
    ("a.mkv", "libx264", "aac", {}),
    ("a.webm", "libvpx", "libopus", {}),
    ("a.avi", "mpeg4", "pcm_s16le", {}),
    ("jpegs.mp4", "mjpeg", "aac", {"pixels": "yuvj420p"}),
    ("fragments.mp4", "libx264", "aac", {"format_options": FRAGMENTS}),
    ("reordered.mp4", "libx264", "aac", {"options": {"preset": "veryfast", "bf": "2", "b-adapt": "0"}}),
    ("reordered.mkv", "libx264", "aac", {"options": {"preset": "veryfast", "bf": "2", "b-adapt": "0"}}),
    ("a.gif", "gif", "", {"pixels": "rgb8"}),
]
STANDS = {
    "one picture": ([0.0], 5.0),
    "slides": ([0.0, 1.0, 2.5], 6.0),
    "a recording that stands still": ([i / 25 for i in range(25)], 6.0),
    "slides for long": ([0.0, 15.0], 40.0),
}


@pytest.mark.parametrize("stands", STANDS)
@pytest.mark.parametrize(("name", "codec", "sound_codec", "options"), HELD)
def test_the_last_frame_is_shown_until_its_own_end(tmp_path, name, codec, sound_codec, options, stands):
    times, end = STANDS[stands]
    options = {"codec": codec, "sound": end if sound_codec else 0.0, "sound_codec": sound_codec} | options
    got = decode(held(tmp_path / name, times, end, **options), Span(), FRAMES, SOUND)
    assert abs(got.info["video"]["end"] - end) < 0.15 and abs(got.info["duration"] - end) < 0.2
    shown = [bisect_right(times, 0.1 * i + 1.5e-3 - got.info["video"]["start"]) - 1 for i in range(len(got.frames))]
    assert len(got.frames) >= 10 * end - 1 and numbers(got.frames) == [max(0, number) for number in shown]
    if sound_codec:
        assert onsets(got.waveform) == pytest.approx([1.0, 2.0], abs=0.1)


@pytest.mark.parametrize(("name", "codec", "sound_codec", "options"), HELD)
def test_every_window_has_the_frame_that_is_shown_then(tmp_path, name, codec, sound_codec, options):
    file = held(tmp_path / name, [0.0, 1.0, 2.5], 6.0, codec=codec, **options)
    cut = pieces(file)
    assert [numbers(one.frames)[5] for one in cut] == [0, 1, 2, 2, 2, 2] and all(len(one.frames) == 10 for one in cut)
    assert len(thumbnail(file, Span(5.0, 6.0))) > 100
    preview(file, tmp_path / "preview.mp4")
    assert probe(tmp_path / "preview.mp4")["duration"] > 5.9


def patched(path, before, number, size=4):
    """The bytes behind `before` are those of a number."""
    data = bytearray(path.read_bytes())
    at = data.index(before) + len(before)
    data[at : at + size] = number
    path.write_bytes(data)
    return path


def test_a_matroska_file_of_pictures_tells_in_its_header_how_long_the_last_one_is_shown(tmp_path):
    file = held(tmp_path / "a.mkv", [0.0, 1.0], 6.0, told=False)
    assert decode(file, Span(), FRAMES).info["duration"] < 1.5
    patched(file, b"\x44\x89\x88", np.array(6000.0, ">f8").tobytes(), 8)
    assert numbers(decode(file, Span(), FRAMES).frames) == [0] * 10 + [1] * 50
    assert numbers(decode(file, Span(4.0, 5.0), FRAMES).frames) == [1] * 10
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(MediaError, match="cut short"):
        decode(file, Span(), FRAMES)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov", "a.avi"])
def test_a_film_that_ends_with_a_long_frame_and_is_cut_off_is_refused(tmp_path, name):
    options = {"format_options": {"movflags": "faststart"}} if name in ("a.mp4", "a.mov") else {}
    file = held(tmp_path / name, [i / 25 for i in range(75)], 9.0, codec="mpeg4", **options)
    data = file.read_bytes()
    assert len(decode(file, Span(), FRAMES).frames) == 90
    with av.open(str(file)) as container:
        ends = [packet.pos + packet.size for packet in container.demux() if packet.size]
    for end in (ends[40], ends[-1] - 5):
        file.write_bytes(data[:end])
        with pytest.raises(MediaError, match=r"cut short|damaged"):
            decode(file, Span(), FRAMES)


@pytest.mark.parametrize("name", ["a.ts", "a.flv", "a.nut"])
def test_where_nothing_tells_how_long_the_last_frame_is_shown_it_ends_and_the_sound_goes_on(tmp_path, name):
    file = held(tmp_path / name, [i / 25 for i in range(25)], 5.0, sound=5.0)
    cut = pieces(file)
    assert len(cut) == 5 and all(one.waveform is not None for one in cut)
    assert len(cut[0].frames) >= 9 and cut[3].frames is None


@pytest.mark.parametrize("movie", [1.0, 60.0])
def test_a_movie_whose_header_states_another_length_than_its_tracks(tmp_path, movie):
    file = film(tmp_path / "a.mp4")
    data = file.read_bytes()
    at = data.index(b"mvhd")
    scale = int.from_bytes(data[at + 16 : at + 20], "big")
    file.write_bytes(data[: at + 20] + round(movie * scale).to_bytes(4, "big") + data[at + 24 :])
    got = decode(file, Span(), FRAMES, SOUND)
    assert len(got.frames) == 30 and onsets(got.waveform) == pytest.approx([1.0, 2.0], abs=0.05)


# Other tracks


LONGER = [(name, other) for name in ("a.mkv", "a.mp4", "a.mov", "a.nut") for other in ("audio", "video")]


@pytest.mark.parametrize(("name", "other"), [*LONGER, ("a.ts", "video"), ("a.ts", "data"), ("a.mkv", "subtitle")])
def test_a_track_that_is_not_used_may_be_longer(tmp_path, name, other):
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\na\n\n2\n00:00:05,000 --> 00:00:09,000\nb\n")
    source, words = av.open(str(film(tmp_path / "film.mkv"))), av.open(str(tmp_path / "a.srt"))
    with source, words, av.open(str(tmp_path / name), "w") as out:
        copies = {stream: out.add_stream_from_template(stream) for stream in source.streams}
        for copy in copies.values():
            copy.disposition = av.stream.Disposition.default
        packets = [packet for packet in source.demux() if packet.size]
        for packet in packets:
            packet.stream = copies[packet.stream]
        packets += longer(out, other, words)
        for packet in sorted(packets, key=lambda one: float((one.dts or 0) * one.time_base)):
            out.mux(packet)
    got = decode(tmp_path / name, Span(), FRAMES, SOUND)
    assert abs(got.info["duration"] - 3.0) < 0.2
    assert onsets(got.waveform) == pytest.approx([1.0, 2.0], abs=0.1) and len(got.frames) in (30, 31, 32)
    assert len(pieces(tmp_path / name)) == 3


def longer(out, kind, words):
    """Packets of nine seconds of another track."""
    if kind == "subtitle":
        stream, packets = out.add_stream_from_template(words.streams[0]), [one for one in words.demux() if one.size]
        for packet in packets:
            packet.stream = stream
        return packets
    if kind == "data":
        stream, packets = out.add_data_stream("bin_data"), [av.Packet(b"some words") for _ in range(9)]
        for second, packet in enumerate(packets):
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 1), second, second
        return packets
    if kind == "audio":
        stream = out.add_stream("aac", rate=RATE, layout="mono")
        stream.disposition = av.stream.Disposition(0)
        frame = av.AudioFrame.from_ndarray(tone(9.0)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        return [*stream.encode(frame), *stream.encode(None)]
    stream = out.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
    stream.disposition = av.stream.Disposition(0)
    packets = []
    for number in range(9 * 25):
        frame = av.VideoFrame.from_ndarray(numbered(number, 16, 16), format="rgb24")
        frame.pts = number
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]


# Several recordings in one file

CODECS = {
    "h264.ts": {"codec": "libx264"},
    "mpeg2.ts": {"codec": "mpeg2video", "sound_codec": "mp2", "samples": "s16"},
    "h264.mkv": {"codec": "libx264"},
    "vp8.webm": {"codec": "libvpx", "sound_codec": "libopus", "samples": "flt"},
    "mpeg4.mkv": {"codec": "mpeg4", "sound_codec": "flac", "samples": "s16"},
}
REORDERED = {"preset": "veryfast", "bf": "2", "g": "25"}


def in_step(got, begin=0.0):
    """The beeps of a span that begins then, each with its frame: 25 with the first, 50 with the second."""
    heard = [begin + second for second in onsets(got.waveform)]
    shown = numbers(got.frames)
    places = [max(0, int(np.searchsorted(got.times, second + 0.021)) - 1) for second in heard]
    assert [min(abs(shown[place] - number) for number in (25, 50)) <= 3 for place in places] == [True] * len(heard)
    return heard


def check_both(path, parts=2):
    """All recordings are there, their picture and sound in step, in one piece and in windows."""
    got = decode(path, Span(), FRAMES, SOUND)
    assert 3 * parts - 0.1 <= got.info["duration"] < 3.2 * parts
    heard, shown = in_step(got), numbers(got.frames)
    assert len(heard) == 2 * parts and len(got.info["joined"]) == parts - 1
    for place, second in enumerate(heard):
        assert abs(second - (3.04 * (place // 2) + 1 + place % 2)) < 0.05 + 0.1 * (1 + place // 2)
    assert all(before <= after or before > 60 > 20 > after for before, after in pairwise(shown))
    cut = pieces(path)
    assert len(cut) in (3 * parts, 3 * parts + 1)
    begins = [one.info["span"][0] for one in cut]
    apart = [second for one, begin in zip(cut, begins, strict=True) for second in in_step(one, begin)]
    assert [min(abs(second - one) for one in apart) < 0.01 for second in heard] == [True] * len(heard)
    late = decode(path, Span(heard[-1] - 0.3, heard[-1] + 0.3), FRAMES, SOUND)
    assert in_step(late, heard[-1] - 0.3) == pytest.approx([heard[-1]], abs=0.02)


@pytest.mark.parametrize("name", CODECS)
def test_recordings_joined_end_to_end_follow_one_another(tmp_path, name):
    part = film(tmp_path / f"part-{name}", **CODECS[name])
    check_both(joined(tmp_path / name, part, part))
    three = joined(tmp_path / f"three-{name}", part, part, part)
    if name.endswith((".mkv", ".webm")):
        with pytest.raises(MediaError, match="only the first two can be read"):
            decode(three, Span(), FRAMES, SOUND)
    else:
        check_both(three, 3)


@pytest.mark.parametrize("name", ["h264.ts", "h264.mkv"])
def test_recordings_of_reordered_frames_joined_end_to_end(tmp_path, name):
    part = film(tmp_path / f"part-{name}", options=REORDERED)
    check_both(joined(tmp_path / name, part, part))


@pytest.mark.parametrize("second", [-2000.0, -4.0, -1.0, 0.0, 3.03, 7.0, 20.0, 1000.0, 93_000.0])
@pytest.mark.parametrize("name", ["h264.ts", "h264.mkv"])
def test_the_second_recording_may_have_any_clock(tmp_path, name, second):
    source = film(tmp_path / f"source-{name}", **CODECS[name])
    first, later = (
        remuxed(source, tmp_path / f"{at}-{name}", lambda packet, time, at=at: 3000 + at) for at in (0.0, second)
    )
    path = joined(tmp_path / name, first, later)
    if second == 3.03:  # as if it had never been two
        got = decode(path, Span(), FRAMES, SOUND)
        assert abs(got.info["duration"] - 6.1) < 0.1 and len(onsets(got.waveform)) == 4 and "joined" not in got.info
    else:
        check_both(path)


@pytest.mark.parametrize("leap", [4.0, 1000.0])
@pytest.mark.parametrize("group", ["25", "250"])
@pytest.mark.parametrize("name", ["h264.ts", "vp8.webm"])
def test_stamps_that_leap_ahead_in_the_middle_of_a_recording(tmp_path, name, group, leap):
    source = film(tmp_path / f"source-{name}", options={"g": group}, **CODECS[name])
    with av.open(str(source)) as container:
        begin = (container.start_time or 0) / 1e6
    middle = 1.5 + begin
    file = remuxed(source, tmp_path / name, lambda packet, time: leap if time >= middle else 0.0)
    got = decode(file, Span(), FRAMES, SOUND)
    assert abs(got.info["duration"] - 3.05) < 0.15 and len(got.info["joined"]) == 1
    assert in_step(got) == pytest.approx([1.0, 2.0], abs=0.15)
    assert max(after - before for before, after in pairwise(numbers(got.frames))) <= 6


@pytest.mark.parametrize("name", ["h264.mkv", "h264.ts", "vp8.webm"])
def test_a_picture_that_stands_still_while_the_sound_goes_on_is_no_leap(tmp_path, name):
    options = {"codec": CODECS[name]["codec"], "sound_codec": CODECS[name].get("sound_codec", "aac")}
    file = held(tmp_path / name, [0.0, 0.5, 14.0, 17.0, 100.0], 101.0, sound=101.0, told=False, **options)
    got = decode(file, Span(0.0, 100.5), FRAMES, SOUND)
    times = np.array([0.0, 0.5, 14.0, 17.0, 100.0]) + got.info["video"]["start"]
    wanted = [max(0, int(np.searchsorted(times, got.times[0] + 0.1 * i + 2e-3)) - 1) for i in range(len(got.frames))]
    assert numbers(got.frames) == wanted and "joined" not in got.info


@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_a_picture_that_goes_on_after_the_sound_may_stand_still(tmp_path, name):
    times = [0.0, 1.0, 2.9, 5.0, 9.0, 9.5]
    got = decode(held(tmp_path / name, times, 10.0, sound=3.0, told=False), Span(), FRAMES, SOUND)
    assert "joined" not in got.info and onsets(got.waveform) == pytest.approx([1.0, 2.0], abs=0.1)
    begin = got.info["video"]["start"]
    wanted = [bisect_right(times, 0.1 * i + 2e-3) - 1 for i in range(len(got.frames))]
    assert numbers(got.frames) == wanted and got.info["duration"] - begin > 9.5


def test_a_picture_alone_may_stand_still_for_a_minute_and_longer_without_a_key_frame(tmp_path):
    times = [0.0, 50.0, 100.0, 200.0]
    options = {"preset": "ultrafast", "g": "1000", "sc_threshold": "0"}
    for name in ("a.mkv", "a.ts"):
        got = decode(held(tmp_path / name, times, 201.0, told=False, options=options), Span(), FRAMES)
        assert [numbers(got.frames)[int(10 * t) + 5] for t in (0, 49, 50, 99, 100, 199)] == [0, 0, 1, 1, 2, 2]


def test_sound_alone_joined_end_to_end(tmp_path):
    kinds = {
        "a.ogg": {"sound_codec": "libopus", "samples": "flt"},
        "flac.ogg": {"sound_codec": "flac", "samples": "s16"},
        "a.mp3": {"sound_codec": "mp3", "samples": "s16p"},
        "a.aac": {},
        "a.ts": {"sound_codec": "mp2", "samples": "s16"},
        "a.webm": {"sound_codec": "libopus", "samples": "flt"},
    }
    for name, options in kinds.items():
        sound = beeps()
        sound = (sound * 32767).astype(np.int16) if options.get("samples", "").startswith("s16") else sound
        part = write(tmp_path / f"part-{name}", sound=sound, **options)
        path = joined(tmp_path / name, part, part)
        got = decode(path, Span(), None, SOUND)
        assert onsets(got.waveform) == pytest.approx([1.0, 2.0, 4.0, 5.0], abs=0.2), name
        assert onsets(decode(path, Span(3.5, 4.5), None, SOUND).waveform) == pytest.approx([0.6], abs=0.2), name
        assert abs(got.info["duration"] - 6.0) < 0.3, name


@pytest.mark.parametrize("tag", [b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256), b"TAG" + b"a name".ljust(125, b"\0")])
def test_tags_between_two_recordings_of_sound(tmp_path, tag):
    part = write(tmp_path / "part.mp3", sound=(beeps() * 32767).astype(np.int16), sound_codec="mp3", samples="s16p")
    between = tag if tag.startswith(b"ID3") else b""
    path = tmp_path / "a.mp3"
    path.write_bytes(part.read_bytes() + tag + between + part.read_bytes() + (tag if tag.startswith(b"TAG") else b""))
    heard = onsets(decode(path, Span(), None, SOUND).waveform)
    assert heard == pytest.approx([1.0, 2.0, 4.0, 5.0], abs=0.2)


WHOLE_ONLY = {
    "a.mp4": ("libx264", "aac", "fltp"),
    "a.mov": ("mpeg4", "aac", "fltp"),
    "a.avi": ("mpeg4", "pcm_s16le", "s16"),
    "a.flv": ("flv", "aac", "fltp"),
    "a.nut": ("mpeg4", "aac", "fltp"),
    "a.wav": ("", "pcm_s16le", "s16"),
    "a.flac": ("", "flac", "s16"),
    "a.aiff": ("", "pcm_s16be", "s16"),
    "a.w64": ("", "pcm_s16le", "s16"),
    "a.tta": ("", "tta", "s16"),
    "a.m4a": ("", "aac", "fltp"),
}


def test_two_films_in_fragments_say_so(tmp_path):
    part = film(tmp_path / "part.mp4", format_options=FRAGMENTS)
    with pytest.raises(MediaError, match="several files"):
        decode(joined(tmp_path / "a.mp4", part, part), Span(), FRAMES, SOUND)


@pytest.mark.parametrize("name", WHOLE_ONLY)
def test_kinds_of_which_the_first_file_alone_can_be_read_say_so(tmp_path, name):
    codec, sound_codec, samples = WHOLE_ONLY[name]
    sound = beeps() if samples == "fltp" else (beeps() * 32767).astype(np.int16)
    frames = [numbered(i) for i in range(75)] if codec else []
    part = write(
        tmp_path / f"part-{name}", frames, sound, fps=25, codec=codec, sound_codec=sound_codec, samples=samples
    )
    assert decode(part, Span(), FRAMES, SOUND).waveform is not None
    with pytest.raises(MediaError, match=r"several files.*\(another begins at byte \d+\)"):
        decode(joined(tmp_path / name, part, part), Span(), FRAMES, SOUND)


def test_a_track_whose_stamps_begin_anew_alone_is_refused(tmp_path):
    part = film(tmp_path / "part.ts")
    restarts = remuxed(part, tmp_path / "b.ts", lambda packet, time: 0.0 if packet.stream.type == "video" else 3.1)
    with pytest.raises(MediaError, match=r"begin anew at \d.\d\d s, those of stream 1 go on"):
        decode(joined(tmp_path / "a.ts", part, restarts), Span(), FRAMES, SOUND)


def test_a_recording_without_sound_between_two_with_sound(tmp_path):
    part = film(tmp_path / "part.ts")
    silent = remuxed(part, tmp_path / "b.ts", lambda packet, time: 0.0 if packet.stream.type == "video" else None)
    got = decode(joined(tmp_path / "a.ts", part, silent, part), Span(), FRAMES, SOUND)
    assert in_step(got) == pytest.approx([1.05, 2.05, 7.1, 8.1], abs=0.15) and len(got.info["joined"]) == 2
    assert [numbers(got.frames).count(number) > 1 for number in (0, 25, 50)] == [True] * 3


def test_a_recording_that_begins_in_the_middle_of_a_group_of_pictures(tmp_path):
    part = film(tmp_path / "part.ts", options={"g": "25"})
    late = remuxed(part, tmp_path / "b.ts", lambda packet, time: 0.0 if time > 0.45 else None)
    got = decode(joined(tmp_path / "a.ts", part, late), Span(), FRAMES, SOUND)
    assert len(onsets(got.waveform)) == 4 and got.info["joined"]
    shown = numbers(got.frames)
    assert shown[31:37] == [74] * 6 and all(
        before <= after for before, after in pairwise(shown[40:])
    )  # none is made up
    assert abs(shown[int(10 * onsets(got.waveform)[3] + 0.5)] - 50) <= 3


def test_stamps_in_disorder_are_refused_soon(tmp_path):
    part = film(tmp_path / "part.ts", seconds=0.2)
    with pytest.raises(MediaError, match="begin anew 1000 times"):
        decode(joined(tmp_path / "a.ts", *[part] * 1100), Span(), FRAMES, SOUND)


def test_a_long_file_is_read_once_and_a_huge_one_at_its_end(tmp_path, monkeypatch):
    file = held(tmp_path / "a.mkv", [i / 2 for i in range(80)], 40.0, told=False, options={"g": "10"})
    stamps._scan.cache_clear()
    whole = decode(file, Span(20.0, 21.0), FRAMES)
    for begin in range(5):
        decode(file, Span(float(begin), begin + 1.0), FRAMES)
    assert stamps._scan.cache_info().misses == 1
    monkeypatch.setattr(tracks, "_READ_WHOLE", 100)
    taken, original = [], stamps._add_packet
    monkeypatch.setattr(stamps, "_add_packet", lambda *arguments: (taken.append(1), original(*arguments)))
    again = decode(file, Span(20.0, 21.0), FRAMES)
    assert numbers(again.frames) == numbers(whole.frames) == [40] * 5 + [41] * 5
    assert again.info == whole.info and 0 < len(taken) < 60


# Tracks without a sample, and covers

EMPTY = {
    "a.mp4": ("libx264", "aac", {}),
    "a.mov": ("mpeg4", "aac", {}),
    "a.mkv": ("libx264", "flac", {}),
    "a.webm": ("libvpx", "libopus", {}),
    "a.ts": ("libx264", "aac", {}),
    "mpeg2.ts": ("mpeg2video", "mp2", {}),
    "a.avi": ("mpeg4", "pcm_s16le", {}),
    "a.flv": ("libx264", "aac", {}),
    "a.mpg": ("mpeg2video", "mp2", {}),
    "fragments.mp4": ("libx264", "aac", FRAGMENTS),
}


@pytest.mark.parametrize("kept", ["video", "audio"])
@pytest.mark.parametrize("name", EMPTY)
def test_a_track_without_a_sample_is_absent(tmp_path, name, kept):
    codec, sound_codec, options = EMPTY[name]
    file = declared(tmp_path / name, codec, sound_codec, kept, **options)
    got = decode(file, Span(), FRAMES, SOUND)
    assert abs(got.info["duration"] - 3.0) < 0.15
    if kept == "video":
        assert got.waveform is None and got.info["audio"] is None and len(got.frames) == 30
        assert numbers(got.frames)[25] in (61, 62, 63)
    else:
        assert got.frames is None and got.info["video"] is None and abs(len(got.waveform) - 3 * RATE) < 0.1 * RATE
    assert [one.frames is None for one in pieces(file)] == [kept == "audio"] * 3


def test_an_index_that_lists_a_track_without_samples(tmp_path):
    file = film(tmp_path / "a.mp4")
    data = bytearray(file.read_bytes())
    sound = data.index(b"trak", data.index(b"trak") + 1)
    for name, place in ((b"stts", 8), (b"stsc", 8), (b"stco", 8), (b"stsz", 12)):
        at = data.index(name, sound) + place
        data[at : at + 4] = bytes(4)
    file.write_bytes(data)
    with pytest.raises(MediaError, match="nothing"):
        decode(file, Span(), FRAMES, SOUND)  # three seconds long, and lost
    at = data.index(b"mdhd", sound) + 20
    data[at : at + 4] = bytes(4)
    file.write_bytes(data)
    got = decode(file, Span(), FRAMES, SOUND)
    assert got.waveform is None and got.info["audio"] is None and len(got.frames) == 30


def test_a_film_in_fragments_that_was_cut_before_its_sound_is_noticed_where_a_list_or_a_length_tells(tmp_path):
    listed = film(tmp_path / "a.mp4", format_options={"movflags": "frag_keyframe+empty_moov+dash+global_sidx"})
    data = listed.read_bytes()
    for last in (data.index(b"moof", data.index(b"moof") + 1), data.rindex(b"moof")):
        listed.write_bytes(data[: last - 4])
        with pytest.raises(MediaError, match="bytes, though its header says"):
            decode(listed, Span(), FRAMES, SOUND)
    file = declared(tmp_path / "b.mp4", "libx264", "aac", "video", movflags="frag_keyframe+empty_moov")
    assert decode(file, Span(), FRAMES, SOUND).waveform is None
    data = file.read_bytes()
    at, end = data.index(b"moov") - 4, data.index(b"mvex") - 4
    scale = int.from_bytes(data[data.index(b"mvhd") + 16 :][:4], "big")
    length = (16).to_bytes(4, "big") + b"mehd" + bytes(4) + (9 * scale).to_bytes(4, "big")
    sized = bytearray(data[: end + 8] + length + data[end + 8 :])
    for place in (at, end):
        sized[place : place + 4] = (int.from_bytes(sized[place : place + 4], "big") + 16).to_bytes(4, "big")
    file.write_bytes(sized)
    with pytest.raises(MediaError, match=r"ends at 3\.0\d s, though its header says 9\.00 s"):
        decode(file, Span(), FRAMES, SOUND)


COVERS = {
    "h264.mp4": ("libx264", {}),
    "h264.mov": ("libx264", {}),
    "jpeg.mp4": ("mjpeg", {"pixels": "yuvj420p"}),
    "png.mov": ("png", {"pixels": "rgb24"}),
    "jpeg.mkv": ("mjpeg", {"pixels": "yuvj420p"}),
    "vp8.mkv": ("libvpx", {}),
    "h264.m4a": ("libx264", {}),
}


@pytest.mark.parametrize("name", COVERS)
def test_a_plain_picture_that_is_shown_for_a_moment_of_a_sound_file_is_its_cover(tmp_path, name):
    codec, options = COVERS[name]
    sounds = {"sound": 5.0, "sound_codec": "aac"}
    for end in (0.04, 1.0):
        file = held(tmp_path / name, [0.0], end, codec=codec, **sounds, **options)
        got = decode(file, Span(), FRAMES, SOUND)
        assert got.frames is None and got.info["video"] is None and len(onsets(got.waveform)) == 2
    whole = decode(held(tmp_path / name, [0.0], 5.0, codec=codec, **sounds, **options), Span(), FRAMES, SOUND)
    assert len(whole.frames) >= 50 and len(onsets(whole.waveform)) == 2
    alone = decode(held(tmp_path / name, [0.0], 1.0, codec=codec, **options), Span(), FRAMES)
    assert len(alone.frames) == 10
    two = decode(held(tmp_path / name, [0.0, 0.5], 1.0, codec=codec, **sounds, **options), Span(), FRAMES, SOUND)
    assert numbers(two.frames) == [0] * 5 + [1] * 5  # a film that ends early


def test_in_a_file_that_calls_itself_sound_one_picture_is_a_cover_however_long_it_is_shown(tmp_path):
    file = held(tmp_path / "a.mp4", [0.0], 5.0, sound=5.0)
    data = file.read_bytes()
    assert decode(file, Span(), FRAMES, SOUND).frames is not None
    for brand in (b"M4A ", b"M4B "):
        file.write_bytes(data.replace(b"ftypisom", b"ftyp" + brand, 1))
        assert decode(file, Span(), FRAMES, SOUND).frames is None


# Films of these kinds that others made

CASES = Path(__file__).parents[2] / "shared" / "data" / "cases"
RIGHT = {  # seconds, frames at 10 a second, sound
    "covers/plain_h264.m4a": (4.0, None, True),
    "empty-track/nopicture.ts": (1.94, None, True),
    "empty-track/nosound.mkv": (2.0, 20, False),
    "empty-track/nosound.mp4": (2.0, 20, False),
    "joined/back.ts": (6.05, 61, True),
    "joined/far.ts": (6.05, 61, True),
    "joined/two.mp3": (6.05, None, True),
    "joined/two.ogg": (6.0, None, True),
    "joined/two.ts": (6.05, 61, True),
    "joined/two.webm": (6.03, 61, True),
    "long-last-frame/one.mp4": (5.0, 50, False),
    "long-last-frame/one_sound.webm": (5.0, 50, True),
    "long-last-frame/slides.mkv": (6.0, 60, False),
    "long-last-frame/static_end_sound.mp4": (6.0, 60, True),
    "long-last-frame/still.avif": (None, 1, False),
    "longer-other-track/sub.mkv": (3.02, 30, True),
    "longer-other-track/two_audio.mp4": (3.0, 30, True),
}


@pytest.mark.skipif(not CASES.is_dir(), reason="the films that others made are not part of the repository")
@pytest.mark.parametrize("name", RIGHT)
def test_films_of_these_kinds_that_others_made(name):
    seconds, frames, heard = RIGHT[name]
    got = decode(CASES / name, Span(), FRAMES, SOUND)
    assert got.info["duration"] == (None if seconds is None else pytest.approx(seconds, abs=0.03))
    assert (None if got.frames is None else len(got.frames)) == frames and (got.waveform is not None) == heard
    if seconds:
        assert len(pieces(CASES / name)) == round(seconds)
    if name.startswith("joined"):
        assert onsets(got.waveform) == pytest.approx([1.0, 2.0, 4.05, 5.05], abs=0.1)
        assert [len(onsets(decode(CASES / name, Span(t, t + 1.0), None, SOUND).waveform)) for t in (0.7, 3.7)] == [1, 1]
