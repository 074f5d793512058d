"""Clips that are sequences, through the cache into a data set, held against what was put in, clip by clip."""

import json
import pickle
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import open_dataset
from avgzsl.data.reading import cache_entry, pairing
from avgzsl.data.reading.cache_entry import open_entry
from avgzsl.data.reading.class_file import ClassFile, read_features
from avgzsl.errors import DataError
from avgzsl.features.clip_steps import ClipSteps
from avgzsl.types import Modality
from tests.small_pickles import pickled, write_pickles
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

    def with_steps(path: Path, modality: Modality) -> ClassFile:
        rows, ids, _ = read_features(path, modality)
        assert ids is not None
        return ClassFile(rows, ids, tuple(steps_of(modality, *each) for each in zip(ids.tolist(), rows, strict=True)))

    monkeypatch.setattr(pairing, "read_features", with_steps)


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
    maps = Path("/proc/self/maps")
    assert not maps.exists() or "audio.steps.f32" in maps.read_text()  # a set that does not fit into memory can be read
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
    with_steps = pairing.read_features

    def some(path: Path, modality: Modality) -> ClassFile:
        return read_features(path, modality) if path.stem == ORDER[1] else with_steps(path, modality)

    monkeypatch.setattr(pairing, "read_features", some)
    with pytest.raises(DataError, match=r"dog: its clips have neither .* expected the same of all classes"):
        open_dataset(root)


@pytest.mark.parametrize(("folder", "seconds"), [("cls", (0.96, 0.64)), ("main", (1.0, 1.0))])
def test_pickled_clips_keep_their_steps_and_times(tmp_path: Path, folder: str, seconds: tuple[float, float]) -> None:
    """Read once more by plain pickle, clip by clip; rows of one file are moved, so that sound and picture differ."""
    root = write_pickles(tmp_path / "set", steps=True, sets=(folder,))
    files = root / "features" / f"{folder}_features_non_averaged"
    moved = sorted((files / "video").glob("*/*.pkl"))[0]
    content = pickle.loads(moved.read_bytes())  # noqa: S301 (our own)
    pickled(moved, content["features"][::-1], [name.decode() for name in content["video_names"][::-1]])
    data = open_dataset(root)
    found = 0
    for modality, each in zip(("audio", "video"), seconds, strict=True):
        expected = {}
        for file in files.glob(f"{modality}/*/*.pkl"):
            content = pickle.loads(file.read_bytes())  # noqa: S301 (our own)
            for name, steps in zip(content["video_names"], content["features"], strict=True):
                expected[name.decode()] = steps
        for split in data.splits:
            clips = data.split(split)
            for row, name in enumerate(clips.ids.tolist()):
                steps, times = clips.sequences[modality].clip(row)
                own = expected[name.split("/")[-1]]
                assert np.array_equal(steps.numpy(), own)
                assert times.tolist() == pytest.approx([each * (step + 0.5) for step in range(len(own))])
                found += 1
    assert found > 20


def test_inspection_of_a_tree_counts_its_steps(tmp_path: Path) -> None:
    root = write_pickles(tmp_path / "set", steps=True)
    files = (root / "features").glob("*/audio/*/*.pkl")
    lengths = [len(x) for file in files for x in pickle.loads(file.read_bytes())["features"]]  # noqa: S301 (our own)
    line = f"audio: kept as sequences, {sum(lengths)} steps, {min(lengths)} to {max(lengths)} a clip"
    assert line in inspect(root).remarks


def test_pickled_vectors_are_no_sequences(tmp_path: Path) -> None:
    data = open_dataset(write_pickles(tmp_path / "set", steps=False))
    assert not any(data.split(split).sequences for split in data.splits)


def test_the_version_of_entries_did_not_rise() -> None:
    assert cache_entry.VERSION == 2  # caches of vectors that are there stay valid
