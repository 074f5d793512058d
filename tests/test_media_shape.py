"""Pixels that are not square: pictures are shown as wide as they are meant to be."""

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image

from avgzsl.media import preview as previews
from avgzsl.media.decode import decode, probe
from avgzsl.media.frames import frames_from
from avgzsl.media.needs import FrameNeeds
from avgzsl.media.preview import preview, thumbnail
from avgzsl.media.shape import shown_size
from avgzsl.media.tracks import survey
from tests.media_pictures import film, matroska_film

WIDE = Fraction(16, 9)


def circle(height: int = 192, width: int = 256) -> np.ndarray:
    """A white circle in the middle of a picture with square pixels."""
    y, x = np.mgrid[:height, :width]
    inside = np.hypot(x - width / 2, y - height / 2) < 0.35 * min(height, width)
    return np.repeat((inside * 215 + 20).astype(np.uint8)[..., None], 3, axis=2)


def squeezed(width: int, height: int, shape: tuple[int, int] = (192, 256)) -> np.ndarray:
    return np.asarray(Image.fromarray(circle(*shape)).resize((width, height), Image.Resampling.BILINEAR))


def extent(picture: np.ndarray) -> tuple[int, int]:
    """Width and height of what is white."""
    bright = picture.mean(axis=2) > 128
    return int(bright.any(axis=0).sum()), int(bright.any(axis=1).sum())


KINDS = [
    ("a.mp4", "libx264", "yuv420p"),
    ("a.mov", "mjpeg", "yuvj420p"),
    ("a.mkv", "libx264", "yuv420p"),
    ("a.ts", "libx264", "yuv420p"),
    ("a.ts", "mpeg2video", "yuv420p"),
    ("a.mpg", "mpeg2video", "yuv420p"),
    ("a.avi", "mpeg4", "yuv420p"),
    ("a.flv", "libx264", "yuv420p"),
    ("a.wmv", "wmv2", "yuv420p"),
    ("a.h264", "libx264", "yuv420p"),
]


@pytest.mark.parametrize(("name", "codec", "pixels"), KINDS)
def test_circles_stay_round_in_every_container(tmp_path, name, codec, pixels):
    file = film(tmp_path / name, squeezed(144, 192), WIDE, codec, pixels)
    assert probe(file)["video"]["sample_aspect_ratio"] == "16/9"
    wide, high = extent(decode(file, frames=FrameNeeds(96, count=1, short_side=96)).frames[0])
    assert abs(wide - high) <= 2 and high == pytest.approx(0.7 * 96, abs=2)
    small = np.asarray(Image.open(BytesIO(thumbnail(file))))
    assert small.shape == (192, 256, 3) and abs(np.subtract(*extent(small))) <= 4
    preview(file, tmp_path / "seen.mp4")
    with av.open(str(tmp_path / "seen.mp4")) as container:
        seen = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert seen.shape == (192, 256, 3) and abs(np.subtract(*extent(seen))) <= 4


@pytest.mark.parametrize(("name", "codec", "pixels"), [("a.mkv", "ffv1", "yuv444p"), ("a.webm", "libvpx", "yuv420p")])
def test_matroska_alone_says_how_wide_a_picture_is_shown(tmp_path, name, codec, pixels):
    file = matroska_film(tmp_path / name, squeezed(144, 192), (256, 192), codec, pixels)
    assert Image.open(BytesIO(thumbnail(file))).size == (256, 192)
    wide, high = extent(decode(file, frames=FrameNeeds(96, count=1, short_side=96)).frames[0])
    assert abs(wide - high) <= 2


@pytest.mark.parametrize(("ratio", "shown"), [(Fraction(16, 15), (768, 576)), (Fraction(64, 45), (1024, 576))])
def test_dv_of_both_shapes(tmp_path, ratio, shown):
    file = film(tmp_path / "a.avi", squeezed(720, 576, (shown[1], shown[0])), ratio, "dvvideo")
    assert Image.open(BytesIO(thumbnail(file, size=2000))).size == shown
    wide, high = extent(decode(file, frames=FrameNeeds(96, count=1, short_side=96)).frames[0])
    assert abs(wide - high) <= 2


def test_pixels_higher_than_wide(tmp_path):
    file = film(tmp_path / "a.mp4", squeezed(256, 96), Fraction(1, 2))
    assert Image.open(BytesIO(thumbnail(file))).size == (128, 96)
    wide, high = extent(decode(file, frames=FrameNeeds(96, count=1, short_side=96)).frames[0])
    assert abs(wide / high - 128 / 256 * 2 * 96 / 128 * 4 / 3 / 1.5) < 0.4


