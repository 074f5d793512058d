"""Clips that are sequences, through the cache into a data set, held against what was put in, clip by clip."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from avgzsl.data.layouts import open_dataset
from avgzsl.data.reading import cache_entry, pairing
from avgzsl.data.reading.cache_entry import open_entry
from avgzsl.data.reading.pairing import FileContents
from avgzsl.errors import DataError
from avgzsl.features.clip_steps import ClipSteps
from tests.small_set import ORDER, change, feature_file, write_set

SPLITS = ("train", "val", "test")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def steps_of(modality: str, clip: str, mean: np.ndarray) -> ClipSteps:
    """One to five steps around a mean, drawn from the clip's name."""
    rng = np.random.default_rng(int.from_bytes(sha256(f"{modality} {clip}".encode()).digest()[:8]))
    count = int(rng.integers(1, 6))
    steps = rng.standard_normal((count, len(mean))).astype(np.float32)
    return ClipSteps(steps - steps.mean(0) + mean, (np.arange(count) + rng.integers(9) / 8).astype(np.float32))


@pytest.fixture
def sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on a file has sequences, whose means are the rows of the file."""
    real = pairing.read_files

    def with_steps(files: Mapping[str, Path]) -> FileContents:
        read = real(files)
        steps = {
            modality: tuple(steps_of(modality, clip, row) for clip, row in zip(read.ids[modality], rows, strict=True))
            for modality, rows in read.features.items()
        }
        return FileContents(read.files, read.features, read.ids, steps)

    monkeypatch.setattr(pairing, "read_files", with_steps)


def check(root: Path) -> None:
    data = open_dataset(root)
    for split in SPLITS:
        clips = data.split(split)
        assert set(clips.sequences) == {"audio", "video"}
        for modality, own in clips.sequences.items():
            rows = clips.feature(modality)
            assert rows is not None and len(own) == len(rows)
            for row, clip in enumerate(clips.ids.tolist()):
                expected = steps_of(modality, clip, rows[row].numpy())
                steps, times = own.clip(row)
                assert np.array_equal(steps.numpy(), expected.steps) and np.array_equal(times.numpy(), expected.times)


@pytest.mark.usefixtures("sequences")
def test_every_clip_has_its_own_steps_at_once_and_from_the_cache(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set")
    check(root)
    check(root)


@pytest.mark.usefixtures("sequences")
def test_steps_follow_clips_that_are_brought_into_order_and_stay_where_others_are_dropped(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set")
    path = feature_file(root, "video", "train", "dog")
    with h5py.File(path, "r+") as file:
        rows, ids = file["data"][()], file["video_urls"][()]
        file["data"][:], file["video_urls"][:] = rows[::-1], ids[::-1]
    check(root)
    change(feature_file(root, "audio", "train", "cat"), lambda rows: rows.__setitem__((1, 0), np.nan))
    data = open_dataset(root, drop_bad_rows=True)
    train = data.split("train")
    assert "cat-train-1" not in train.ids and "cat-train-2" in train.ids
    row = train.ids.tolist().index("cat-train-2")
    mean = train.video[row].numpy()
    assert np.array_equal(train.sequences["video"].clip(row)[0].numpy(), steps_of("video", "cat-train-2", mean).steps)


@pytest.mark.usefixtures("sequences")
def test_steps_are_mapped_and_writing_into_them_changes_no_file(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set")
    first = open_dataset(root).split("train").sequences["audio"]
    before = first.steps.clone()
    first.steps.zero_()
    assert torch.equal(open_dataset(root).split("train").sequences["audio"].steps, before)


def test_a_source_of_vectors_has_no_file_more_and_another_fingerprint_than_sequences(
    tmp_path: Path, cache: Path, request: pytest.FixtureRequest
) -> None:
    root = write_set(tmp_path / "set")
    plain = open_dataset(root).fingerprint
    (entry,) = cache.iterdir()
    groups = json.loads((entry / "manifest.json").read_text())["groups"]
    assert all(set(group) == {"dimensions", "spans", "files"} for group in groups.values())
    assert {file.name.split(".", 1)[1] for file in entry.iterdir()} == {"json", "audio.f32", "video.f32", "ids.npy"}
    request.getfixturevalue("sequences")
    for file in entry.iterdir():
        file.unlink()
    assert open_dataset(root).fingerprint != plain


@pytest.mark.usefixtures("sequences")
@pytest.mark.parametrize("part", ["audio.steps.f32", "video.times.f32", "audio.lengths.npy"])
def test_a_damaged_file_of_steps_is_made_anew(tmp_path: Path, cache: Path, part: str) -> None:
    root = write_set(tmp_path / "set")
    open_dataset(root)
    (entry,) = cache.iterdir()
    file = next(entry.glob(f"*{part}"))
    file.write_bytes(file.read_bytes()[:-4])
    assert open_entry(entry, ()) is None
    check(root)


def test_classes_of_which_some_have_sequences_and_others_none_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sequences: None
) -> None:
    root = write_set(tmp_path / "set")
    with_steps = pairing.read_files

    def some(files: Mapping[str, Path]) -> FileContents:
        read = with_steps(files)
        bare = ORDER[1] in next(iter(files.values())).name
        return FileContents(read.files, read.features, read.ids, {} if bare else read.sequences)

    monkeypatch.setattr(pairing, "read_files", some)
    with pytest.raises(DataError, match=r"dog: its clips have neither .* expected the same of all classes"):
        open_dataset(root)


def test_the_version_of_entries_did_not_rise() -> None:
    assert cache_entry.VERSION == 2  # caches of vectors that are there stay valid
