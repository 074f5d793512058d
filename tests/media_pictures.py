"""Pictures of known content, of kinds that are easily read wrongly: of tiles, and of pixels that are not square."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Another gradient in each corner, so that no part is like another."""
    y, x = np.mgrid[:height, :width]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [np.sin(x / width * 5 + phase[c]) + np.cos(y / height * (4 + c)) for c in range(3)]
    return (np.stack(waves, axis=2) * 55 + 128).astype(np.uint8)


def heif(
    path: Path,
    tiles: Sequence[np.ndarray],
    columns: int,
    *,
    kind: str = "av01",
    size: tuple[int, int] | None = None,
    turns: Sequence[tuple[bytes, int]] = (),
    derived: bytes = b"grid",
    in_idat: bool = True,
    thumbnail: np.ndarray | None = None,
    lost: Sequence[int] = (),
) -> Path:
    """A picture put together from tiles, row by row, shown as `size` (width, height) of them: ISO/IEC 23008-12.

    `kind` av01 makes AVIF, hvc1 HEIC. `turns` are properties (`irot`, `imir`) with their value. Of the tiles `lost` the
    bytes are zeros.
    """
    rows = len(tiles) // columns
    width, height = size or (tiles[0].shape[1] * columns, tiles[0].shape[0] * rows)
    coded = [_coded(path.parent, tile, kind) for tile in tiles]
    samples = [bytes(len(data)) if i in lost else data for i, (_, data) in enumerate(coded)]
    extra = [] if thumbnail is None else [_coded(path.parent, thumbnail, kind)]
    samples += [data for _, data in extra]
    main, ids, thumb = 1, range(2, 2 + len(tiles)), 2 + len(tiles)
    grid = bytes([0, 0, rows - 1, columns - 1]) + width.to_bytes(2, "big") + height.to_bytes(2, "big")

    every = [(main, derived), *((number, kind.encode()) for number in ids), *((thumb, kind.encode()) for _ in extra)]
    infe = [_full(b"infe", 2, number.to_bytes(2, "big") + bytes(2) + name + b"\0") for number, name in every]
    count = len(every).to_bytes(2, "big")
    listed = b"".join(number.to_bytes(2, "big") for number in ids)
    refs = _box(b"dimg", main.to_bytes(2, "big") + len(tiles).to_bytes(2, "big") + listed)
    if extra:
        refs += _box(b"thmb", thumb.to_bytes(2, "big") + b"\0\1" + main.to_bytes(2, "big"))
    properties = [_size(width, height), _size(tiles[0].shape[1], tiles[0].shape[0]), coded[0][0]]
    properties += [_box(name, bytes([value])) for name, value in turns]
    if extra:
        properties += [_size(thumbnail.shape[1], thumbnail.shape[0]), extra[0][0]]
    must = 0x80  # understand
    of = {main: [1, *(must | 4 + i for i in range(len(turns)))]} | {number: [2, must | 3] for number in ids}
    if extra:
        of[thumb] = [len(properties) - 1, must | len(properties)]
    ipma = len(of).to_bytes(4, "big") + b"".join(
        number.to_bytes(2, "big") + bytes([len(indices), *indices]) for number, indices in of.items()
    )
    boxes = {
        b"hdlr": _full(b"hdlr", 0, bytes(4) + b"pict" + bytes(13)),
        b"pitm": _full(b"pitm", 0, main.to_bytes(2, "big")),
        b"iinf": _full(b"iinf", 0, count + b"".join(infe)),
        b"iref": _full(b"iref", 0, refs),
        b"iprp": _box(b"iprp", _box(b"ipco", b"".join(properties)) + _full(b"ipma", 0, ipma)),
        b"idat": _box(b"idat", grid if in_idat else b""),
    }
    brand = b"avif" if kind == "av01" else b"heic"
    ftyp = _box(b"ftyp", brand + bytes(4) + b"mif1" + brand)

    def places(first: int) -> bytes:
        """The box of places; media data begins at `first`, with the grid if it is not in `idat`."""
        at, entries = first, []
        for number, data in [(main, grid), *zip([number for number, _ in every[1:]], samples, strict=True)]:
            inside = number == main and in_idat
            place = (0 if inside else at).to_bytes(4, "big") + len(data).to_bytes(4, "big")
            entries.append(number.to_bytes(2, "big") + bytes([0, inside]) + b"\0\0" + b"\0\1" + place)
            at += 0 if inside else len(data)
        return _full(b"iloc", 1, b"\x44\0" + len(entries).to_bytes(2, "big") + b"".join(entries))

    def meta(first: int) -> bytes:
        return _full(b"meta", 0, b"".join([*boxes.values(), places(first)]))

    start = len(ftyp) + len(meta(0)) + 8
    media = (b"" if in_idat else grid) + b"".join(samples)
    path.write_bytes(ftyp + meta(start) + _box(b"mdat", media))
    return path