@pytest.mark.parametrize("kind", KINDS[:3])
def test_square_pixels_and_no_word_of_them_are_the_same(tmp_path, kind):
    name, codec, pixels = kind
    said = film(tmp_path / f"1{name}", circle(), Fraction(1), codec, pixels)
    unsaid = film(tmp_path / f"2{name}", circle(), None, codec, pixels)
    needs = FrameNeeds(96, count=2, short_side=96)
    assert np.abs(decode(said, frames=needs).frames - decode(unsaid, frames=needs).frames.astype(float)).max() < 3
    assert probe(unsaid)["video"]["sample_aspect_ratio"] == "1"


@pytest.mark.parametrize("ratio", [Fraction(1, 1000), Fraction(1000, 1), Fraction(9, 1), Fraction(1, 9)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_absurd_shapes_are_square(tmp_path, name, ratio):
    file = film(tmp_path / name, circle(), ratio)
    assert Image.open(BytesIO(thumbnail(file))).size == (256, 192)
    assert decode(file, frames=FrameNeeds(96, count=1, short_side=96)).frames.shape == (1, 96, 96, 3)


def test_a_shape_that_changes_in_the_middle(tmp_path):
    """As broadcasts change between programmes: each picture has its own."""
    first = film(tmp_path / "1.ts", squeezed(144, 192), WIDE, "mpeg2video").read_bytes()
    second = film(tmp_path / "2.ts", squeezed(144, 192), Fraction(64, 27), "mpeg2video").read_bytes()
    file = tmp_path / "a.ts"
    file.write_bytes(first + second)
    with frames_from(file, survey(file).video, 0.0) as frames:
        sizes = [shown_size(frame) for _, frame in frames]
    assert sizes[:8] == [(256.0, 192)] * 8 and sizes[-8:] == [(pytest.approx(341.3, abs=0.1), 192)] * 8


def test_a_preview_keeps_its_size_and_the_shapes(tmp_path):
    first = film(tmp_path / "1.ts", squeezed(144, 192), WIDE, "mpeg2video").read_bytes()
    second = film(tmp_path / "2.ts", squeezed(144, 192, (192, 341)), Fraction(64, 27), "mpeg2video").read_bytes()
    for name, parts in (("wider", first + second), ("narrower", second + first)):
        file = tmp_path / f"{name}.ts"
        file.write_bytes(parts)
        with frames_from(file, survey(file).video, 0.0) as frames:
            pairs = [(0.0, frame) for _, frame in frames]
        made = list(_fitted(file, pairs))
        assert len({picture.shape for picture in made}) == 1
        for picture in (made[2], made[-2]):
            wide, high = extent(picture)
            assert abs(wide - high) <= 4 and high > 90


def _fitted(file, pairs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(previews, "frames_at", lambda *_: iter(pairs))
        yield from previews.same_size_pictures(file, survey(file).video, [], 480)


def test_turned_films_with_wide_pixels(tmp_path):
    quarter = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    plain = film(tmp_path / "a.mp4", squeezed(144, 192), WIDE)
    with av.open(str(plain)) as source, av.open(str(tmp_path / "b.mp4"), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        stream.set_display_matrix(quarter)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    assert Image.open(BytesIO(thumbnail(tmp_path / "b.mp4"))).size == (192, 256)
    wide, high = extent(decode(tmp_path / "b.mp4", frames=FrameNeeds(96, count=1, short_side=96)).frames[0])
    assert abs(wide - high) <= 2


def test_photographs_have_square_pixels_whatever_they_say_of_paper(tmp_path):
    Image.fromarray(circle()).save(tmp_path / "a.png", dpi=(72, 144))
    Image.fromarray(circle()).save(tmp_path / "a.jpg", dpi=(72, 144), quality=95)
    for name in ("a.png", "a.jpg"):
        assert Image.open(BytesIO(thumbnail(tmp_path / name))).size == (256, 192)


def test_a_whole_picture_stretched_to_a_square_is_as_ever(tmp_path):
    """Without a short side the shape plays no part."""
    file = film(tmp_path / "a.mp4", squeezed(144, 192), WIDE)
    wide, high = extent(decode(file, frames=FrameNeeds(96, count=1)).frames[0])
    assert wide / high == pytest.approx(192 / 256, abs=0.05)
