"""The time stamps of a file's packets, read through without decoding, and put on one clock where they do not run on.

A file may be several recordings, one behind the other, each with a clock of its own. Each begins where the one before
it ended, its picture and sound in step as they were. A new one begins where stamps go back, or where all that is used
leaps ahead together. A leap of one track, while another goes on, is a frame that stands still, or a pause.
"""

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from avgzsl.errors import MediaError
from avgzsl.media.container import check_file, opened
from avgzsl.media.structure import check_single

_BACK = 0.1
"""Seconds by which stamps may go back: muxers round them. FFmpeg's tools have the same limit."""

_GAP, _SILENT, _STILL = 1.0, 10.0, 60.0
"""Seconds without a packet that are a leap of the clock: of two tracks together, of sound alone, of a picture alone.

A picture alone may stand still for long (ISO/IEC 13818-1 allows a minute), and then goes on without a key frame.
"""

_MOST = 1000  # recordings in one file
_REORDERED = 16  # frames that H.264 may decode before one that is shown earlier
_NO_DECODING_TIMES = ("matroska,webm",)  # FFmpeg makes them up, wrongly where a second recording begins
_ASTRAY = 2.0  # seconds for which one track may go on in a recording when another has left it


class Join(NamedTuple):
    """Where a later recording begins in a stream: after so many packets; the seconds to be added to its stamps.

    `back` is whether stamps go back there. Where they leap ahead, the same recording may go on.
    """

    packets: int
    seconds: float
    back: bool


@dataclass(frozen=True)
class Stamps:
    """Of one stream: how many packets it has, and its `first` frame, its `last`, and the end of the last.

    All in seconds on the clock of the file, on which its recordings follow each other.
    """

    packets: int
    first: float
    last: float
    end: float
    joins: tuple[Join, ...]


@dataclass(frozen=True)
class Scan:
    """The stamps of every stream that has packets, by the stream's index.

    `joined` are the seconds at which the second and later recordings begin; `whole` is whether all packets were read.
    """

    streams: dict[int, Stamps]
    joined: tuple[float, ...]
    whole: bool


@dataclass
class _Run:
    """The packets of one stream that belong to one recording: the first is packet number `begins` of the stream.

    Seconds by the stamps as they are in the file.
    """

    recording: int
    begins: int
    first: float = math.inf
    last: float = -math.inf
    end: float = -math.inf


@dataclass
class _Stream:
    """What was read of a stream so far: its runs, how many packets, and the last one's time of decoding (`dts`).

    `timed` is whether the stream is used, so that its stamps count; `step` is how long a frame usually is, in seconds.
    """

    timed: bool
    step: float
    runs: list[_Run]
    count: int = 0
    dts: float = -math.inf

    @property
    def run(self) -> _Run:
        """The run to which the packets read now belong."""
        return self.runs[-1]


@dataclass
class _Recording:
    """Where a recording begins: the byte `at` of the file, and the stamp `first` in seconds.

    `ends_before` has, by stream, the end in seconds that it had reached in the recording before. A recording that is
    not `sure` counts only if a second track has packets in it. `back` is whether stamps go back at its begin.
    """

    at: int
    first: float
    ends_before: dict[int, float]
    sure: bool
    back: bool


