"""Still pictures in an MP4 container (AVIF, HEIC) that are put together from tiles (ISO/IEC 23008-12)."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from avgzsl.errors import MediaError
from avgzsl.media.boxes import boxes, number
from avgzsl.media.colours import rgb
from avgzsl.media.container import MOST_PIXELS, opened, prepare

_TURN, _MIRROR = b"irot", b"imir"
_DERIVED = {b"iden": "a copy of another", b"iovl": "an overlay of several", b"tmap": "made from one and a map of tones"}
_MOST_META = 1 << 24  # bytes; the description of a picture of 256 x 256 tiles takes 4 MB
_MOST_DATA = 1024  # bytes of an item that describes a grid, which takes 12


@dataclass(frozen=True)
class Grid:
    """Tiles, row by row, by the ids of their streams; what is shown is the top left `width` x `height` of them.

    `turns` are to be made in this order, once it is put together: quarters of a turn to the left, or mirrorings.
    """

    columns: int
    width: int
    height: int
    tiles: tuple[int, ...]
    turns: tuple[tuple[bytes, int], ...]


class _Items(NamedTuple):
    """The still pictures of a file, by their ids: kind, ids of the pictures they are made from, properties, data.

    `main` is the id of the picture to be shown; only its data is read.
    """

    main: int
    kinds: dict[int, bytes]
    parts: dict[int, list[int]]
    properties: dict[int, list[tuple[bytes, bytes]]]
    data: dict[int, bytes]


def read_grid(path: Path) -> Grid | None:
    """The tiles of the picture that a file is; None for one without tiles, and for a film.

    Raises MediaError for a picture that is put together in a way that is not read, or whose description is damaged.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        top_boxes = {
            name: (start, end) for name, start, end in boxes(content, 0, len(content)) if name in (b"meta", b"moov")
        }
        if b"meta" not in top_boxes or b"moov" in top_boxes:
            return None
        try:
            items = _items(content, *top_boxes[b"meta"])
            return None if items is None else _grid(items)
        except (IndexError, ValueError, KeyError) as problem:
            raise MediaError(f"the description of its picture (the box meta) is damaged ({problem!r})") from problem


def assembled(path: Path, grid: Grid) -> Any:
    """The whole picture, upright, as an av frame. Raises MediaError, without the path, when a tile is missing."""
    import av

    tiles = _decoded(path, set(grid.tiles))
    if missing := [tile for tile in grid.tiles if tile not in tiles]:
        raise MediaError(f"{len(missing)} of its {len(grid.tiles)} tiles cannot be decoded: it is damaged")
    high, wide = tiles[grid.tiles[0]].shape[:2]
    rows = len(grid.tiles) // grid.columns
    if {tile.shape for tile in tiles.values()} != {(high, wide, 3)} or (
        high * rows < grid.height or wide * grid.columns < grid.width
    ):
        raise MediaError(f"its tiles do not make a picture of {grid.width} x {grid.height}: it is damaged")
    picture = np.empty((grid.height, grid.width, 3), np.uint8)
    for place, tile in enumerate(grid.tiles):
        top, left = place // grid.columns * high, place % grid.columns * wide
        part = picture[top : top + high, left : left + wide]
        part[:] = tiles[tile][: part.shape[0], : part.shape[1]]
    for kind, value in grid.turns:
        picture = np.rot90(picture, value) if kind == _TURN else np.flip(picture, value)
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")


def _decoded(path: Path, ids: set[int]) -> dict[int, UInt8[np.ndarray, "h w 3"]]:
    tiles: dict[int, np.ndarray] = {}
    with opened(path) as container:
        streams = [stream for stream in container.streams.video if stream.id in ids and stream.codec_context]
        for stream in streams:
            prepare(stream)
        pixels = 0
        for packet in container.demux(streams):
            for frame in packet.decode():
                pixels += frame.width * frame.height
                if pixels > 2 * MOST_PIXELS:
                    raise MediaError(f"its tiles have more than {2 * MOST_PIXELS >> 20} megapixels")
                tiles.setdefault(packet.stream.id, rgb(frame, frame.width, frame.height))
    return tiles


