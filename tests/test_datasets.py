"""Reading a data set, against an oracle that walks the files clip by clip."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import class_splits, layouts, open_dataset
from avgzsl.errors import DataError, UnknownNameError
from tests.small_set import (
    FOLDERS,
    ORDER,
    SEEN,
    UNSEEN,
    change,
    feature_file,
    read_file,
    write_file,
    write_lists,
    write_set,
    write_vectors,
)

SHARED = Path(__file__).parents[2] / "shared"
REALSET = SHARED / "data" / "realset"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


def check_against_files(dataset: Dataset, root: Path, names: tuple[str, ...]) -> None:
    """Every clip of every file is there once, with its rows and its class, and nothing else is."""
    for split in FOLDERS:
        clips = dataset.split(split)
        row = {clip: i for i, clip in enumerate(clips.ids.tolist())}
        expected = 0
        for label, name in enumerate(names):
            for modality in ("audio", "video"):
                rows, ids = read_file(feature_file(root, modality, split, name))
                for clip, features in zip(ids or [], rows, strict=True):
                    assert clips.labels[row[clip]] == label
                    assert np.array_equal(clips.feature(modality)[row[clip]].numpy(), features)
            expected += len(rows)
        assert len(clips) == len(row) == expected


def test_every_clip_is_read_with_its_class(root: Path) -> None:
    dataset = open_dataset(root)
    assert dataset.classes.names == ORDER
    assert dataset.classes.seen.tolist() == [name in SEEN for name in ORDER]
    assert (dataset.layout, dataset.class_split, dataset.notes) == ("audioset-zsl", "class-split", ())
    vectors = np.load(root / "features/text/word_embeddings-dict.npy", allow_pickle=True).item()
    assert np.array_equal(dataset.classes.text.numpy(), np.stack([vectors[name] for name in ORDER]))
    check_against_files(dataset, root, ORDER)


@pytest.mark.skipif(not REALSET.is_dir(), reason="needs ../shared/data/realset")
@pytest.mark.parametrize("name", ["class-split", "class-split-3"])
def test_real_features(name: str) -> None:
    dataset = open_dataset(REALSET, class_split=name)
    listed = [line.strip().strip(",'") for line in (REALSET / name / "all_class.txt").read_text().splitlines()]
    unseen = (REALSET / name / "unseen_class.txt").read_text()
    assert list(dataset.classes.names) == listed
    assert dataset.classes.seen.tolist() == [f"'{c}'" not in unseen for c in listed]
    assert sum(len(dataset.split(split)) for split in FOLDERS) == 1344
    check_against_files(dataset, REALSET, tuple(listed))
    assert class_splits(REALSET) == ["class-split", *(f"class-split-{i}" for i in range(1, 5))]


@pytest.mark.parametrize("seed", range(4))
def test_video_is_aligned_with_audio_by_id(root: Path, seed: int) -> None:
    before = open_dataset(root)
    for split, name in (("train", "cat"), ("test", "tram")):
        path = feature_file(root, "video", split, name)
        rows, ids = read_file(path)
        order = np.roll(np.random.default_rng(seed).permutation(len(rows)), 1)
        order = order if (order != np.arange(len(rows))).any() else order[::-1]
        write_file(path, rows[order], [ids[i] for i in order])
    after = open_dataset(root)
    check_against_files(after, root, ORDER)
    assert after.fingerprint == before.fingerprint
    assert "train/cat, test/tram" in " ".join(after.notes)


def test_ids_default_to_class_split_row(tmp_path: Path) -> None:
    dataset = open_dataset(write_set(tmp_path / "bare", ids=False))
    clips = dataset.split("val")
    rows, _ = read_file(feature_file(tmp_path / "bare", "audio", "val", "pig"))
    row = clips.ids.tolist().index("pig/val/1")
    assert np.array_equal(clips.audio[row].numpy(), rows[1])


def renumber(root: Path, form: str) -> None:
    for modality in ("audio", "video"):
        for split in FOLDERS:
            for name in ORDER:
                path = feature_file(root, modality, split, name)
                rows, _ = read_file(path)
                write_file(path, rows, [form.format(split=split, i=i) for i in range(len(rows))])


@pytest.mark.parametrize(
    ("form", "example", "note"),
    [("{split}{i}", "dog/val0", "several classes"), ("{i}", "val/dog/0", "not held out")],
)
def test_ids_are_made_unique(root: Path, form: str, example: str, note: str) -> None:
    renumber(root, form)
    dataset = open_dataset(root)
    clips = dataset.split("val")
    row = clips.ids.tolist().index(example)
    rows, _ = read_file(feature_file(root, "audio", "val", "dog"))
    assert np.array_equal(clips.audio[row].numpy(), rows[0])
    assert note in " ".join(dataset.notes)
    every = [clip for split in FOLDERS for clip in dataset.split(split).ids.tolist()]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(("given", "lacking"), [("audio", "video"), ("video", "audio")])
def test_a_modality_may_be_absent(tmp_path: Path, given: str, lacking: str) -> None:
    dataset = open_dataset(write_set(tmp_path / "one", modalities=(given,)))
    clips = dataset.split("train")
    assert clips.feature(lacking) is None
    assert not clips.has(lacking).any()
    assert clips.feature(given).shape[0] == len(clips)
    assert f"no {lacking} features" in dataset.notes


def test_a_class_split_selects_classes(root: Path) -> None:
    write_lists(root / "class-split-2", ("cat", "pig", "tram"), ("cat",), ("tram", "pig"), ("train", "test"))
    dataset = open_dataset(root, class_split="class-split-2")
    assert dataset.classes.names == ("cat", "pig", "tram")
    assert dataset.classes.seen.tolist() == [True, False, False]
    check_against_files(dataset, root, ("cat", "pig", "tram"))
    assert open_dataset(root).class_split == "class-split"
    shutil.rmtree(root / "class-split")
    assert open_dataset(root).class_split == "class-split-2"
    write_lists(root / "class-split-10", ORDER, ORDER, ())
    assert class_splits(root) == ["class-split-2", "class-split-10"]
    with pytest.raises(DataError, match="class-split-2, class-split-10"):
        open_dataset(root)
    assert open_dataset(root, class_split="class-split-10").classes.seen.all()
    with pytest.raises(UnknownNameError, match="did you mean class-split-2"):
        open_dataset(root, class_split="class-split-3")


def test_class_lists_in_other_hands(root: Path) -> None:
    (root / "class-split" / "all_class.txt").write_text("\ufeff\"tram\" ,\r\n\r\ndog\r\n'pig',\r\n cat,\r\n'bus',\r\n")
    assert open_dataset(root).classes.names == ORDER


def test_float16_and_float64_and_a_missing_split(root: Path) -> None:
    change(feature_file(root, "audio", "train", "dog"), lambda rows: rows.astype(np.float64))
    change(feature_file(root, "video", "train", "dog"), lambda rows: rows.astype(">f2"))
    for modality in ("audio", "video"):
        shutil.rmtree(root / "features" / modality / "val")
    dataset = open_dataset(root)
    assert sorted(dataset.splits) == ["test", "train"]
    assert dataset.split("train").video.dtype == torch.float32


def test_unlisted_files_are_ignored_and_said(root: Path) -> None:
    before = open_dataset(root).fingerprint
    path = feature_file(root, "audio", "train", "zebra")
    path.write_bytes(b"not HDF5 at all")
    dataset = open_dataset(root)
    assert "zebra" in " ".join(dataset.notes)
    assert dataset.fingerprint == before


def test_several_vector_files(root: Path) -> None:
    vectors = {name: np.full(3, i + 1.0, np.float32) for i, name in enumerate(ORDER)}
    write_vectors(root, vectors, "word_embeddings-dict-33.npy")
    plain = open_dataset(root)
    assert plain.classes.text.shape == (5, 5)
    write_vectors(root, {"dog": np.ones(5, np.float32)})
    dataset = open_dataset(root)
    assert dataset.classes.text.tolist() == [[i + 1.0] * 3 for i in range(5)]
    assert "word_embeddings-dict-33.npy" in " ".join(dataset.notes)


def test_empty_files_where_nothing_is_trained(root: Path) -> None:
    for modality in ("audio", "video"):
        for split, name in (("train", "pig"), ("test", "dog")):
            change(feature_file(root, modality, split, name), lambda rows: rows[:0])
    dataset = open_dataset(root)
    assert "train/pig, test/dog" in " ".join(dataset.notes)
    check_against_files(dataset, root, ORDER)


def test_the_fingerprint_names_the_content(root: Path, tmp_path: Path) -> None:
    prints = {"plain": open_dataset(root).fingerprint}
    shutil.copytree(root, tmp_path / "elsewhere")
    assert open_dataset(tmp_path / "elsewhere").fingerprint == prints["plain"]

    def note(key: str) -> None:
        prints[key] = open_dataset(root).fingerprint

    write_lists(root / "class-split", ORDER, (*SEEN, "pig"), ("tram",))
    note("seen")
    write_lists(root / "class-split", ORDER[::-1], SEEN, UNSEEN)
    note("order")
    write_lists(root / "class-split", ORDER[1:], SEEN, UNSEEN[:1])
    note("fewer")
    write_lists(root / "class-split", ORDER, SEEN, UNSEEN)
    change(feature_file(root, "video", "test", "cat"), lambda rows: rows + np.float32(1))
    note("features")
    path = feature_file(root, "audio", "val", "bus")
    _, ids = read_file(path)
    for modality in ("audio", "video"):
        other, _ = read_file(feature_file(root, modality, "val", "bus"))
        write_file(feature_file(root, modality, "val", "bus"), other, ["renamed", *ids[1:]])
    note("ids")
    write_vectors(root, {name: np.ones(5, np.float32) * (i + 1) for i, name in enumerate(ORDER)})
    note("text")
    assert len(set(prints.values())) == len(prints)


def test_layouts_are_listed() -> None:
    assert list(layouts()) == ["audioset-zsl", "avca", "store"]
    assert "class-split" in layouts()["audioset-zsl"]


@pytest.mark.parametrize(
    ("given", "message"),
    [("sett", "Did you mean .*set"), ("nowhere/at/all", "not there either"), ("set/features", "Did you mean .*set")],
)
def test_a_wrong_path_is_named(root: Path, given: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(root.parent / given)


def test_a_wrong_layout_is_named(root: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean audioset-zsl"):
        open_dataset(root, layout="audioset")
    with pytest.raises(UnknownNameError, match="unknown layout 'cache'"):
        open_dataset(root, layout="cache")
    with pytest.raises(DataError, match="a file; expected a folder"):
        open_dataset(root / "class-split" / "all_class.txt")
