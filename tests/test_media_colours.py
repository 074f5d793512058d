"""Colours as their tags say, BT.601 without one, and high dynamic range made usual: against formulas of its own."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from avgzsl.errors import MediaError
from avgzsl.media.decode import decode, probe
from avgzsl.media.needs import FrameNeeds
from avgzsl.media.preview import thumbnail
from tests.media_pictures import smooth

KR_KB = {
    "BT.601": (0.299, 0.114),
    "BT.709": (0.2126, 0.0722),
    "BT.2020": (0.2627, 0.0593),
    "SMPTE 240M": (0.212, 0.087),
}
CODED = np.array([[150, 100, 180], [60, 140, 120], [200, 120, 110], [90, 128, 128]], np.uint8)  # Y, Cb, Cr


def rgb_of(coded: np.ndarray, system: str, full: bool) -> np.ndarray:
    """ITU-R BT.601 to BT.2020: from Y'CbCr of 8 bits to R'G'B'."""
    kr, kb = KR_KB[system]
    y, cb, cr = np.moveaxis(coded.astype(float), -1, 0)
    y, cb, cr = (
        (y / 255, (cb - 128) / 255, (cr - 128) / 255) if full else ((y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224)
    )
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return (np.stack([red, green, blue], axis=-1) * 255).clip(0, 255)


def coded_film(path: Path, matrix: int | None, full: bool | None, codec: str = "ffv1") -> Path:
    """Four stripes of `CODED`, stored without loss, with these tags of H.273."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"qp": "0"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv444p"
        if matrix is not None:
            stream.codec_context.colorspace = matrix
        if full is not None:
            stream.codec_context.color_range = 2 if full else 1
        for number in range(3):
            frame = av.VideoFrame(64, 64, "yuv444p")
            for plane, values in zip(frame.planes, CODED.T, strict=True):
                rows = np.zeros((64, plane.line_size), np.uint8)
                rows[:, :64] = np.repeat(values, 16)[None]
                plane.update(rows.tobytes())
            if matrix is not None:
                frame.colorspace = matrix
            if full is not None:
                frame.color_range = 2 if full else 1
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def stripes(path: Path) -> np.ndarray:
    return decode(path, frames=FrameNeeds(64, count=1)).frames[0, 32, 8::16].astype(float)


TAGS = [
    (None, "BT.601"),
    (2, "BT.601"),
    (5, "BT.601"),
    (6, "BT.601"),
    (1, "BT.709"),
    (9, "BT.2020"),
    (7, "SMPTE 240M"),
    (10, "BT.2020"),
]


@pytest.mark.parametrize("full", [None, False, True])
@pytest.mark.parametrize(("matrix", "system"), TAGS)
@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.mp4", "libx264"), ("a.ts", "libx264")])
def test_colours_are_read_as_their_tag_says(tmp_path, name, codec, matrix, system, full):
    file = coded_film(tmp_path / name, matrix, full, codec)
    assert np.abs(stripes(file) - rgb_of(CODED, system, bool(full))).max() < 2.5


