"""Everything that can be wrong in a data set is an error that names place, finding and remedy: never a traceback."""

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import DataError
from tests.small_set import (
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


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


def spoil(row: int, value: float) -> Callable[[np.ndarray], None]:
    def edit(rows: np.ndarray) -> None:
        rows[row, 1] = value

    return edit


def ids(path: Path, edit: Callable[[list[str]], list[str]]) -> None:
    rows, names = read_file(path)
    write_file(path, rows, edit(names))


def both(root: Path, split: str, name: str, edit: Callable[[np.ndarray], np.ndarray]) -> None:
    for modality in ("audio", "video"):
        change(feature_file(root, modality, split, name), edit)


def vectors(root: Path, edit: dict[str, np.ndarray | None]) -> None:
    path = root / "features/text/word_embeddings-dict.npy"
    merged = {**np.load(path, allow_pickle=True).item(), **edit}
    write_vectors(root, {name: vector for name, vector in merged.items() if vector is not None})


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-900])


def replace_data(path: Path, make: Callable[[h5py.File], object]) -> None:
    with h5py.File(path, "w") as file:
        make(file)


CASES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "no file": (
        lambda r: feature_file(r, "video", "val", "dog").rename(feature_file(r, "video", "val", "dogs")),
        ["features/video/val", "'dog'", "dogs.h5", "Add the files"],
    ),
    "no split folder in one modality": (
        lambda r: shutil.rmtree(r / "features/video/tst"),
        ["features/video/tst", "not there"],
    ),
    "no training folder": (
        lambda r: [shutil.rmtree(r / "features" / m / "trn") for m in ("audio", "video")],
        ["features", "audio/trn"],
    ),
    "other row count": (
        lambda r: write_file(feature_file(r, "video", "train", "cat"), np.ones((3, 4), np.float32)),
        ["audio/trn/cat.h5 has 8 rows", "video/trn/cat.h5 has 3 rows", "same clip"],
    ),
    "other ids": (
        lambda r: ids(feature_file(r, "video", "train", "cat"), lambda names: ["stranger", *names[1:]]),
        ["trn/cat.h5", "cat-train-0", "lacks"],
    ),
    "repeated id": (
        lambda r: [
            ids(feature_file(r, m, "train", "cat"), lambda names: [names[1], *names[1:]]) for m in ("audio", "video")
        ],
        ["audio/trn/cat.h5", "cat-train-1", "more than once"],
    ),
    "ids fewer than rows": (
        lambda r: ids(feature_file(r, "audio", "test", "pig"), lambda names: names[1:]),
        ["audio/tst/pig.h5", "4 video_urls for 5 rows"],
    ),
    "ids not text": (
        lambda r: replace_data(
            feature_file(r, "audio", "val", "tram"),
            lambda f: f.update({"data": np.ones((2, 6), "f4"), "video_urls": np.array([b"\xff", b"a"])}),
        ),
        ["audio/val/tram.h5", "UTF-8"],
    ),
    "NaN": (
        lambda r: change(feature_file(r, "audio", "train", "bus"), spoil(2, np.nan)),
        ["audio/trn/bus.h5", "1 of 9 rows", "(counted from 0): 2;", "drop_bad_rows"],
    ),
    "infinite": (
        lambda r: change(feature_file(r, "video", "val", "tram"), spoil(1, -np.inf)),
        ["video/val/tram.h5", "(counted from 0): 1;"],
    ),
    "too large for float32": (
        lambda r: change(feature_file(r, "video", "val", "tram"), lambda rows: rows.astype("f8") * 1e300),
        ["video/val/tram.h5", "2 of 2 rows"],
    ),
    "other dimension": (
        lambda r: change(feature_file(r, "audio", "test", "cat"), lambda rows: rows[:, :5]),
        ["audio/tst/cat.h5", "5 numbers a clip; expected 6"],
    ),
    "empty seen class": (
        lambda r: both(r, "train", "dog", lambda rows: rows[:0]),
        ["dog", "no clips"],
    ),
    "no vector": (lambda r: vectors(r, {"tram": None, "trams": np.ones(5, "f4")}), [".npy", "'tram'", "trams"]),
    "zero vector": (lambda r: vectors(r, {"dog": np.zeros(5, "f4")}), [".npy", "dog", "zero"]),
    "vector not finite": (lambda r: vectors(r, {"dog": np.full(5, np.nan, "f4")}), [".npy", "dog", "not finite"]),
    "vector of other length": (lambda r: vectors(r, {"dog": np.ones(4, "f4")}), [".npy", "different lengths"]),
    "no vector file": (lambda r: shutil.rmtree(r / "features/text"), ["features/text", "word_embeddings-dict"]),
    "seen and unseen": (
        lambda r: write_lists(r / "class-split", ORDER, SEEN, (*UNSEEN, "cat")),
        ["class-split", "both seen and unseen: cat"],
    ),
    "not in all": (
        lambda r: write_lists(r / "class-split", ORDER, (*SEEN, "trams"), UNSEEN),
        ["class-split", "'trams'", "did you mean tram"],
    ),
    "neither": (lambda r: write_lists(r / "class-split", ORDER, SEEN, ("pig",)), ["class-split", "neither", "tram"]),
    "nothing seen": (lambda r: write_lists(r / "class-split", ORDER, (), ORDER), ["class-split", "no class is seen"]),
    "listed twice": (
        lambda r: write_lists(r / "class-split", (*ORDER, "dog"), SEEN, UNSEEN),
        ["all_class.txt", "more than once: dog"],
    ),
    "a path for a name": (
        lambda r: write_lists(r / "class-split", (*ORDER, "../x"), (*SEEN, "../x"), UNSEEN),
        ["all_class.txt", "../x"],
    ),
    "no lists": (lambda r: shutil.rmtree(r / "class-split"), ["class-split"]),
    "empty class split": (
        lambda r: [file.unlink() for file in (r / "class-split").iterdir()],
        ["class-split", "seen_class.txt"],
    ),
    "truncated": (lambda r: truncate(feature_file(r, "audio", "train", "cat")), ["audio/trn/cat.h5", "HDF5"]),
    "not HDF5": (
        lambda r: feature_file(r, "video", "test", "cat").write_bytes(b"x" * 3000),
        ["video/tst/cat.h5", "HDF5"],
    ),
    "empty file": (lambda r: feature_file(r, "video", "test", "cat").write_bytes(b""), ["video/tst/cat.h5", "HDF5"]),
    "no data": (
        lambda r: replace_data(feature_file(r, "audio", "val", "dog"), lambda f: f.update({"feats": np.ones((3, 6))})),
        ["audio/val/dog.h5", "'data'", "feats"],
    ),
    "data a group": (
        lambda r: replace_data(feature_file(r, "audio", "val", "dog"), lambda f: f.create_group("data")),
        ["audio/val/dog.h5", "'data'"],
    ),
    "one dimension": (
        lambda r: replace_data(feature_file(r, "audio", "val", "dog"), lambda f: f.update({"data": np.ones(6, "f4")})),
        ["audio/val/dog.h5", "(6,)", "clips x dimension"],
    ),
    "integers": (
        lambda r: change(feature_file(r, "audio", "val", "dog"), lambda rows: rows.astype("i4")),
        ["audio/val/dog.h5", "int32", "floats"],
    ),
    "text": (
        lambda r: change(feature_file(r, "audio", "val", "dog"), lambda rows: rows.astype("S4")),
        ["audio/val/dog.h5", "|S4"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_named_and_the_inspection_sees_it(root: Path, name: str) -> None:
    break_it, expected = CASES[name]
    open_dataset(root)  # a cache from before the fault must not hide it
    break_it(root)
    with pytest.raises(DataError) as caught:
        open_dataset(root)
    missing = [part for part in expected if part not in str(caught.value)]
    assert not missing, str(caught.value)
    assert any(expected[0] in problem for problem in inspect(root).problems)


def test_faults_in_one_go(root: Path) -> None:
    """The inspection does not stop at the first fault, nor at the first file, nor at the first class split."""
    change(feature_file(root, "audio", "train", "bus"), spoil(2, np.nan))
    truncate(feature_file(root, "video", "train", "cat"))
    feature_file(root, "audio", "test", "pig").unlink()
    vectors(root, {"tram": None})
    write_lists(root / "class-split-2", ORDER, SEEN, (*UNSEEN, "cat"))
    problems = "\n".join(inspect(root).problems)
    for part in ("audio/trn/bus.h5: NaN", "video/trn/cat.h5", "'pig'", "'tram'", "class-split-2: both seen and unseen"):
        assert part in problems


def test_bad_rows_are_dropped_when_asked(root: Path) -> None:
    change(feature_file(root, "audio", "train", "bus"), spoil(2, np.nan))
    change(feature_file(root, "video", "train", "bus"), spoil(4, np.inf))
    change(feature_file(root, "video", "test", "dog"), spoil(0, np.inf))
    dataset = open_dataset(root, drop_bad_rows=True)
    clips = dataset.split("train")
    label = ORDER.index("bus")
    assert clips.ids[clips.labels.numpy() == label].tolist() == [f"bus-train-{i}" for i in (0, 1, 3, 5, 6, 7, 8)]
    rows, _ = read_file(feature_file(root, "video", "train", "bus"))
    assert np.array_equal(clips.video.numpy()[clips.labels.numpy() == label], rows[[0, 1, 3, 5, 6, 7, 8]])
    assert "dropped 3 clips with values that are not finite: train/bus 2, test/dog 1" in dataset.notes
    with pytest.raises(DataError, match="NaN"):  # the cache of the lenient reading serves no strict one
        open_dataset(root)
    again = open_dataset(root, drop_bad_rows=True)
    assert (again.fingerprint, again.notes) == (dataset.fingerprint, dataset.notes)


def test_dropping_nothing_changes_nothing(root: Path) -> None:
    assert open_dataset(root, drop_bad_rows=True).fingerprint == open_dataset(root).fingerprint


def test_dropping_every_clip_of_a_seen_class_is_an_error(root: Path) -> None:
    change(feature_file(root, "audio", "train", "bus"), lambda rows: rows * np.nan)
    with pytest.raises(DataError, match=r"audio/trn/bus.h5.*no clips \(left\)"):
        open_dataset(root, drop_bad_rows=True)


def test_a_fault_outside_the_class_split_is_no_fault(root: Path) -> None:
    write_lists(root / "class-split-2", ("cat", "dog"), ("cat", "dog"), ())
    truncate(feature_file(root, "audio", "val", "tram"))
    feature_file(root, "audio", "val", "pig").unlink()
    dataset = open_dataset(root, class_split="class-split-2")
    assert len(dataset.split("train")) == 8 + 6
    with pytest.raises(DataError, match="pig"):
        open_dataset(root)
