"""Which streams of a file are used, and when they begin and end."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from avgzsl.errors import MediaError
from avgzsl.media.container import STILLS, opened
from avgzsl.media.layouts import layout_of
from avgzsl.media.structure import check_boxes, check_riff

Kind = Literal["video", "audio"]

SLACK = 0.5
"""Seconds by which what a header says may differ from what there is: durations are rounded to frames and blocks."""

_HEADER_SAYS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "wav", "w64", "flac", "aiff", "caf")
_FROM_TIMES = ("mpegts", "ogg", "asf", "flv", "mxf", "gif", "apng")
_TAIL = 10.0


@dataclass(frozen=True)
class Track:
    """A stream of a file: seconds from the start of the file, and what is told of it. A still picture has no end.

    `zero` is the file's first time stamp in seconds.
    """

    format: str
    kind: Kind
    index: int
    start: float
    end: float | None
    zero: float
    info: dict[str, Any]

    @property
    def exact(self) -> bool:
        """Whether a header says the end, so that a file which ends before it was cut short."""
        return self.format in _HEADER_SAYS


@dataclass(frozen=True)
class Tracks:
    """What is used of a file, and how long it is; a still picture has no duration."""

    format: str
    video: Track | None
    audio: Track | None

    @property
    def duration(self) -> float | None:
        """Seconds from the first time stamp of the file to the end of its longer track."""
        ends = [track.end for track in (self.video, self.audio) if track is not None and track.end is not None]
        return max(ends, default=None)


def survey(path: Path) -> Tracks:
    """FFmpeg's best video and audio stream of a file. Raises MediaError (without the path) when it has neither."""
    with opened(path) as container:
        video, audio = _best_picture(container), container.streams.best("audio")
        if video is None and audio is None:
            kinds = ", ".join(stream.type for stream in container.streams) or "none"
            raise MediaError(f"has neither picture nor sound (streams: {kinds})")
        tracks = Tracks(
            container.format.name,
            None if video is None else _track(path, container, video, "video"),
            None if audio is None else _track(path, container, audio, "audio"),
        )
        found = {kind for kind in ("video", "audio") if container.streams.best(kind) is not None}
        declared, zero = (container.duration or 0) / 1e6, (container.start_time or 0) / 1e6
    if tracks.format in _HEADER_SAYS and tracks.duration is not None:
        check_whole(tracks.duration + max(zero, 0.0), declared)  # Matroska counts from nought, not from its first frame
    _check_structure(path, tracks.format, found)
    return tracks


def check_whole(ends: float, declared: float) -> None:
    """Raise MediaError when a file ends well before its header says."""
    if ends < declared - SLACK:
        raise MediaError(f"ends at {ends:.2f} s, though its header says {declared:.2f} s: it is damaged or cut short")


def _check_structure(path: Path, name: str, found: set[str]) -> None:
    """Raise MediaError when a file is shorter than it says, or its index lists a kind of stream that was not found."""
    if name in ("wav", "avi"):
        check_riff(path)
    elif name == "mov,mp4,m4a,3gp,3g2,mj2":
        for kind in sorted(check_boxes(path) - found):
            raise MediaError(f"lists {kind} in its index, of which nothing can be read: it is damaged")


def _best_picture(container: Any) -> Any:
    """The best stream that is no cover picture of a sound file."""
    best = container.streams.best("video")
    if best is None or not _is_cover(best):
        return best
    return next((stream for stream in container.streams.video if not _is_cover(stream)), None)


def _is_cover(stream: Any) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _track(path: Path, container: Any, stream: Any, kind: Kind) -> Track:
    if stream.codec_context is None:
        raise MediaError(f"its {kind} (stream {stream.index}) is of a codec that is unknown or damaged")
    name = container.format.name
    zero = (container.start_time or 0) / 1e6
    start = 0.0 if stream.start_time is None else float(stream.start_time * stream.time_base) - zero
    if name in STILLS:
        end = None
    elif stream.duration is not None and name in _HEADER_SAYS + _FROM_TIMES:
        end = start + float(stream.duration * stream.time_base)
    else:
        end = _measured_end(path, stream.index, zero, container.duration)
    return Track(name, kind, stream.index, start, end, zero, _info(container, stream, kind))


def _measured_end(path: Path, index: int, zero: float, duration: int | None) -> float:
    """The end of a stream of which no header tells, from its packets: the last seconds' first, else all."""
    if duration is not None and duration / 1e6 > 2 * _TAIL:
        end = _last_end(path, index, zero, duration / 1e6 - _TAIL)
        if end is not None:
            return end
    end = _last_end(path, index, zero, None)
    if end is None:
        raise MediaError(f"stream {index} holds nothing")
    return end


def _last_end(path: Path, index: int, zero: float, after: float | None) -> float | None:
    import av

    with opened(path) as container:
        stream, end, count = container.streams[index], None, 0
        try:
            if after is not None:
                container.seek(int((after + zero) * 1e6))
            for packet in container.demux(stream):
                step = float((packet.duration or 0) * stream.time_base) or _step(stream)
                count += packet.size > 0
                stamp = packet.pts if packet.pts is not None else packet.dts
                last = count * step if stamp is None else float(stamp * stream.time_base) - zero + step
                end = last if packet.size and (end is None or last > end) else end
        except av.error.FFmpegError:
            if after is None:
                raise
            return None
    return end


def _step(stream: Any) -> float:
    rate = getattr(stream, "guessed_rate", None)
    return 1 / float(rate) if rate else 0.0


def _info(container: Any, stream: Any, kind: Kind) -> dict[str, Any]:
    streams = getattr(container.streams, kind)
    common = {"codec": stream.codec_context.name, "stream": stream.index, "streams": len(streams)}
    if kind == "audio":
        rate, layout = stream.codec_context.sample_rate, layout_of(stream)
        return common | {"rate": rate, "channels": layout.nb_channels, "layout": layout.name}
    rate = stream.average_rate
    return common | {"width": stream.width, "height": stream.height, "fps": float(rate) if rate else None}
