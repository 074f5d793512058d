"""Decoded frames of one track in order of time, from a point in it on."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from avgzsl.errors import MediaError
from avgzsl.media.container import MP4, decoder_messages, opened, prepare
from avgzsl.media.opening import Opening
from avgzsl.media.shape import PixelShape
from avgzsl.media.stamps import Join
from avgzsl.media.tracks import Track

_EARLIER = (0.0, 10.0, 60.0)  # seconds: an index may point behind the time that was asked for
_EARLIER_KEY = (2.0, 10.0, 60.0)  # where nothing points to key frames

# Containers that hold one packet after the other, so that the first one of a file, or after a seek, is not cut.
_IN_PACKETS = (
    *(MP4, "matroska,webm", "avi", "asf", "flv", "mxf", "nut", "ogg", "ivf", "gif", "apng"),
    *("wav", "w64", "flac", "aiff", "caf"),
)
_WHOLE_SOUND = ("aac", "alac", "flac", "opus", "vorbis")  # codecs of which every packet decodes by itself

_HEADLESS = 5.0  # seconds before the first key frame of a later recording

_TAGS, _THEORA_COMMENT = (b"ID3", b"TAG", b"APETAGEX"), 0x81

ROUNDING = 1e-3
"""Seconds; Matroska rounds its time stamps to milliseconds."""


@contextmanager
def frames_from(
    path: Path, track: Track, start: float, opening: Opening | None = None
) -> Iterator[Iterator[tuple[float, Any]]]:
    """(seconds from the start of the file, av frame) of `track`, the first at or before `start` if there is one.

    The file is entered by seeking. In a file of several recordings the same stamp may come twice: there, packets are
    read and passed over instead. The file is opened anew where an `opening` is not given, or cannot serve. Raises
    MediaError, without the path, for what cannot be decoded.
    """
    tries = _EARLIER_KEY if track.joins else _EARLIER
    starts = [start - earlier for earlier in tries if start - earlier > track.start + ROUNDING]
    if opening is not None and opening.indexed and starts and _leads_to_the_first(opening.container, track, starts[0]):
        starts = []
    for begin in [*starts, None]:
        with ExitStack() as stack:
            packets = _packets_from(path, track, begin, opening, stack)
            if packets is None:
                continue
            stream, raw = packets
            frames = _timed(path, _frames(raw, stream, track.joins, _entry(track, begin)), stream, track, begin)
            first = next(frames, None)
            if begin is not None and (first is None or first[0] > start + ROUNDING):
                continue
            yield iter(()) if first is None else chain([first], frames)
            return


def _packets_from(
    path: Path, track: Track, begin: float | None, opening: Opening | None, stack: ExitStack
) -> tuple[Any, Iterator[Any]] | None:
    """The stream of a track, and its packets from `begin` seconds, or of the whole file; None where seeking fails."""
    seeks = begin is not None and not track.joins
    if opening is not None and not seeks and (packets := opening.from_begin(track.index)) is not None:
        stack.enter_context(decoder_messages())
        stack.callback(packets.close)
        return opening.container.streams[track.index], packets
    serves = opening is not None and seeks and opening.may_enter(track.index)
    container = stack.enter_context(opened(path)) if opening is None or not serves else opening.container
    stack.enter_context(decoder_messages())
    if begin is not None and seeks and not _seek(container, track, begin):
        return None
    stream = container.streams[track.index]
    return stream, container.demux(stream)


def _leads_to_the_first(container: Any, track: Track, begin: float) -> bool:
    """Whether seeking would lead to the first frame, by the index."""
    if track.kind != "video":
        return False
    stream = container.streams[track.index]
    ticks = round((begin + track.zero) / stream.time_base)
    return bool(stream.index_entries.search_timestamp(ticks) == 0)


def _seek(container: Any, track: Track, begin: float) -> bool:
    import av

    if track.format in ("h264", "hevc", "obu"):  # nothing in them tells the time
        return False
    try:
        stream = container.streams[track.index]
        container.seek(round((begin + track.zero) / stream.time_base), stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def _entry(track: Track, begin: float | None) -> float | None:
    return begin + track.zero if track.joins and begin is not None else None


def _timed(
    path: Path, frames: Iterator[tuple[int | None, Any]], stream: Any, track: Track, begin: float | None
) -> Iterator[tuple[float, Any]]:
    """A frame without a time follows the one before it. After a seek, the first could be anywhere."""
    decoding_times = track.format == "avi" and track.kind == "video"  # AVI tells no others
    delay = _delay(path, track) if decoding_times and begin is not None else None
    before: tuple[float, Any] | None = None
    for first, frame in frames:
        if decoding_times and begin is None and before is None:
            delay = _ticks_between(first, frame)
        if delay is None:
            time = frame.time
        else:
            time = None if frame.dts is None else float((frame.dts - delay) * frame.time_base)
        if time is not None:
            time -= track.zero
        elif before is None:
            time = 0.0 if begin is None else math.inf
        else:
            time = before[0] + _length(before[1], stream)
        before = time, frame
        yield before


def _delay(path: Path, track: Track) -> int | None:
    """For AVI, which tells times of decoding only: the ticks from these to the times of presentation."""
    with opened(path) as container:
        stream = container.streams[track.index]
        return _ticks_between(*next(_frames(container.demux(stream), stream), (None, None)))


def _ticks_between(first: int | None, frame: Any) -> int | None:
    return None if frame is None or first is None or frame.dts is None else frame.dts - first


def _length(frame: Any, stream: Any) -> float:
    """Seconds of a frame; 0 where nothing tells it."""
    if getattr(frame, "sample_rate", None):
        return float(frame.samples / frame.sample_rate)
    if frame.duration:
        return float(frame.duration * frame.time_base)
    rate = stream.guessed_rate
    return 1 / float(rate) if rate else 0.0


@dataclass
class _Decoding:
    """The state of decoding a recording: its first packet, its first whole key packet, and the first error.

    `passed_over` is whether something damaged was left out, `begun` whether a whole frame was given out.
    """

    first: Any = None
    key: Any = None
    problem: Exception | None = None
    passed_over: bool = False
    begun: bool = False


def _frames(
    packets: Iterator[Any], stream: Any, joins: tuple[Join, ...] = (), entry: float | None = None
) -> Iterator[tuple[int | None, Any]]:
    """(time stamp of the first packet, frame), what is damaged from the first key frame on refused.

    Damage before the first key frame is passed over: a recording, and what follows a seek, may begin in the middle of
    a group of pictures. A frame that was predicted from one that was passed over does not count as whole, and is
    passed over too.
    """
    import av

    prepare(stream)
    shape = PixelShape(stream) if stream.type == "video" else None
    state = _Decoding()
    name = stream.container.format.name
    for packet, begins in _joined(packets, stream, joins, entry) if joins else zip(packets, repeat(False)):
        if begins and (state.problem is None or state.begun):
            state = _Decoding()
        if state.key is None and _is_whole_key(packet, stream, name, state.first is None):
            state.key = packet
        state.first = packet if state.first is None else state.first
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if _is_label(packet, stream):
                continue
            if state.begun or isinstance(error, MemoryError) or _is_due(packet, state.key):
                raise
            state.problem, state.passed_over, frames = state.problem or error, True, []
        for frame in frames:
            if shape is not None:
                shape.mark(frame)
            if frame.is_corrupt and (state.begun or _is_due(frame, state.key)):
                raise MediaError(f"its {stream.type} is damaged{_at(frame)}")
            state.passed_over = state.passed_over or frame.is_corrupt
            state.begun = state.begun or (not frame.is_corrupt and (stream.type == "audio" or bool(frame.key_frame)))
            if state.begun or not state.passed_over:
                yield state.first.dts, frame
    if state.problem is not None and not state.begun:
        raise state.problem


def _joined(
    packets: Iterator[Any], stream: Any, joins: tuple[Join, ...], entry: float | None
) -> Iterator[tuple[Any, bool]]:
    """(packet, whether a recording begins with it) of a stream of several recordings.

    The stamps of a later recording are moved behind the one before it. With `entry`, in seconds, only packets from the
    first key frame at or after it. A later recording may begin in the middle of a group of pictures; what would be
    predicted from another recording's frames is passed over. Raises MediaError when that is more than a few seconds.
    """
    later, count, ticks, enters = list(joins), 0, 0, entry is not None
    headless = None  # while packets before a recording's first key frame are passed over: its first stamp, in seconds
    for packet in packets:
        begins = bool(packet.size and later and count == later[0].packets)
        if begins:
            join = later.pop(0)
            ticks = round(join.seconds / stream.time_base)
            headless = _seconds(packet, stream) if join.back else None
            if packet.is_keyframe:
                yield _end_of_recording(stream), False
                stream.codec_context.flush_buffers()
        if packet.size:
            count += 1
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
            time = _seconds(packet, stream)
            enters = enters and (not packet.is_keyframe or (entry is not None and time < entry))
            if headless is not None and not packet.is_keyframe:
                if time - ticks * stream.time_base > headless + _HEADLESS:
                    raise MediaError(f"a recording in it, at {time:.0f} s, begins without a key frame; make it anew")
                continue
            headless = None
            if enters:
                continue
        yield packet, begins


def _seconds(packet: Any, stream: Any) -> float:
    stamp = packet.pts if packet.pts is not None else packet.dts
    return math.inf if stamp is None else float(stamp * stream.time_base)


def _end_of_recording(stream: Any) -> Any:
    """A packet that makes the decoder give out the frames that it still holds."""
    import av

    packet = av.Packet(0)
    packet.stream, packet.time_base = stream, stream.time_base
    return packet


def _is_label(packet: Any, stream: Any) -> bool:
    """Whether a packet that does not decode is no picture or sound: a tag between two recordings, or their header."""
    content = bytes(packet)
    if stream.codec_context.name == "theora" and content[1:7] == b"theora":
        return content[0] == _THEORA_COMMENT or content in stream.codec_context.extradata  # else it cannot be decoded
    return content.startswith(_TAGS)


def _is_whole_key(packet: Any, stream: Any, name: str, is_first: bool) -> bool:
    """Whether `packet` is one that decodes on its own, unless it is damaged.

    In a stream of bytes the first packet may be the rest of one. So may the first ones of sound anywhere, where its
    codec was made for such streams and they were cut and put into another container without regard to its frames.
    """
    if stream.type == "audio":
        return name in _IN_PACKETS and stream.codec_context.name in _WHOLE_SOUND
    return bool(packet.is_keyframe) and (name in _IN_PACKETS or not is_first)


def _is_due(item: Any, key: Any) -> bool:
    """Whether a packet or frame has to be whole, once the packet `key` was met.

    What is shown before it may refer to an earlier group of pictures, which is not there (an open group).
    """
    return key is not None and (item.pts is None or key.pts is None or item.pts >= key.pts)


def _at(frame: Any) -> str:
    return "" if frame.time is None else f" at {frame.time:.2f} s"
