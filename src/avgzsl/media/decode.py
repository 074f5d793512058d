"""A span of a file to frames and waveform, in this process. `avgzsl.media.workers` does it within limits."""

import math
from pathlib import Path
from typing import Any

from avgzsl.errors import MediaError
from avgzsl.media.container import media_errors, opened
from avgzsl.media.needs import Decoded, FrameNeeds, SoundNeeds, Span
from avgzsl.media.opening import Opening
from avgzsl.media.pictures import pictures
from avgzsl.media.sound import waveform
from avgzsl.media.tracks import SLACK, Tracks, survey, tracks_of

LONGEST = 600.0
"""Seconds decoded at once, so that memory is bounded."""

_MORE = 1.0  # seconds beyond those that count, for which resampling takes no other values where the sound goes on

WHOLE = Span()


def decode(
    path: Path, span: Span = WHOLE, frames: FrameNeeds | None = None, sound: SoundNeeds | None = None
) -> Decoded:
    """Picture and sound of the same span of a file, by FFmpeg's best stream of each kind.

    An end that lies up to half a second beyond the file's is the file's. What is damaged within the span is an error,
    not guessed. Raises MediaError, which names the file, for one that is missing, damaged, empty, of a kind that is
    not read, without picture and sound, shorter than the span, or too large; ConfigError for impossible needs.
    """
    path = Path(path)
    with media_errors(path), opened(path) as container:
        tracks = tracks_of(path, container)
        start, end = within(span, tracks)
        video = tracks.video if frames is not None else None
        audio = tracks.audio if sound is not None else None
        opening = Opening(container, [track.index for track in (video, audio) if track is not None], tracks.indexed)
        sampled = samples = None
        if frames is not None and video is not None:
            sampled = pictures(path, video, start, end, frames, opening)
        if sound is not None and audio is not None:
            until = math.inf if sound.seconds is None else start + sound.seconds + _MORE
            samples = waveform(path, audio, start, min(end, until), sound.rate, opening)
        info = describe(tracks) | {"span": [start, end] if math.isfinite(end) else None}
    if sampled is None:
        return Decoded(waveform=samples, info=info)
    info["video"]["rotation"] = sampled[2]
    return Decoded(frames=sampled[0], times=sampled[1], waveform=samples, info=info)


def probe(path: Path) -> dict[str, Any]:
    """Facts of a file: `format`, `duration` in seconds (None of a still picture), its `video` and `audio` or None.

    Raises MediaError like `decode`, but for damage behind the headers.
    """
    with media_errors(Path(path)):
        return describe(survey(Path(path)))


def describe(tracks: Tracks) -> dict[str, Any]:
    """The facts of `probe`, ready for JSON; `joined` has the seconds at which the second and later recordings begin."""
    streams = {
        track.kind: track.info | {"start": track.start, "end": track.end}
        for track in (tracks.video, tracks.audio)
        if track is not None
    }
    joined = {"joined": list(tracks.joined)} if tracks.joined else {}
    return {"format": tracks.format, "duration": tracks.duration, "video": None, "audio": None} | streams | joined


def within(span: Span, tracks: Tracks) -> tuple[float, float]:
    """The span's start and end in seconds. Raises MediaError, without the path, when the file has no such span."""
    duration = tracks.duration
    start, end = span.start, span.end
    if not 0 <= start < math.inf or (end is not None and not start < end < math.inf):
        raise MediaError(f"a span needs 0 <= start < end in seconds; got {start} to {end}")
    if duration is None:
        if start > 0:
            raise MediaError(f"is a still picture, without a second {start}")
        return 0.0, math.inf
    if duration <= 0:
        raise MediaError(f"its picture and sound end before they begin, at {duration:g} s: it is damaged")
    if start >= duration or (end is not None and end > duration + SLACK):
        raise MediaError(
            f"is {duration:.2f} s long; the span from {start} to {duration if end is None else end} s is not in it"
        )
    end = duration if end is None else min(end, duration)
    if end - start > LONGEST:
        raise MediaError(
            f"{end - start:.0f} s are more than the {LONGEST:.0f} s decoded at once; "
            "give a start and an end, or cut it into clips first (`avgzsl extract --window`)"
        )
    return start, end
