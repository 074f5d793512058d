"""Files that are new are hashed with their clips, by whoever embeds these; the store says the same as ever."""

from hashlib import sha256
from pathlib import Path

import pytest

from avgzsl.features import journal, new_files
from avgzsl.features.embedding import Outcome
from avgzsl.features.extract import extract
from avgzsl.features.manifest import Row
from avgzsl.types import EncoderChoice
from tests.small_clips import write_clip, write_wav

SOUND = EncoderChoice(audio="descriptors")


@pytest.fixture
def root(tmp_path) -> Path:
    write_clip(tmp_path / "clips" / "seen.mp4", 1)
    write_wav(tmp_path / "clips" / "heard.wav", seconds=2.0)
    return tmp_path / "clips"


def no_hash(file: Path) -> str:
    raise AssertionError(f"{file} was hashed where nothing is embedded")


def hashes(extraction) -> dict[str, str]:
    return {row["id"]: row["sha256"] for row in extraction.store.clips.rows()}


def true_hash(root: Path, name: str) -> str:
    return sha256((root / name).read_bytes()).hexdigest()


def test_a_new_file_is_hashed_where_it_is_embedded(root, tmp_path, monkeypatch):
    for module in (journal, new_files):
        monkeypatch.setattr(module, "file_hash", no_hash)
    made = extract(root, tmp_path / "store", encoders=SOUND, workers=1, batch=1)
    assert hashes(made) == {name: true_hash(root, name) for name in ("seen.mp4", "heard.wav")}


def test_a_file_of_which_the_first_clip_fails_is_hashed_nevertheless(root, tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,id,start,end\nheard.wav,late,90,91\nheard.wav,early,0,1\nheard.wav,next,1,2\n")
    made = extract(root, tmp_path / "store", encoders=SOUND, manifest=manifest, workers=1, batch=1)
    assert list(made.failures) == ["late"]
    assert hashes(made) == {name: true_hash(root, "heard.wav") for name in ("early", "next")}


def test_a_hash_that_the_first_clip_did_not_bring_is_made_with_the_next_one(root, tmp_path):
    first, second = (Row(name, "heard.wav") for name in ("first", "second"))
    with journal.open_journal(tmp_path / "journal.sqlite") as opened:
        files = new_files.NewFiles(opened, root)
        for row in (first, second):
            files.look_at(row)
        assert files.hashed_with(first) and not files.hashed_with(second)
        files.note(first, Outcome(error="its worker ended"))
        assert opened.file("heard.wav") is None
        files.note(second, Outcome())
        assert opened.file("heard.wav").sha256 == true_hash(root, "heard.wav")


def test_a_file_that_was_touched_is_not_extracted_again_and_one_that_changed_is(root, tmp_path):
    extract(root, tmp_path / "store", encoders=SOUND, workers=1)
    (root / "seen.mp4").touch()
    write_wav(root / "heard.wav", pitch=900.0, seconds=2.0)
    again = extract(root, tmp_path / "store", encoders=SOUND, workers=1)
    assert again.extracted == 1
    assert hashes(again) == {name: true_hash(root, name) for name in ("seen.mp4", "heard.wav")}
