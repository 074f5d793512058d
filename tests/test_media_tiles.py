"""Pictures of tiles: the whole of them, held against Pillow's reader where it has one, or an error; never one tile."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from avgzsl.errors import MediaError
from avgzsl.media.decode import decode, probe
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.media.preview import thumbnail
from tests.media_pictures import heif, smooth

CELL = 64


def cut(picture: np.ndarray, columns: int) -> list[np.ndarray]:
    """Its cells, row by row."""
    rows = picture.shape[0] // CELL
    return [
        picture[r * CELL : r * CELL + CELL, c * CELL : c * CELL + CELL] for r in range(rows) for c in range(columns)
    ]


def shown(path, size: int = 96, **needs) -> np.ndarray:
    return decode(path, frames=FrameNeeds(size, count=1, **needs)).frames[0].astype(float)


def resized(picture: np.ndarray, size: int = 96) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR), float)


@pytest.mark.parametrize("kind", ["av01", "hvc1"])
@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (1, 3), (3, 1), (2, 3)])
def test_the_whole_picture(tmp_path, kind, rows, columns):
    picture = smooth(rows * CELL, columns * CELL)
    file = heif(tmp_path / "a.heif", cut(picture, columns), columns, kind=kind)
    if kind == "av01":  # is the generator right?
        assert np.abs(np.asarray(Image.open(file).convert("RGB"), float) - picture).mean() < 3
    assert np.abs(shown(file) - resized(picture)).mean() < 3
    video = probe(file)["video"]
    assert (video["width"], video["height"], video["tiles"]) == (columns * CELL, rows * CELL, rows * columns)
    assert probe(file)["duration"] is None and decode(file, sound=SoundNeeds(16000)).waveform is None
    small = np.asarray(Image.open(BytesIO(thumbnail(file, size=48))))
    assert max(small.shape) == 48 and small.shape[0] * columns == pytest.approx(small.shape[1] * rows, abs=3)


@pytest.mark.parametrize("options", [{"in_idat": False}, {"thumbnail": smooth(64, 64, 9)}])
@pytest.mark.parametrize("kind", ["av01", "hvc1"])
def test_however_it_is_described(tmp_path, kind, options):
    picture = smooth(2 * CELL, 2 * CELL)
    file = heif(tmp_path / "a.heif", cut(picture, 2), 2, kind=kind, **options)
    assert np.abs(shown(file) - resized(picture)).mean() < 3


@pytest.mark.parametrize("kind", ["av01", "hvc1"])
def test_what_lies_beyond_the_picture_is_cut_off(tmp_path, kind):
    picture = smooth(2 * CELL, 2 * CELL)
    file = heif(tmp_path / "a.heif", cut(picture, 2), 2, kind=kind, size=(100, 84))
    assert np.abs(shown(file) - resized(picture[:84, :100])).mean() < 3
    assert probe(file)["video"]["width"] == 100


@pytest.mark.parametrize(
    "turns",
    [[(b"irot", 1)], [(b"irot", 2)], [(b"irot", 3)], [(b"imir", 0)], [(b"imir", 1)], [(b"irot", 1), (b"imir", 0)]],
)
def test_turned_pictures_stand_upright(tmp_path, turns):
    picture = smooth(2 * CELL, 2 * CELL)
    file = heif(tmp_path / "a.avif", cut(picture, 2), 2, size=(128, 96), turns=turns)
    oracle = np.asarray(ImageOps.exif_transpose(Image.open(file).convert("RGB")))
    assert np.abs(shown(file) - resized(oracle)).mean() < 3
    assert np.abs(shown(file) - resized(picture[:96])).mean() > 10
    heic = heif(tmp_path / "a.heic", cut(picture, 2), 2, size=(128, 96), turns=turns, kind="hvc1")
    assert np.abs(shown(heic) - resized(oracle)).mean() < 5


@pytest.mark.parametrize(
    ("derived", "said"), [(b"iovl", "overlay"), (b"iden", "a copy of another"), (b"tmap", "a map of tones")]
)
def test_other_ways_to_put_a_picture_together_are_refused_by_name(tmp_path, derived, said):
    file = heif(tmp_path / "a.avif", cut(smooth(CELL, 2 * CELL), 2), 2, derived=derived)
    with pytest.raises(MediaError, match=f"of a kind that is not read .*{said}"):
        decode(file, frames=FrameNeeds(48, count=1))


@pytest.mark.parametrize("kind", ["av01", "hvc1"])
def test_a_lost_tile_is_no_picture(tmp_path, kind):
    file = heif(tmp_path / "a.heif", cut(smooth(2 * CELL, 2 * CELL), 2), 2, kind=kind, lost=[2])
    with pytest.raises(MediaError, match="damaged"):
        decode(file, frames=FrameNeeds(48, count=1))


def test_tiles_that_are_too_few_or_too_small_or_a_picture_too_large(tmp_path):
    tiles = cut(smooth(2 * CELL, 2 * CELL), 2)
    for name, size, said in [
        ("a", (129, 128), "do not make"),
        ("b", (60000, 60000), "megapixels"),
        ("c", (0, 9), "damaged"),
    ]:
        file = heif(tmp_path / f"{name}.avif", tiles, 2, size=size)
        with pytest.raises(MediaError, match=said):
            decode(file, frames=FrameNeeds(48, count=1))
    file = heif(tmp_path / "d.avif", [*tiles[:3], smooth(96, 96)], 2)
    with pytest.raises(MediaError, match="do not make"):
        decode(file, frames=FrameNeeds(48, count=1))


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> bytes:
    return heif(tmp_path_factory.mktemp("small") / "a.avif", cut(smooth(CELL, 2 * CELL), 2), 2).read_bytes()


@pytest.mark.parametrize("seed", range(80))
def test_a_changed_description_is_an_error_or_a_picture(tmp_path, small, seed):
    random, content = np.random.default_rng(seed), bytearray(small)
    for at in random.integers(24, content.index(b"mdat"), 1 + seed % 4):
        content[at] = random.integers(256)
    file = tmp_path / "a.avif"
    file.write_bytes(content)
    try:
        told = str(decode(file, frames=FrameNeeds(48, count=1)).frames.shape)
    except MediaError as problem:
        told = str(problem)
    assert told == "(1, 48, 48, 3)" or told.startswith(f"{file}: ")
