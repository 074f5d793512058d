"""Whether a file is as long as the sizes in it say, which FFmpeg does not ask: it reads what is there."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from avgzsl.errors import MediaError

_UNKNOWN_SIZE = 0x7FFF_0000  # what programs that write into a pipe put in the place of a size, or more

_INSIDE = {b"moov": b"trak", b"trak": b"mdia", b"mdia": b"minf", b"minf": b"stbl"}
"""Boxes of the index (ISO/IEC 14496-12) and which one in them holds others."""

_FILE = b""
_MOST_PADDING = 1 << 20
_KINDS = {b"soun": "audio", b"vide": "video"}


class _Box(NamedTuple):
    """Its content is at `start` to `end` of the file."""

    name: bytes
    start: int
    end: int


def check_riff(path: Path) -> None:
    """Raise MediaError when a WAV or AVI file ends within one of its RIFF chunks.

    A long AVI (OpenDML) has several, one after the other; whatever else follows the first belongs to other programs.
    A size of 0 or of nearly 2 GiB or more tells nothing: a program that writes into a pipe, or one that recorded until
    the power went, never came back to fill it in. What it wrote is then all there ever was, and not cut.
    """
    there, at = path.stat().st_size, 0
    with path.open("rb") as stream:
        while True:
            stream.seek(at)
            name, stated = stream.read(4), int.from_bytes(stream.read(4), "little")
            if name == b"RIFX":
                raise MediaError(
                    "is big-endian (RIFX), of which the samples are misread; convert it to a usual WAV file"
                )
            if name != b"RIFF" or not 0 < stated < _UNKNOWN_SIZE:
                return
            end = at + 8 + stated
            if end > there + 8:  # some write the size of the whole file; the last byte of an odd size may be missing
                raise _short(there, end)
            at = end + stated % 2


def check_boxes(path: Path) -> set[str]:
    """What the index of an MP4 or QuickTime file lists of "audio" and "video".

    Raises MediaError when the file ends within the index, or the index does not hold together; where it comes in
    fragments, each before its media, also when it ends within those. (In other files the index tells how long the media
    is. What of it is missing is noticed when a span needs it, and the spans before it are whole.)
    """
    kinds: set[str] = set()
    with path.open("rb") as stream:
        there, checked = os.fstat(stream.fileno()).st_size, {b"moov", b"moof"}
        for box in _boxes(stream, _Box(_FILE, 0, there)):
            if box.name == b"moof":
                checked.add(b"mdat")
            if box.name in checked and box.end > there:  # others may be what a camera or a tagger put behind them
                raise _short(there, box.end)
            if box.name == b"moov":
                kinds.update(_listed(stream, box))
    return kinds


def _short(there: int, stated: int) -> MediaError:
    return MediaError(f"has {there} bytes, though its header says {stated}: it is damaged or cut short")


def _listed(stream: BinaryIO, parent: _Box) -> Iterator[str]:
    """The kind of every track within `parent`."""
    for box in _boxes(stream, parent):
        if not box.start <= box.end <= parent.end:
            if box.name == bytes(4) and _is_padding(stream, box.start, parent.end):
                return
            raise MediaError("its index (the box moov) does not hold together: it is damaged; make the file anew")
        if box.name == _INSIDE.get(parent.name):
            yield from _listed(stream, box)
        elif box.name == b"hdlr" and parent.name == b"mdia":
            stream.seek(box.start + 8)
            yield from filter(None, [_KINDS.get(stream.read(4))])


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
