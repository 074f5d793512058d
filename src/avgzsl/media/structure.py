"""Whether a file is as long as the sizes in it say, which FFmpeg does not ask: it reads what is there."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypedDict

from avgzsl.errors import MediaError

_UNKNOWN_SIZE = 0x7FFF_0000  # what programs that write into a pipe put in the place of a size, or more

_INSIDE = {b"moov": b"trak", b"trak": b"mdia", b"mdia": b"minf", b"minf": b"stbl"}
"""Boxes of the index (ISO/IEC 14496-12) and which one in them holds others."""

_FILE = b""
_HEADER, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_MOST_PADDING = 1 << 20
_KINDS = {b"soun": "audio", b"vide": "video"}

_BEGINNINGS = {
    "aiff": (rb"FORM....AIF[FC]", 1),
    "apng": (rb"\x89PNG\r\n\x1a\n", 1),
    "asf": (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", 1),
    "caf": (rb"caff\x00\x01\x00\x00desc", 1),
    "flac": (rb"fLaC[\x00\x80]\x00\x00\x22", 1),
    "flv": (rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00", 1),
    "ivf": (rb"DKIF\x00\x00\x20\x00", 1),
    "matroska,webm": (rb"\x1a\x45\xdf\xa3.{1,40}?\x42\x82.{1,8}?(?:webm|matroska)", 2),
    "mxf": (rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02", 1),
    "nut": (rb"nut/multimedia container\x00", 1),
    "tta": (rb"TTA1\x01\x00.\x00..", 1),
    "w64": (rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", 1),
}
"""How a file begins, by FFmpeg's name of its kind, and how many files of this kind FFmpeg reads from one stream.