@pytest.mark.parametrize("size", [(64, 64), (1920, 1080)])
def test_without_a_tag_even_large_pictures_are_bt_601(tmp_path, size):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=10)
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        frame = av.VideoFrame(*size, "yuv420p")
        for plane, value in zip(frame.planes, CODED[0], strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts = 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    got = decode(path, frames=FrameNeeds(32, count=1)).frames[0, 16, 16]
    assert np.abs(got - rgb_of(CODED[:1], "BT.601", False)[0]).max() < 2.5


@pytest.mark.parametrize(
    ("matrix", "said"), [(8, "YCgCo"), (14, "ICtCp"), (11, "YDzDx"), (15, "matrix coefficients 15")]
)
def test_other_codings_are_refused_by_name(tmp_path, matrix, said):
    file = coded_film(tmp_path / "a.mkv", matrix, None)
    with pytest.raises(MediaError, match=rf"a\.mkv: its colours are coded in a way that is not read .{said}"):
        stripes(file)


# High dynamic range


def pq(light: np.ndarray) -> np.ndarray:
    """cd/m2 to the signal of SMPTE ST 2084."""
    power = (np.asarray(light, float) / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(light: np.ndarray) -> np.ndarray:
    """cd/m2 of a grey on a screen of 1000 to the signal of HLG (BT.2100)."""
    scene = (np.asarray(light, float) / 1000) ** (1 / 1.2)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    )


CURVES = {"PQ": (16, pq), "HLG": (18, hlg)}


def hdr_film(path: Path, signal: np.ndarray, transfer: int, codec: str = "ffv1", primaries: int = 9) -> Path:
    """A picture of R'G'B' from 0 to 1, coded as BT.2020 of limited range with 10 bits."""
    kr, kb = KR_KB["BT.2020"]
    red, green, blue = np.moveaxis(signal, -1, 0)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    planes = [64 + 876 * y, 512 + 896 * (blue - y) / (2 - 2 * kb), 512 + 896 * (red - y) / (2 - 2 * kr)]
    height, width = y.shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"qp": "0"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 9, primaries, transfer, 1
        for number in range(3):
            frame = av.VideoFrame(width, height, "yuv444p10le")
            for plane, values in zip(frame.planes, planes, strict=True):
                rows = np.zeros((height, plane.line_size // 2), np.uint16)
                rows[:, :width] = np.round(values)
                plane.update(rows.tobytes())
            frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = 9, primaries, transfer, 1
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def usual(light: np.ndarray) -> np.ndarray:
    """cd/m2, of which 203 are white, to a signal of 8 bits (BT.1886)."""
    return 255 * (np.asarray(light, float) / 203).clip(0, 1) ** (1 / 2.4)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.mp4", "libx264"), ("a.ts", "libx264")])
@pytest.mark.parametrize("curve", CURVES)
def test_greys_are_rolled_off(tmp_path, curve, name, codec):
    transfer, code = CURVES[curve]
    light = np.array([0.5, 5.0, 30.0, 80.0, 203.0, 400.0, 700.0, 1000.0])
    signal = np.repeat(code(light), 8)[None, :, None] * np.ones((64, 1, 3))
    file = hdr_film(tmp_path / name, signal, transfer, codec)
    got = decode(file, frames=FrameNeeds(64, count=1)).frames[0, 32, 4::8].astype(float)
    assert np.abs(got - got[:, :1]).max() <= 2  # greys stay grey
    grey = got.mean(axis=1)
    assert np.abs(grey[:4] - usual(light[:4])).max() < 3  # dark to middle as they are
    assert (np.diff(grey)[:5] > 15).all() and (np.diff(grey) >= 0).all() and grey[-1] > 252  # 1000 is white
    assert 195 < grey[4] < 240  # white of usual light stays light
    assert probe(file)["video"]["tone_mapped"] == curve


def test_what_the_curve_of_bt_2390_gives(tmp_path):
    """203 to 1000 cd/m2, by hand: its knee, and its Hermite spline in PQ of the peak."""
    most = float(pq(203.0) / pq(1000.0))
    knee = 1.5 * most - 0.5
    for light in (150.0, 203.0, 500.0, 900.0):
        e = float(pq(light) / pq(1000.0))
        t = (e - knee) / (1 - knee)
        expected = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
        ramp = np.geomspace(1, 1000, 200_000)
        mapped = ramp[np.searchsorted(pq(ramp), expected * pq(1000.0))]
        file = hdr_film(tmp_path / "a.mkv", np.full((64, 64, 3), float(pq(light))), 16)
        got = decode(file, frames=FrameNeeds(32, count=1)).frames[0, 16, 16, 1]
        assert got == pytest.approx(float(usual(mapped)), abs=2)


@pytest.mark.parametrize("curve", CURVES)
def test_a_usual_picture_in_high_range_looks_as_it_was(tmp_path, curve):
    """A picture whose white is 203 cd/m2, carried over by the formulas and read back."""
    transfer = CURVES[curve][0]
    picture = smooth(64, 64)
    light709 = 203 * (picture / 255.0) ** 2.4
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087
    light = light709 @ to_2020.T
    if curve == "PQ":
        signal = pq(light)
    else:  # the gamma of the system is of luminance (BT.2100)
        luminance = light @ [0.2627, 0.678, 0.0593]
        scene = light / 1000 * ((luminance / 1000) ** (1 / 1.2 - 1))[..., None]
        signal = hlg(1000 * scene**1.2)
    file = hdr_film(tmp_path / "a.mkv", signal, transfer)
    got = decode(file, frames=FrameNeeds(64, count=1)).frames[0].astype(float)
    dark = picture.max(axis=2) < 150
    assert np.abs(got - picture)[dark].mean() < 2 and np.abs(got - picture).mean() < 10
    assert np.corrcoef(got.ravel(), picture.ravel())[0, 1] > 0.99
    plain = hdr_film(tmp_path / "b.mkv", signal, 1)  # without the tag: what was shown before
    assert np.abs(decode(plain, frames=FrameNeeds(64, count=1)).frames[0] - picture).mean() > 20


def test_thumbnails_and_usual_files_too(tmp_path):
    file = hdr_film(tmp_path / "a.mkv", np.full((64, 64, 3), float(pq(50.0))), 16)
    (tmp_path / "a.jpg").write_bytes(thumbnail(file))
    assert np.abs(np.asarray(Image.open(tmp_path / "a.jpg"), float) - usual(50.0)).max() < 4
    assert probe(coded_film(tmp_path / "b.mkv", 1, None))["video"]["tone_mapped"] is None
