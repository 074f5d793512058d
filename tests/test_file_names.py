"""Names of files that no text can hold: named among the failures, the rest is done."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from avgzsl.errors import DataError
from avgzsl.features.extract import FAILURES, extract
from avgzsl.types import EncoderChoice
from tests.small_clips import write_wav

ENCODERS = EncoderChoice(audio="descriptors", text="hashed-words")
ODD = [b"caf\xe9.wav", b"\xff\xfe.wav", b"\xed\xa0\x80.wav"]  # Latin-1, no text at all, half a surrogate


@pytest.fixture
def clips(tmp_path) -> Path:
    root = tmp_path / "clips"
    for name in ("bell", "drum"):
        write_wav(root / name / "good.wav", seconds=0.1)
    for name in ODD:
        _as(root / "bell" / "good.wav", os.fsencode(root) + b"/bell/" + name)
    Path(os.fsdecode(os.fsencode(root) + b"/d\xe9")).mkdir()
    _as(root / "bell" / "good.wav", os.fsencode(root) + b"/d\xe9/good.wav")
    return root


def _as(source: Path, target: bytes) -> None:
    try:
        Path(os.fsdecode(target)).write_bytes(source.read_bytes())
    except OSError:
        pytest.skip("this file system takes no name that is not UTF-8")


@pytest.mark.parametrize("window", [None, 0.05])
def test_they_are_failures_and_the_others_are_done(clips, tmp_path, window):
    for _ in range(2):  # the same call goes on
        found = extract(clips, tmp_path / "store", window=window, encoders=ENCODERS, labels_from_folders=True)
        assert found.store.record.classes == ("bell", "drum")
        assert set(found.failures) == {
            r"bell/caf\xe9.wav",
            r"bell/\xff\xfe.wav",
            r"bell/\xed\xa0\x80.wav",
            r"d\xe9/good.wav",
        }
    with (tmp_path / "store" / FAILURES).open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["path"] for row in rows} == set(found.failures)
    assert all("UTF-8" in row["reason"] for row in rows)


def test_a_folder_with_such_a_name_is_refused(clips, tmp_path):
    with pytest.raises(DataError, match="not UTF-8"):
        extract(
            Path(os.fsdecode(os.fsencode(clips) + b"/d\xe9")),
            tmp_path / "store",
            encoders=ENCODERS,
            labels_from_folders=True,
        )


def test_commands_print_them_escaped(clips):
    name = os.fsencode(clips) + b"/gone\xe9"
    ended = subprocess.run(
        [sys.executable, "-m", "avgzsl", "predict", "no-run", name],
        capture_output=True,
        timeout=100,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert ended.returncode == 1 and b"Traceback" not in ended.stderr and b"no-run" in ended.stderr