def scan(path: Path, used: tuple[int, ...], after: float | None = None) -> Scan:
    """The stamps of all packets, or of those from `after` seconds on; those of the streams `used` are put on one clock.

    Raises MediaError, without the path, also when the stamps of one of these go on while those of another begin anew.
    """
    status = check_file(path)
    return _scan(path, used, after, (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=8)  # the windows of a file are decoded one after the other
def _scan(path: Path, used: tuple[int, ...], after: float | None, version: tuple[int, ...]) -> Scan:
    streams: dict[int, _Stream] = {}
    recordings: list[_Recording] = []
    with opened(path) as container:
        name = container.format.name
        if after is None:
            check_single(path, name)
        else:
            _enter(container, after)
        for packet in container.demux():
            if not packet.size:
                continue
            stream = packet.stream
            if stream.index not in streams:
                streams[stream.index] = _Stream(stream.index in used, _step(stream), [_Run(0, 0)])
            _add_packet(streams, recordings, stream.index, packet, name)
    return _on_one_clock(streams, recordings, after is None)


def _enter(container: Any, after: float) -> None:
    import av

    with suppress(av.error.FFmpegError):  # where seeking fails, the file is read from its begin
        container.seek(int(after * 1e6))


def _step(stream: Any) -> float:
    """Seconds of a frame at the rate that FFmpeg guesses; 0 without one."""
    rate = getattr(stream, "guessed_rate", None)
    return 1 / float(rate) if rate else 0.0


def _add_packet(streams: dict[int, _Stream], recordings: list[_Recording], index: int, packet: Any, name: str) -> None:
    """Count a packet, and begin a new recording where its stamp does not follow."""
    stream, base = streams[index], packet.time_base
    length = float((packet.duration or 0) * base) or stream.step
    stamp = packet.pts if packet.pts is not None else packet.dts
    time = stream.count * length if stamp is None else float(stamp * base)
    dts = -math.inf if packet.dts is None or name in _NO_DECODING_TIMES else float(packet.dts * base)
    at = packet.pos or 0
    if not recordings:
        recordings.append(_Recording(at, time, {}, True, False))
    if stream.timed and stream.count:
        back = _goes_back(stream, time, dts, packet.is_keyframe, length)
        longest_gap = _SILENT if packet.stream.type == "audio" else _STILL if packet.is_keyframe else math.inf
        sure = back or time - stream.run.end > longest_gap
        jumps = back or _leaps(streams, stream, time, sure)
        newest = len(recordings) - 1
        later = _later_recording(streams, recordings, stream, time, at)
        if later is not None and (jumps or _BACK < abs(time - stream.run.end) > abs(time - recordings[later].first)):
            stream.runs.append(_Run(later, stream.count))
        elif jumps:
            if len(recordings) == _MOST:
                raise MediaError(f"its time stamps begin anew {_MOST} times: they are in disorder; make the file anew")
            ends_before = {
                key: track.run.end for key, track in streams.items() if track.timed and track.run.recording == newest
            }
            recordings.append(_Recording(at, time, ends_before, sure, back))
            stream.runs.append(_Run(newest + 1, stream.count))
    run = stream.run
    stream.count, stream.dts = stream.count + 1, dts
    run.first, run.last, run.end = min(run.first, time), max(run.last, time), max(run.end, time + length)


def _later_recording(
    streams: dict[int, _Stream], recordings: list[_Recording], stream: _Stream, time: float, at: int
) -> int | None:
    """Number of a later recording, begun by another track, to which a packet of `stream` at byte `at` can belong."""
    following = range(stream.run.recording + 1, len(recordings))
    if not following:
        return None
    later = next((place for place in reversed(following) if recordings[place].at <= at), following[0])
    ends = [track.run.end for track in streams.values() if track.timed and track.run.recording == later]
    went_on = bool(ends) and time < max(ends) - _ASTRAY  # other tracks are well past: the packet begins a new recording
    return None if went_on else later


def _goes_back(stream: _Stream, time: float, dts: float, key: bool, length: float) -> bool:
    """Whether a packet's stamp lies before the stamps of earlier packets by more than muxers and codecs reorder.

    What is decoded before a key frame is shown before it, too, so that no reordering is allowed for a `key` frame.
    """
    decoded_before = math.isfinite(dts) and dts < stream.dts - _BACK
    return decoded_before or time < stream.run.last - _BACK - (0.0 if key else _REORDERED * length)


def _leaps(streams: dict[int, _Stream], stream: _Stream, time: float, sure: bool) -> bool:
    """Whether a stamp leaps ahead while no other track goes on in the same recording."""
    gap = time - stream.run.end
    other_tracks = [track for track in streams.values() if track.timed and track is not stream]
    goes_on = any(
        track.run.recording == stream.run.recording and track.run.end >= stream.run.end + gap / 2
        for track in other_tracks
    )
    return gap > _GAP and not goes_on and (sure or bool(other_tracks))


def _on_one_clock(streams: dict[int, _Stream], recordings: list[_Recording], whole: bool) -> Scan:
    """The stamps of all streams, each recording moved behind the one before it."""
    shifts, end = [0.0] * len(recordings), 0.0
    joined = []
    for place, recording in enumerate(recordings):
        runs = [run for track in streams.values() if track.timed for run in track.runs if run.recording == place]
        if place and (recording.sure or len(runs) > 1):
            shifts[place] = end - min(run.first for run in runs)
            joined.append(end)
            _check_together(streams, place, recording)
        elif place:
            shifts[place] = shifts[place - 1]
        ends = [run.end + shifts[place] for run in runs]
        end = max(ends if place == 0 else [end, *ends], default=0.0)
    stamps = {}
    for index, track in streams.items():
        moved = [(run, shifts[run.recording] if track.timed else 0.0) for run in track.runs]
        joins = [
            Join(run.begins, shift, recordings[run.recording].back)
            for (_, before), (run, shift) in pairwise(moved)
            if shift != before
        ]
        stamps[index] = Stamps(
            track.count,
            min(run.first + shift for run, shift in moved),
            max(run.last + shift for run, shift in moved),
            max(run.end + shift for run, shift in moved),
            tuple(joins),
        )
    return Scan(stamps, tuple(joined), whole)


def _check_together(streams: dict[int, _Stream], place: int, recording: _Recording) -> None:
    """Raise MediaError when a track goes on in the recording before `place`, which another one has left."""
    for index, track in streams.items():
        ends = [run.end for run in track.runs if run.recording == place - 1]
        left_at = recording.ends_before.get(index)
        if left_at is not None and ends and ends[0] > left_at + _ASTRAY:
            raise MediaError(
                f"the time stamps of one of its tracks begin anew at {left_at:.2f} s, those of stream {index} "
                "go on: what belongs together cannot be told; make the file anew"
            )
