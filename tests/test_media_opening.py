"""A file is opened once for picture and sound, and gives what an opening for each would."""

import av
import numpy as np
import pytest

from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.media.pictures import pictures
from avgzsl.media.sound import waveform
from avgzsl.media.tracks import survey
from tests.media_files import numbered, tone, write

FRAMES, LATER = FrameNeeds(48, fps=4.0), FrameNeeds(48, count=3)
SOUND = SoundNeeds(16_000)
KINDS = {
    "a.mp4": ("libx264", "aac"),
    "a.mov": ("mpeg4", "pcm_s16le"),
    "a.mkv": ("libx264", "flac"),
    "a.ts": ("mpeg2video", "mp2"),
    "a.avi": ("mpeg4", "mp3"),
    "a.webm": ("libvpx", "libopus"),
}
SPANS = [Span(), Span(0.9, None), Span(1.6, 3.3)]


@pytest.fixture(scope="module", params=KINDS)
def film(request, tmp_path_factory):
    codec, sound_codec = KINDS[request.param]
    frames = [numbered(i) for i in range(40)]
    kind = {"rate": 48_000} if sound_codec == "libopus" else {}
    samples = "s16" if sound_codec in ("pcm_s16le", "flac", "mp2") else "flt"
    sound = tone(4.0, rate=kind.get("rate", 16_000))
    sound = (sound * 30_000).astype(np.int16) if samples == "s16" else sound
    path = tmp_path_factory.mktemp("film") / request.param
    options = {"g": "10"}
    return write(path, frames, sound, codec=codec, sound_codec=sound_codec, samples=samples, options=options, **kind)


@pytest.fixture
def openings(monkeypatch):
    """Every call of av.open."""
    calls, original = [], av.open
    monkeypatch.setattr(av, "open", lambda *given, **more: calls.append(given) or original(*given, **more))
    return calls


@pytest.mark.parametrize("span", SPANS, ids=str)
@pytest.mark.parametrize("frames", [FRAMES, LATER], ids=["rate", "count"])
def test_one_opening_gives_what_two_would(film, frames, span):
    got = decode(film, span, frames, SOUND)
    tracks, (start, end) = survey(film), got.info["span"]
    alone, times, _ = pictures(film, tracks.video, start, end, frames)
    np.testing.assert_array_equal(got.frames, alone)
    np.testing.assert_array_equal(got.times, times)
    np.testing.assert_array_equal(got.waveform, waveform(film, tracks.audio, start, end, SOUND.rate))


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_a_file_with_an_index_is_opened_once(film, openings, span):
    decode(film, span, FRAMES, SOUND)
    once = film.suffix in (".mp4", ".mov") or (film.suffix == ".avi" and span.start == 0)
    # others are read through for their time stamps, or opened again where reading is to go on elsewhere
    assert len(openings) == 1 if once else len(openings) <= 4


def test_frames_out_of_the_first_group_of_pictures_come_in_the_same_pass_as_the_sound(tmp_path, openings):
    """The first of three frames is wanted well behind the begin, and no key frame lies between."""
    file = write(tmp_path / "a.mp4", [numbered(i) for i in range(40)], tone(4.0))
    openings.clear()
    assert decode(file, Span(), LATER, SOUND).waveform is not None
    assert len(openings) == 1


def test_packets_of_the_other_stream_wait_only_as_long_as_somebody_may_ask_for_them(film):
    from avgzsl.media.container import opened
    from avgzsl.media.opening import Opening

    with opened(film) as container:
        opening = Opening(container, [0, 1], indexed=False)
        picture, sound = opening.from_begin(0), opening.from_begin(1)
        assert opening.from_begin(0) is None and not opening.may_enter(1)  # each is read once
        first = next(picture)
        assert first.stream.index == 0
        picture.close()
        assert {packet.stream.index for packet in sound} == {1} and not opening._waiting