Kinds that FFmpeg reads to the end, however many files stand one behind the other, are not listed.
"""

_LONGEST_BEGINNING = 64


class _Box(NamedTuple):
    """A box of an MP4 file; its content is at the bytes `start` to `end` of the file."""

    name: bytes
    start: int
    end: int


def check_riff(path: Path) -> None:
    """Raise MediaError when a WAV or AVI file ends within one of its RIFF chunks.

    A long AVI (OpenDML) has several, one after the other; whatever else follows the first belongs to other programs.
    A size of 0 or of nearly 2 GiB or more tells nothing: a program that writes into a pipe, or one that recorded until
    the power went, never came back to fill it in. What it wrote is then all there ever was, and not cut.
    """
    size, at = path.stat().st_size, 0
    with path.open("rb") as stream:
        while True:
            stream.seek(at)
            name, stated = stream.read(4), int.from_bytes(stream.read(4), "little")
            if name == b"RIFX":
                raise MediaError(
                    "is big-endian (RIFX), of which the samples are misread; convert it to a usual WAV file"
                )
            if at and name == b"RIFF" and stream.read(4) in (b"WAVE", b"AVI "):
                raise _several_files(at)
            if name != b"RIFF" or not 0 < stated < _UNKNOWN_SIZE:
                return
            end = at + 8 + stated
            if end > size + 8:  # some write the size of the whole file; the last byte of an odd size may be missing
                raise _short(size, end)
            at = end + stated % 2


class Movie(NamedTuple):
    """What the index of an MP4 or QuickTime file lists of "audio" and "video", and whether it comes in fragments.

    `seconds` is how long all fragments are together, or 0 where that is not told.
    """

    kinds: set[str]
    fragmented: bool
    seconds: float


def check_boxes(path: Path) -> Movie:
    """Which tracks the index of an MP4 or QuickTime file lists, and whether its media comes in fragments.

    A track that has neither a sample nor a length is left out. Raises MediaError when the file ends within the index,
    or the index does not hold together; where it comes in fragments, each before its media, also when it ends within
    those, or before what a list of them (the box sidx) names; and for two files, one behind the other, of which FFmpeg
    reads the first. (In other files the index tells how long the media is. What of it is missing is noticed when a span
    needs it, and the spans before it are whole.)
    """
    tracks: list[_TrackEntry] = []
    filled: set[int] = set()  # tracks of which a fragment holds something
    seconds = 0.0
    with path.open("rb") as stream:
        size, checked = os.fstat(stream.fileno()).st_size, {b"moov", b"moof"}
        for box in _boxes(stream, _Box(_FILE, 0, size)):
            if box.name == b"moof":
                checked.add(b"mdat")
            if box.name in checked and box.end > size:  # others may be what a camera or a tagger put behind them
                raise _short(size, box.end)
            if box.name == b"sidx":
                _check_listed_bytes(stream, box, size)
            if box.name == b"moov":
                if tracks:
                    raise _several_files(box.start)
                tracks += _listed_tracks(stream, box)
                seconds = _seconds(stream, box)
            elif box.name == b"moof":
                filled.update(_filled_tracks(stream, box))
    kinds = {track["kind"] for track in tracks if not track["empty"] or track["number"] in filled}
    return Movie({_KINDS[kind] for kind in kinds if kind in _KINDS}, b"mdat" in checked, seconds)


def check_segment(path: Path) -> bool:
    """Whether a Matroska file tells the size of its segment. Raises MediaError when it ends within that."""
    length = path.stat().st_size
    with path.open("rb") as stream:
        for _ in range(2):  # the header, then the segment (RFC 8794 has the form of a size)
            name, size = stream.read(4), _number(stream)
            if size is None or name not in (_HEADER, _SEGMENT):
                return False
            if stream.tell() + size > length:
                raise _short(length, stream.tell() + size)
            if name == _SEGMENT:
                return True
            stream.seek(size, os.SEEK_CUR)
    return False


def check_single(path: Path, name: str) -> None:
    """Raise MediaError when more files of its kind follow one another than FFmpeg reads."""
    pattern, readable = _BEGINNINGS.get(name, (b"", 0))
    if not readable:
        return
    with path.open("rb") as stream:
        before, at, offsets = b"", 0, set()
        while block := stream.read(1 << 20):
            offsets |= {at - len(before) + match.start() for match in re.finditer(pattern, before + block, re.DOTALL)}
            before, at = (before + block)[-_LONGEST_BEGINNING:], at + len(block)
    if len(offsets) > readable:
        raise _several_files(sorted(offsets)[readable], readable)


def _number(stream: BinaryIO) -> int | None:
    """A size in the form of Matroska; None for one that is unknown."""
    first = stream.read(1)
    length = 9 - first[0].bit_length() if first else 9
    following = stream.read(length - 1)
    if length > 8 or len(following) < length - 1:
        return None
    all_ones = (1 << 7 * length) - 1
    value = int.from_bytes(first + following, "big") & all_ones
    return None if value == all_ones else value


def _short(size: int, stated: int) -> MediaError:
    return MediaError(f"has {size} bytes, though its header says {stated}: it is damaged or cut short")


def _several_files(at: int, readable: int = 1) -> MediaError:
    count = {1: "the first", 2: "the first two"}[readable]
    return MediaError(
        f"is several files, one behind the other (another begins at byte {at}), of which only {count} can be read; "
        "take them apart, or join them with a program that makes one file of them"
    )


class _TrackEntry(TypedDict):
    """A track in the index: its kind (`soun`, `vide`), its number, and whether it has neither a sample nor a length."""

    kind: bytes
    number: int
    empty: bool


def _listed_tracks(stream: BinaryIO, moov: _Box) -> list[_TrackEntry]:
    """Every track that the box `moov` (the index) lists."""
    tracks: list[_TrackEntry] = []
    samples, length = -1, -1
    for box in _walk(stream, moov):
        stream.seek(box.start)
        data = stream.read(32)
        if box.name == b"trak":
            tracks.append({"kind": b"", "number": 0, "empty": False})
            samples, length = -1, -1
        elif not tracks or len(data) < 24:
            continue
        elif box.name == b"tkhd":
            tracks[-1]["number"] = int.from_bytes(data[20:24] if data[0] else data[12:16], "big")
        elif box.name == b"mdhd":
            length = int.from_bytes(data[24:32] if data[0] else data[16:20], "big")
        elif box.name == b"hdlr" and data[8:12] in _KINDS:
            tracks[-1]["kind"] = data[8:12]
        if box.name in (b"stsz", b"stz2"):
            samples = int.from_bytes(data[8:12], "big")
        if tracks:
            tracks[-1]["empty"] = samples == 0 and length == 0
    return tracks


def _seconds(stream: BinaryIO, moov: _Box) -> float:
    """How long all fragments are together, by the box mehd; 0 where that is not told."""
    headers = list(_boxes(stream, moov))
    headers += [inner for box in headers if box.name == b"mvex" for inner in _boxes(stream, box)]
    scale, ticks = 0, 0
    for box in headers:
        if box.name not in (b"mvhd", b"mehd"):
            continue
        stream.seek(box.start)
        data = stream.read(32)
        if len(data) < 32:
            continue
        if box.name == b"mvhd":
            scale = int.from_bytes(data[20:24] if data[0] else data[12:16], "big")
        else:
            ticks = int.from_bytes(data[4:12] if data[0] else data[4:8], "big")
    return ticks / scale if scale else 0.0


def _filled_tracks(stream: BinaryIO, moof: _Box) -> Iterator[int]:
    """The numbers of the tracks of which the fragment holds something."""
    for fragment in _boxes(stream, moof):
        if fragment.name != b"traf":
            continue
        for box in _boxes(stream, fragment):
            if box.name == b"tfhd":
                stream.seek(box.start + 4)
                yield int.from_bytes(stream.read(4), "big")


def _check_listed_bytes(stream: BinaryIO, sidx: _Box, size: int) -> None:
    """Raise MediaError when the file ends within the pieces that a list of fragments names, which follow the list."""
    stream.seek(sidx.start)
    data = stream.read(min(sidx.end - sidx.start, _MOST_PADDING))
    if len(data) < 32:
        return
    head = 28 if data[0] else 20
    first = int.from_bytes(data[head - 8 : head] if data[0] else data[head - 4 : head], "big")
    count = int.from_bytes(data[head + 2 : head + 4], "big")
    places = range(head + 4, min(head + 4 + 12 * count, len(data) - 3), 12)
    end = sidx.end + first + sum(int.from_bytes(data[at : at + 4], "big") & 0x7FFF_FFFF for at in places)
    if end > size:
        raise _short(size, end)


def _walk(stream: BinaryIO, parent: _Box) -> Iterator[_Box]:
    """Every box within `parent`, and those that it holds."""
    for box in _boxes(stream, parent):
        if not box.start <= box.end <= parent.end:
            if box.name == bytes(4) and _is_padding(stream, box.start, parent.end):
                return
            raise MediaError("its index (the box moov) does not hold together: it is damaged; make the file anew")
        yield box
        if box.name == _INSIDE.get(parent.name):
            yield from _walk(stream, box)


def _is_padding(stream: BinaryIO, start: int, end: int) -> bool:
    stream.seek(start)
    return not stream.read(min(end - start, _MOST_PADDING)).strip(b"\0")


def _boxes(stream: BinaryIO, parent: _Box) -> Iterator[_Box]:
    """The boxes within `parent`; the last may end behind it, or before its own content, if it is damaged."""
    at = parent.start
    while at + 8 <= parent.end:
        stream.seek(at)
        head = stream.read(16)
        size, name, begin = int.from_bytes(head[:4], "big"), head[4:8], at + 8
        if size == 1:
            size, begin = int.from_bytes(head[8:], "big"), at + 16
        elif size == 0 and parent.name == _FILE:  # a box that goes on to the end of the file
            size = parent.end - at
        yield _Box(name, begin, at + size)
        at = at + size if at + size >= begin else parent.end
