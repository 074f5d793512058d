"""The real files of each kind that was handled wrongly, through `avgzsl extract`: pictures, sound, words."""

import csv
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.features.feature_store import open_store
from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.media.preview import preview, thumbnail
from tests.small_clips import write_wav

CASES = Path(__file__).parents[2] / "shared/data/cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the real files are not there")


def extracted(clips: Path, out: Path, *options: str) -> tuple[dict[str, dict], dict[str, str]]:
    """The rows of the store, and the failures, by path."""
    words = [
        "extract",
        str(clips),
        "--out",
        str(out),
        "--audio",
        "descriptors",
        "--video",
        "descriptors",
        "--workers",
        "1",
    ]
    result = CliRunner().invoke(cli.app, [*words, *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    failures = out / "failures.csv"
    lines = failures.read_text().splitlines() if failures.is_file() else []
    failed = {row["path"]: row["reason"] for row in csv.DictReader(lines)}
    if not (out / "store.json").is_file():
        return {}, failed
    return {row["path"]: row for row in open_store(out).clips.rows()}, failed


def test_eight_channels(tmp_path):
    rows, failed = extracted(CASES / "eight-channels", tmp_path / "store")
    assert not failed and rows["film.mp4"]["has_video"] and all(row["has_audio"] for row in rows.values())
    assert set(rows) == {"film.mp4", "o.opus"}
    for name in rows:
        waveform = decode(CASES / "eight-channels" / name, sound=SoundNeeds(48_000)).waveform
        assert np.sqrt((waveform**2).mean()) == pytest.approx(0.134, abs=0.003)


def test_tiles(tmp_path):
    rows, failed = extracted(CASES / "tiles", tmp_path / "store")
    assert not failed and list(rows) == ["four.png", "grid.avif", "plain.avif"]
    needs = FrameNeeds(128, count=1)
    four, grid, plain = (decode(CASES / "tiles" / name, frames=needs).frames[0].astype(float) for name in rows)
    assert np.abs(grid - four).mean() < 1 and np.abs(plain - four).mean() < 1
    quarters = [four[:64, :64], four[:64, 64:], four[64:, :64], four[64:, 64:]]
    assert min(np.abs(a - b).mean() for i, a in enumerate(quarters) for b in quarters[:i]) > 10  # a tile would be seen


def test_non_square_pixels(tmp_path):
    rows, failed = extracted(CASES / "non-square", tmp_path / "store")
    assert not failed and len(rows) == 2
    wide, square = (CASES / "non-square" / name for name in ("a.mp4", "square.mp4"))
    needs = FrameNeeds(96, count=3, short_side=96)
    assert np.abs(decode(wide, frames=needs).frames - decode(square, frames=needs).frames.astype(float)).mean() < 2
    for file in (wide, square):
        assert Image.open(BytesIO(thumbnail(file))).size == (256, 192)
        preview(file, tmp_path / "seen.mp4")
        assert (
            decode(tmp_path / "seen.mp4", frames=needs).info["video"] | {"width": 256, "height": 192}
            == (decode(tmp_path / "seen.mp4", frames=needs).info["video"])
        )


def test_unsupported_kinds(tmp_path):
    folder = tmp_path / "clips"
    shutil.copytree(CASES / "unsupported", folder)
    write_wav(folder / "good.wav")
    rows, failed = extracted(folder, tmp_path / "store")
    assert set(rows) == {"good.wav"} and set(failed) == {"animated.webp", "loud.wav"}
    for reason in failed.values():
        assert "of a kind that is not read" in reason and "damaged" not in reason


def test_words(tmp_path):
    write_wav(tmp_path / "clips" / "dog" / "a.wav")
    write_wav(tmp_path / "clips" / "new york" / "b.wav")
    vectors = {}
    for name in ("ok", "bom", "tabs"):
        out = tmp_path / name
        text = f"words:{CASES / 'words' / f'{name}.vec'}"
        extracted(tmp_path / "clips", out, "--labels-from-folders", "--text", text)
        vectors[name] = np.asarray(open_store(out).text)
    assert np.array_equal(vectors["ok"], vectors["bom"]) and np.array_equal(vectors["ok"], vectors["tabs"])
    for name, said in (("noeol", "echo >> noeol.vec"), ("toofew", "goes on after the 3 words")):
        words = ["extract", str(tmp_path / "clips"), "--out", str(tmp_path / name), "--audio", "descriptors"]
        words += ["--labels-from-folders"]
        result = CliRunner().invoke(cli.app, [*words, "--text", f"words:{CASES / 'words' / f'{name}.vec'}"])
        assert result.exit_code != 0 and said in " ".join((str(result.exception) + result.output).split())
