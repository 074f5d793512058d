"""The time stamps of a file's packets, read through without decoding, and put on one clock where they do not run on.

A file may be several recordings, one behind the other, each with a clock of its own. Each begins where the one before
it ended, its picture and sound in step as they were. A new one begins where stamps go back, or where all sound and
picture leap ahead together; a leap of one track alone, while another goes on, is a frame that stands still, or a pause.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from avgzsl.errors import MediaError
from avgzsl.media.container import check_file, opened
from avgzsl.media.structure import check_single

_BACK = 0.1
"""Seconds by which stamps may go back: muxers round them. FFmpeg's tools have the same limit."""

_AHEAD, _STILL = 10.0, 60.0
"""Seconds without a packet that are a leap of the clock. FFmpeg's tools have the first one.

A picture alone may stand still for longer (ISO/IEC 13818-1 allows a minute), and goes on without a key frame.
"""

_NO_DECODING_TIMES = ("matroska,webm",)  # FFmpeg makes them up, wrongly where a second recording begins
_ASTRAY = 2.0  # seconds for which one track may go on in a recording when another has left it


@dataclass(frozen=True)
class Stamps:
    """Of one stream: seconds on the file's clock, of its first frame, its last, and the last one's end.

    `joins` has for every later recording the number of its first packet within the stream, and the seconds to be
    added to its stamps.
    """

    packets: int
    first: float
    last: float
    end: float
    joins: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Scan:
    """Every stream that has packets, and where later recordings begin, in seconds."""

    streams: dict[int, Stamps]
    joined: tuple[float, ...]


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
    """A recording: the byte where it begins, and how far each stream had come in the one before when it began."""

    at: int
    first: float
    left: dict[int, float] = field(default_factory=dict)


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
    return _placed(streams, parts)


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
    length = float((packet.duration or 0) * base)
    stamp = packet.pts if packet.pts is not None else packet.dts
    time = stream.count * (length or stream.step) if stamp is None else float(stamp * base)
    dts = -math.inf if packet.dts is None or name in _NO_DECODING_TIMES else float(packet.dts * base)
    at = packet.pos or 0
    if not parts:
        parts.append(_Part(at, time))
    if stream.timed and stream.count:
        newest = len(parts) - 1
        back = _goes_back(stream, time, dts, packet.is_keyframe)
        jumps = back or _leaps(streams, stream, time, packet.stream.type == "video", packet.is_keyframe)
        if stream.run.part < newest:
            following = stream.run.part + 1
            later = max([place for place in range(following, newest + 1) if parts[place].at <= at] or [following])
            if jumps or abs(time - parts[later].first) < abs(time - stream.run.end):
                stream.runs.append(_Run(later, stream.count))
        elif jumps:
            left = {key: one.run.end for key, one in streams.items() if one.timed and one.run.part == newest}
            parts.append(_Part(at, time, left))
            stream.runs.append(_Run(newest + 1, stream.count))
    run = stream.run
    stream.count, stream.dts = stream.count + 1, dts
    run.first, run.last = min(run.first, time), max(run.last, time)
    run.end = max(run.end, time + (length or stream.step))


def _goes_back(stream: _Stream, time: float, dts: float, key: bool) -> bool:
    """What is decoded before a key frame is shown before it."""
    return (key and time < stream.run.last - _BACK) or (dts < stream.dts - _BACK and math.isfinite(dts))


def _leaps(streams: dict[int, _Stream], stream: _Stream, time: float, picture: bool, key: bool) -> bool:
    gap = time - stream.run.end
    if gap <= _AHEAD:
        return False
    others = [one for one in streams.values() if one.timed and one is not stream]
    beside = [one.run.end for one in others if one.run.part == stream.run.part]
    if any(end >= stream.run.end + gap / 2 for end in beside):
        return False
    together = any(end > stream.run.end - _AHEAD for end in beside) or len(beside) < len(others)
    return together or not picture or (key and gap > _STILL)


def _placed(streams: dict[int, _Stream], parts: list[_Part]) -> Scan:
    """All recordings one behind the other."""
    shifts, ends = [0.0] * len(parts), [-math.inf] * len(parts)
    joined = []
    for place, part in enumerate(parts):
        runs = [(index, run) for index, one in streams.items() if one.timed for run in one.runs if run.part == place]
        if place:
            first = min(run.first for _, run in runs)
            shifts[place] = ends[place - 1] - first
            joined.append(ends[place - 1])
            for index, one in streams.items():
                gone_on = [run.end for run in one.runs if run.part == place - 1]
                if index in part.left and gone_on and gone_on[0] > part.left[index] + _ASTRAY:
                    raise MediaError(
                        f"the time stamps of one of its tracks begin anew at {part.left[index]:.2f} s, those of stream "
                        f"{index} do not: what belongs together cannot be told; make the file anew"
                    )
        ends[place] = max((run.end for _, run in runs), default=0.0) + shifts[place]
    found = {}
    for index, one in streams.items():
        moved = [(run, shifts[run.part] if one.timed else 0.0) for run in one.runs]
        found[index] = Stamps(
            one.count,
            min(run.first + shift for run, shift in moved),
            max(run.last + shift for run, shift in moved),
            max(run.end + shift for run, shift in moved),
            tuple((run.begins, shift) for run, shift in moved if run.part),
        )
    return Scan(found, tuple(joined))