def film(
    path: Path, picture: np.ndarray, ratio: Fraction | None, codec: str = "libx264", pixels: str = "yuv420p"
) -> Path:
    """Ten frames of one picture, whose pixels are `ratio` times as wide as high, as its codec says."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25 if codec == "dvvideo" else 10)
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], pixels
        if ratio is not None:
            stream.codec_context.sample_aspect_ratio = ratio
        if path.suffix in (".mkv", ".webm"):
            context = stream.codec_context
            context.color_primaries = context.color_trc = context.colorspace = 1
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def matroska_film(path: Path, picture: np.ndarray, shown: tuple[int, int], codec: str, pixels: str) -> Path:
    """A film whose container alone says the size that is shown (DisplayWidth, DisplayHeight)."""
    content = bytearray(film(path, picture, None, codec, pixels).read_bytes())
    at = content.index(b"\x55\xb0")  # the colours, in whose place it comes
    end = at + 3 + (content[at + 2] & 0x7F)
    at -= 4 * (content[at - 4 : at] == b"\x54\xb2\x81\x04")  # a unit that is not known
    names = (b"\x54\xb0", b"\x54\xba")
    element = b"".join(name + b"\x82" + side.to_bytes(2, "big") for name, side in zip(names, shown, strict=True))
    rest = end - at - len(element) - 2
    content[at:end] = element + b"\xec" + bytes([0x80 | rest]) + bytes(rest)
    path.write_bytes(content)
    return path


def _coded(folder: Path, picture: np.ndarray, kind: str) -> tuple[bytes, bytes]:
    """The box that configures the decoder, and the picture."""
    return _hevc(picture) if kind == "hvc1" else _av1(folder, picture)


def _av1(folder: Path, picture: np.ndarray) -> tuple[bytes, bytes]:
    path = folder / "tile.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libsvtav1", rate=1, options={"svtav1-params": "lp=1", "preset": "8"})
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p"
        for frame in (_frame(picture), None):
            container.mux(stream.encode(frame))
    content = path.read_bytes()
    path.unlink()
    return _found(content, b"av1C"), _found(content, b"mdat")[8:]


def _hevc(picture: np.ndarray) -> tuple[bytes, bytes]:
    encoder = av.CodecContext.create("libx265", "w")
    encoder.height, encoder.width, encoder.pix_fmt = *picture.shape[:2], "yuv420p"
    encoder.time_base, encoder.thread_count = Fraction(1), 1
    encoder.options = {"x265-params": "log-level=none:crf=10:info=0"}
    coded = b"".join(bytes(packet) for frame in (_frame(picture), None) for packet in encoder.encode(frame))
    units = [unit.strip(b"\0") for unit in coded.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]]
    sets = [unit for unit in units if unit[0] >> 1 in (32, 33, 34)]  # parameter sets of video, sequence, picture
    general = bytes.fromhex("01 60000000 900000000000 1e")  # profile and level
    config = b"\1" + general + bytes.fromhex("f000 fc fd f8 f8 0000 0f") + bytes([len(sets)])
    for unit in sets:
        config += bytes([0x80 | unit[0] >> 1]) + b"\0\1" + len(unit).to_bytes(2, "big") + unit
    data = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units if unit not in sets)
    return _box(b"hvcC", config), data


def _frame(picture: np.ndarray) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame.pts = 0
    return frame


def _found(content: bytes, name: bytes) -> bytes:
    """The box of this name."""
    at = content.index(name) - 4
    return content[at : at + int.from_bytes(content[at : at + 4], "big")]


def _size(width: int, height: int) -> bytes:
    return _full(b"ispe", 0, width.to_bytes(4, "big") + height.to_bytes(4, "big"))


def _full(name: bytes, version: int, content: bytes) -> bytes:
    return _box(name, bytes([version, 0, 0, 0]) + content)


def _box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content