def _grid(items: _Items) -> Grid | None:
    kind = items.kinds.get(items.main)
    if kind in _DERIVED:
        raise MediaError(f"is a picture of a kind that is not read ({_DERIVED[kind]}); convert it to JPEG or PNG")
    if kind != b"grid":
        return None
    data, tiles = items.data[items.main], tuple(items.parts[items.main])
    size = 4 if data[1] & 1 else 2
    rows, columns = data[2] + 1, data[3] + 1
    width, height = number(data, 4, size), number(data, 4 + size, size)
    if len(tiles) != rows * columns or not width or not height:
        raise MediaError(
            f"lists {len(tiles)} tiles for {rows} x {columns} of a picture {width} x {height}: it is damaged"
        )
    if width * height > MOST_PIXELS:
        raise MediaError(f"its picture has {width} x {height} pixels, more than {MOST_PIXELS >> 20} megapixels")
    properties = items.properties.get(items.main, [])
    turns = tuple(
        (name, value[0] & (3 if name == _TURN else 1)) for name, value in properties if name in (_TURN, _MIRROR)
    )
    return Grid(columns, width, height, tiles, turns)


def _items(content: mmap.mmap, start: int, end: int) -> _Items | None:
    """The pictures that the box `meta` describes; None where it names no main one."""
    if end - start > _MOST_META:
        raise MediaError(f"the description of its picture takes {end - start} bytes, more than {_MOST_META}")
    meta = content[start:end]
    meta_boxes = {name: meta[first:last] for name, first, last in boxes(meta, 4, len(meta))}
    if not {b"pitm", b"iinf", b"iloc"} <= meta_boxes.keys():
        return None
    main = number(meta_boxes[b"pitm"], 4, 4 if meta_boxes[b"pitm"][0] else 2)
    kinds = dict(_kinds(meta_boxes[b"iinf"]))
    parts = dict(_parts(meta_boxes.get(b"iref", bytes(4))))
    properties = _properties(meta_boxes.get(b"iprp", b""))
    return _Items(main, kinds, parts, properties, {main: _data(content, meta_boxes, main)})


def _kinds(iinf: bytes) -> Iterator[tuple[int, bytes]]:
    for name, start, _ in boxes(iinf, 8 if iinf[0] else 6, len(iinf)):
        size = {2: 2, 3: 4}.get(iinf[start], 0)
        if name == b"infe" and size:
            yield number(iinf, start + 4, size), bytes(iinf[start + 6 + size : start + 10 + size])


def _parts(iref: bytes) -> Iterator[tuple[int, list[int]]]:
    size = 4 if iref[0] else 2
    for name, start, _ in boxes(iref, 4, len(iref)):
        if name == b"dimg":
            count = number(iref, start + size, 2)
            first = start + size + 2
            yield number(iref, start, size), [number(iref, first + size * i, size) for i in range(count)]


def _properties(iprp: bytes) -> dict[int, list[tuple[bytes, bytes]]]:
    parts = {name: iprp[start:end] for name, start, end in boxes(iprp, 0, len(iprp))}
    listed = parts.get(b"ipco", b"")
    listed_properties = [(name, listed[start:end]) for name, start, end in boxes(listed, 0, len(listed))]
    ipma = parts.get(b"ipma", bytes(8))
    size, wide, at = 4 if ipma[0] else 2, 2 if ipma[3] & 1 else 1, 8
    properties: dict[int, list[tuple[bytes, bytes]]] = {}
    for _ in range(number(ipma, 4, 4)):
        item, count = number(ipma, at, size), ipma[at + size]
        at += size + 1
        indices = [number(ipma, at + wide * i, wide) & ((1 << 8 * wide - 1) - 1) for i in range(count)]
        properties[item] = [listed_properties[index - 1] for index in indices if index]
        at += wide * count
    return properties


def _data(content: mmap.mmap, meta_boxes: dict[bytes, bytes], item_id: int) -> bytes:
    """The bytes of an item, which lie in the file (construction 0) or in the box `idat` (1)."""
    iloc = meta_boxes[b"iloc"]
    version, sizes, base_sizes = iloc[0], iloc[4], iloc[5]
    offset_size, length_size, base_size, index_size = (
        sizes >> 4,
        sizes & 15,
        base_sizes >> 4,
        base_sizes & 15 if version else 0,
    )
    if not offset_size + length_size:
        raise ValueError("places without offset and length")
    size, at = (4, 10) if version == 2 else (2, 8)
    for _ in range(number(iloc, 6, size)):
        item, at = number(iloc, at, size), at + size
        construction, at = (number(iloc, at, 2) & 15, at + 2) if version else (0, at)
        base, at = number(iloc, at + 2, base_size), at + 2 + base_size
        count, at = number(iloc, at, 2), at + 2
        data = b""
        for _ in range(count):
            at += index_size
            offset, at = base + number(iloc, at, offset_size), at + offset_size
            length, at = number(iloc, at, length_size), at + length_size
            if item == item_id and len(data) + length <= _MOST_DATA:
                source = meta_boxes.get(b"idat", b"") if construction == 1 else content
                data += source[offset : offset + length]
        if item == item_id:
            return data
    return b""
