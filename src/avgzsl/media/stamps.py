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
    """Of one stream: seconds on the file's clock, of its first frame, its last, and the last one's end."""

    packets: int
    first: float
    last: float
    end: float
    joins: tuple[Join, ...]


@dataclass(frozen=True)
class Scan:
    """Every stream that has packets, where later recordings begin, in seconds, and whether all packets were read."""

    streams: dict[int, Stamps]
    joined: tuple[float, ...]
    whole: bool


@dataclass
class _Run:
    """The packets of a stream that belong to one recording; `begins` counts packets."""

    part: int
    begins: int
    first: float = math.inf
    last: float = -math.inf
    end: float = -math.inf


@dataclass
class _Stream:
    timed: bool
    step: float
    runs: list[_Run]
    count: int = 0
    dts: float = -math.inf

    @property
    def run(self) -> _Run:
        return self.runs[-1]


@dataclass
class _Part:
    """A recording: the byte and stamp where it begins, and how far each stream had come in the one before by then.

    Unless it is `sure`, it is one only if another track has a part in it.
    """

    at: int
    first: float
    left: dict[int, float]
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
    parts: list[_Part] = []
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
            _take(streams, parts, stream.index, packet, name)
    return _placed(streams, parts, after is None)


def _enter(container: Any, after: float) -> None:
    import av

    with suppress(av.error.FFmpegError):  # else all is read
        container.seek(int(after * 1e6))


def _step(stream: Any) -> float:
    rate = getattr(stream, "guessed_rate", None)
    return 1 / float(rate) if rate else 0.0


def _take(streams: dict[int, _Stream], parts: list[_Part], index: int, packet: Any, name: str) -> None:
    """Count a packet, and begin a new recording where its stamp does not follow."""
    stream, base = streams[index], packet.time_base
    length = float((packet.duration or 0) * base) or stream.step
    stamp = packet.pts if packet.pts is not None else packet.dts
    time = stream.count * length if stamp is None else float(stamp * base)
    dts = -math.inf if packet.dts is None or name in _NO_DECODING_TIMES else float(packet.dts * base)
    at = packet.pos or 0
    if not parts:
        parts.append(_Part(at, time, {}, True, False))
    if stream.timed and stream.count:
        back = _goes_back(stream, time, dts, packet.is_keyframe, length)
        most = _SILENT if packet.stream.type == "audio" else _STILL if packet.is_keyframe else math.inf
        sure = back or time - stream.run.end > most
        jumps = back or _leaps(streams, stream, time, sure)
        newest = len(parts) - 1
        later = _later_part(streams, parts, stream, time, at)
        if later is not None and (jumps or _BACK < abs(time - stream.run.end) > abs(time - parts[later].first)):
            stream.runs.append(_Run(later, stream.count))
        elif jumps:
            if len(parts) == _MOST:
                raise MediaError(f"its time stamps begin anew {_MOST} times: they are in disorder; make the file anew")
            left = {key: one.run.end for key, one in streams.items() if one.timed and one.run.part == newest}
            parts.append(_Part(at, time, left, sure, back))
            stream.runs.append(_Run(newest + 1, stream.count))
    run = stream.run
    stream.count, stream.dts = stream.count + 1, dts
    run.first, run.last, run.end = min(run.first, time), max(run.last, time), max(run.end, time + length)


def _later_part(streams: dict[int, _Stream], parts: list[_Part], stream: _Stream, time: float, at: int) -> int | None:
    """The recording that another track has begun and to which a packet of this one, at byte `at`, can belong."""
    following = range(stream.run.part + 1, len(parts))
    if not following:
        return None
    later = next((place for place in reversed(following) if parts[place].at <= at), following[0])
    there = [one.run.end for one in streams.values() if one.timed and one.run.part == later]
    gone_on = bool(there) and time < max(there) - _ASTRAY  # it has been left, too: this is one more
    return None if gone_on else later


def _goes_back(stream: _Stream, time: float, dts: float, key: bool, length: float) -> bool:
    """Whether a stamp is before those before it: what is decoded before a key frame is shown before it, too."""
    decoded_before = math.isfinite(dts) and dts < stream.dts - _BACK
    return decoded_before or time < stream.run.last - _BACK - (0.0 if key else _REORDERED * length)


def _leaps(streams: dict[int, _Stream], stream: _Stream, time: float, sure: bool) -> bool:
    gap = time - stream.run.end
    others = [one for one in streams.values() if one.timed and one is not stream]
    goes_on = any(one.run.part == stream.run.part and one.run.end >= stream.run.end + gap / 2 for one in others)
    return gap > _GAP and not goes_on and (sure or bool(others))


def _placed(streams: dict[int, _Stream], parts: list[_Part], whole: bool) -> Scan:
    """All recordings one behind the other."""
    shifts, end = [0.0] * len(parts), 0.0
    joined = []
    for place, part in enumerate(parts):
        runs = [run for one in streams.values() if one.timed for run in one.runs if run.part == place]
        if place and (part.sure or len(runs) > 1):
            shifts[place] = end - min(run.first for run in runs)
            joined.append(end)
            _check_together(streams, place, part)
        elif place:
            shifts[place] = shifts[place - 1]
        ends = [run.end + shifts[place] for run in runs]
        end = max(ends if place == 0 else [end, *ends], default=0.0)
    found = {}
    for index, one in streams.items():
        moved = [(run, shifts[run.part] if one.timed else 0.0) for run in one.runs]
        joins = [
            Join(run.begins, shift, parts[run.part].back)
            for (_, before), (run, shift) in pairwise(moved)
            if shift != before
        ]
        found[index] = Stamps(
            one.count,
            min(run.first + shift for run, shift in moved),
            max(run.last + shift for run, shift in moved),
            max(run.end + shift for run, shift in moved),
            tuple(joins),
        )
    return Scan(found, tuple(joined), whole)


def _check_together(streams: dict[int, _Stream], place: int, part: _Part) -> None:
    """Raise MediaError when a track goes on in the recording before `place`, which another one has left."""
    for index, one in streams.items():
        ends = [run.end for run in one.runs if run.part == place - 1]
        if index in part.left and ends and ends[0] > part.left[index] + _ASTRAY:
            raise MediaError(
                f"the time stamps of one of its tracks begin anew at {part.left[index]:.2f} s, those of stream {index} "
                "go on: what belongs together cannot be told; make the file anew"
            )
