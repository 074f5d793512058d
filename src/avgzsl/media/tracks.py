"""Which streams of a file are used, and when they begin and end."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from avgzsl.errors import MediaError
from avgzsl.media.channels import layout_of
from avgzsl.media.container import MP4, STILLS, opened
from avgzsl.media.kinds import LOCKED, is_locked
from avgzsl.media.shape import PixelShape
from avgzsl.media.stamps import Join, Scan, scan
from avgzsl.media.structure import Movie, check_boxes, check_riff, check_segment
from avgzsl.media.tiles import Grid, read_grid
from avgzsl.media.tones import NAMES

Kind = Literal["video", "audio"]

SLACK = 0.5
"""Seconds by which what a header says may differ from what there is: durations are rounded to frames and blocks."""

_MATROSKA = "matroska,webm"
_INDEXED = (MP4, "avi", "wav")  # an index or header tells how long each track is, but for an MP4 in fragments
_HEADER_SAYS = (*_INDEXED, "w64", "flac", "aiff", "caf")
_COVERS = (MP4, _MATROSKA)  # what holds covers that are not marked as such
_SOUND_BRANDS = ("M4A ", "M4B ", "M4P ")

_READ_WHOLE, _TAIL = 4 << 30, 10.0
"""Bytes up to which all packets of a file are read; of a longer one, those of the last seconds are."""


@dataclass(frozen=True)
class Track:
    """A stream of a file that is used; `start` and `end` in seconds from the start of the file.

    A still picture has no end. `info` goes into JSON: codec, size or rate, and how many streams of its kind there are.

    `zero` is the file's first time stamp in seconds; `last` is when the last frame begins, where an index or the
    packets tell it. `joins` are those of `avgzsl.media.stamps`. Of a picture of tiles, `index` is that of one of them.
    """

    format: str
    kind: Kind
    index: int
    start: float
    end: float | None
    zero: float
    info: dict[str, Any]
    last: float | None = None
    joins: tuple[Join, ...] = ()
    grid: Grid | None = None

    @property
    def exact(self) -> bool:
        """Whether the end is known, so that a file which ends before it was cut short."""
        return self.last is not None or self.format in _HEADER_SAYS


@dataclass(frozen=True)
class Tracks:
    """The video and the audio track that are used of a file; None for what it does not have.

    `joined` has the seconds at which later recordings begin, in a file of several. `indexed` is whether an index or the
    header told of all packets, so that none was read.
    """

    format: str
    video: Track | None
    audio: Track | None
    joined: tuple[float, ...] = ()
    indexed: bool = False

    @property
    def duration(self) -> float | None:
        """Seconds from the first time stamp of the file to the end of its longer track; None for a still picture."""
        ends = [track.end for track in (self.video, self.audio) if track is not None and track.end is not None]
        return max(ends, default=None)


def survey(path: Path) -> Tracks:
    """FFmpeg's best video and audio stream of a file, of those that hold anything.

    Raises MediaError (without the path) when there is neither, or the file is shorter than it says.
    """
    with opened(path) as container:
        return tracks_of(path, container)


def tracks_of(path: Path, container: Any) -> Tracks:
    """As `survey`, of a file that is open; nothing is read from its container."""
    name, zero = container.format.name, (container.start_time or 0) / 1e6
    streams = [stream for kind in ("video", "audio") if (stream := _best(container, kind)) is not None]
    timing = None
    readable = {kind for kind in ("video", "audio") if container.streams.best(kind) is not None}
    movie = _check_structure(path, name)
    if (movie is not None and movie.fragmented) or not all(_length_is_known(name, stream) for stream in streams):
        best_kinds = {stream.type for stream in streams}
        streams, timing = _filled_streams(path, container, streams, zero)
        readable -= best_kinds - {stream.type for stream in streams}  # kinds of which no stream has a packet
    if movie is not None and (unread := sorted(movie.kinds - readable)):
        raise MediaError(f"lists {unread[0]} in its index, of which nothing can be read: it is damaged")
    if not streams:
        kinds = ", ".join(stream.type for stream in container.streams) or "none"
        raise MediaError(f"has neither picture nor sound (streams: {kinds})")
    tracks = {stream.type: _track(container, stream, zero, timing) for stream in streams}
    if len(tracks) == 2 and _is_plain_cover(container, streams[0], tracks["video"], tracks["audio"], timing):
        del tracks["video"]
    joined: tuple[float, ...] = ()
    if timing is not None:
        if name == _MATROSKA:
            tracks = _checked_against_header(path, tracks, timing, container)
        elif movie is not None and not timing.joined:
            check_whole(max(stamps.end for stamps in timing.streams.values()) - zero, movie.seconds)
        joined = tuple(place - zero for place in timing.joined)
    return _with_tiles(path, Tracks(name, tracks.get("video"), tracks.get("audio"), joined, timing is None))


def _with_tiles(path: Path, tracks: Tracks) -> Tracks:
    """`tracks`, a picture in tiles replaced by the whole picture. Raises MediaError for an encrypted file."""
    if tracks.format != MP4:
        return tracks
    if is_locked(path):
        raise MediaError(LOCKED)
    grid = None if tracks.video is None else read_grid(path)
    if tracks.video is None or grid is None:
        return tracks
    info = tracks.video.info | {"width": grid.width, "height": grid.height, "tiles": len(grid.tiles)}
    return replace(tracks, video=replace(tracks.video, end=None, info=info, grid=grid))


def check_whole(ends: float, declared: float) -> None:
    """Raise MediaError when a file ends well before its header says."""
    if ends < declared - SLACK:
        raise MediaError(f"ends at {ends:.2f} s, though its header says {declared:.2f} s: it is damaged or cut short")


def _check_structure(path: Path, name: str) -> Movie | None:
    """What the index of an MP4 file lists; None of other files.

    Raises MediaError when a file is not as long as the sizes in it say, or when another follows behind it.
    """
    if name in ("wav", "avi"):
        check_riff(path)
    elif name == MP4:
        return check_boxes(path)
    return None


def _best(container: Any, kind: Kind) -> Any:
    """The best stream of a kind that is no cover picture of a sound file."""
    best = container.streams.best(kind)
    if best is None or not _is_attached(best):
        return best
    return next((stream for stream in getattr(container.streams, kind) if not _is_attached(stream)), None)


def _is_attached(stream: Any) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _is_still(name: str, stream: Any) -> bool:
    """Whether a stream is a still picture, also one in an MP4 container (AVIF, HEIC), which has no duration."""
    return name in STILLS or (name == MP4 and stream.duration is None and stream.frames == 1)


def _length_is_known(name: str, stream: Any) -> bool:
    """Whether an index or header tells how long the stream is, so that its packets need not be read."""
    if _is_still(name, stream):
        return True
    filled = name != MP4 or len(stream.index_entries) > 0
    return name in _INDEXED and filled and bool(stream.duration and stream.duration > 0)


def _filled_streams(path: Path, container: Any, streams: list[Any], zero: float) -> tuple[list[Any], Scan]:
    """Those of the streams that have packets, or another of their kind in their place; and the stamps of all."""
    used = tuple(stream.index for stream in streams)
    if path.stat().st_size > _READ_WHOLE and (container.duration or 0) / 1e6 > 2 * _TAIL:
        timing = scan(path, used, zero + container.duration / 1e6 - _TAIL)
        if all(index in timing.streams for index in used):
            return streams, timing
    timing = scan(path, used)
    filled = [stream for stream in container.streams if stream.index in timing.streams and not _is_attached(stream)]
    chosen = []
    for best in streams:
        same_kind = [stream for stream in filled if stream.type == best.type]
        chosen += [best] if best in same_kind else same_kind[:1]
    if chosen != streams:
        timing = scan(path, tuple(stream.index for stream in chosen))
    return chosen, timing


def _is_plain_cover(container: Any, stream: Any, video: Track, audio: Track, timing: Scan | None) -> bool:
    """Whether a picture is one frame that is shown for less than half of the sound, or stands in a file of sound."""
    if timing is None:
        frames = len(stream.index_entries)
    else:
        frames = timing.streams[stream.index].packets if timing.whole else 0
    if container.format.name not in _COVERS or frames != 1 or video.end is None or audio.end is None:
        return False
    brand = container.metadata.get("major_brand")
    return brand in _SOUND_BRANDS or video.end - video.start < (audio.end - audio.start) / 2


def _track(container: Any, stream: Any, zero: float, timing: Scan | None) -> Track:
    name, kind = container.format.name, stream.type
    if stream.codec_context is None:
        raise MediaError(f"its {kind} (stream {stream.index}) is of a codec that is not read, or unknown")
    start = 0.0 if stream.start_time is None else float(stream.start_time * stream.time_base) - zero
    if timing is not None and timing.whole and kind == "video":
        start = timing.streams[stream.index].first - zero
    track = Track(name, kind, stream.index, start, None, zero, _info(container, stream, kind))
    if _is_still(name, stream):
        return track
    header_end = start + float((stream.duration or 0) * stream.time_base) if name in _HEADER_SAYS else None
    if timing is None:
        return replace(track, end=header_end, last=_last_indexed(stream, zero))
    stamps = timing.streams[stream.index]
    end = stamps.end - zero
    if header_end is not None and not stamps.joins:
        return replace(track, end=max(end, header_end))
    return replace(track, end=end, last=stamps.last - zero, joins=stamps.joins)


def _last_indexed(stream: Any, zero: float) -> float | None:
    """When the last packet of an index is decoded; None without an index."""
    shown = (entry for entry in reversed(stream.index_entries) if not entry.is_discard)
    last = next(shown, None)
    return None if last is None else float(last.timestamp * stream.time_base) - zero


def _checked_against_header(path: Path, tracks: dict[str, Track], timing: Scan, container: Any) -> dict[str, Track]:
    """The tracks of a Matroska file, held against the duration in its header, which is that of its longest track.

    Where there is nothing but a picture, and the file is whole, the header tells how long the last frame is shown.
    Raises MediaError when the file is shorter than it says, or all tracks end well before.
    """
    declared = (container.duration or 0) / 1e6
    ends = max(stamps.end for stamps in timing.streams.values())
    if check_segment(path) and list(timing.streams) == [stream.index for stream in container.streams.video]:
        return {"video": replace(tracks["video"], end=max(ends, declared) - tracks["video"].zero)}
    if not timing.joined:
        check_whole(ends, declared)
    return tracks


def _info(container: Any, stream: Any, kind: Kind) -> dict[str, Any]:
    streams = getattr(container.streams, kind)
    common = {"codec": stream.codec_context.name, "stream": stream.index, "streams": len(streams)}
    if kind == "audio":
        rate, layout = stream.codec_context.sample_rate, layout_of(stream)
        return common | {"rate": rate, "channels": layout.nb_channels, "layout": layout.name}
    rate, ratio = stream.average_rate, PixelShape(stream).current()
    picture = {"width": stream.width, "height": stream.height, "sample_aspect_ratio": str(ratio)}
    transfer = NAMES.get(stream.codec_context.color_trc)
    return common | picture | {"fps": float(rate) if rate else None, "tone_mapped": transfer}
