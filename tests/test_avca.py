"""The AVCA layout, against an oracle that walks its files and lists with nothing but loops."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.data.clips import Dataset
from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import class_splits, open_dataset
from avgzsl.data.layouts._avca_text import mislabelled, wrong_classes
from avgzsl.data.reading import cache as cache_module
from avgzsl.errors import ConfigError, DataError, UnknownNameError
from tests.small_avca import FEATURES, MANUAL, STAGES, TEST, TRAIN, VAL, feature_file, vectors, write_avca, write_lists
from tests.small_set import read_file, write_set

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "benchmarks"
needs_published = pytest.mark.skipif(not (PUBLISHED / "UCF").is_dir(), reason="needs ../shared/data/benchmarks")
SPLITS = {
    "main_split": {"train": (*TRAIN, *VAL), "test": TEST},
    "main_split/stage-1": {"train": TRAIN, "val": VAL},
}
SPLITS |= {name.replace("main", "cls"): stages for name, stages in SPLITS.items()}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_avca(tmp_path / "Tiny")


def check_against_files(dataset: Dataset, root: Path, stem: dict[str, str] | None = None) -> None:
    """Every clip of the stages is there once, with its rows and its class; nothing else is."""
    features = dataset.class_split.partition("_")[0]
    plan = SPLITS[dataset.class_split]
    assert dataset.splits.keys() == plan.keys()
    for split, stages in plan.items():
        clips = dataset.split(split)
        row = {clip: i for i, clip in enumerate(clips.ids.tolist())}
        expected = 0
        for stage in stages:
            for name in STAGES[stage]:
                label = dataset.classes.names.index("Handstand" if name == "HandStand" else name)
                for modality in FEATURES[features]:
                    path = feature_file(root, features, modality, stage, (stem or {}).get(name, name))
                    rows, ids = read_file(path)
                    for clip, feature in zip(ids or [], rows, strict=True):
                        assert clips.labels[row[clip]] == label
                        assert np.array_equal(clips.feature(modality)[row[clip]].numpy(), feature)
                expected += len(rows)
        assert len(clips) == len(row) == expected


@pytest.mark.parametrize("name", SPLITS)
def test_every_clip_of_a_stage_is_read_with_its_class(root: Path, name: str) -> None:
    dataset = open_dataset(root, class_split=name)
    check_against_files(dataset, root)
    seen = {"Archery", "Handstand", "PlayPiano", "Zebra"} | (set() if "stage-1" in name else {"Play", "Bowling"})
    unseen = {"Play", "Bowling"} if "stage-1" in name else {"PlayDrum", "Playground"}
    assert dataset.classes.names == tuple(c for c in sorted(MANUAL) if c in seen | unseen)
    assert {c for c, mark in zip(dataset.classes.names, dataset.classes.seen.tolist(), strict=True) if mark} == seen
    assert (dataset.layout, dataset.class_split, dataset.notes) == ("avca", name, ())
    assert all(dataset.classes.seen[dataset.split("train").labels])


@pytest.mark.parametrize("spelling", ["Handstand", "HandStand"])
def test_a_file_may_be_spelled_as_the_lists_or_as_all_class(tmp_path: Path, spelling: str) -> None:
    stem = {"HandStand": spelling}
    dataset = open_dataset(write_avca(tmp_path / "Tiny", stem=stem))
    check_against_files(dataset, tmp_path / "Tiny", stem)
    assert dataset.notes == ()


def test_class_splits_follow_the_features(root: Path, tmp_path: Path) -> None:
    assert class_splits(root) == list(SPLITS)
    assert open_dataset(root).class_split == "main_split"
    only = write_avca(tmp_path / "Other", ("cls",))
    assert class_splits(only) == ["cls_split", "cls_split/stage-1"]
    assert open_dataset(only).split("train").video.shape[1] == 7
    with pytest.raises(UnknownNameError, match="unknown class split 'main_split'"):
        open_dataset(only, class_split="main_split")


def naive_published_text(dictionary: dict[str, np.ndarray], originals: list[str]) -> dict[str, np.ndarray]:
    """field.md 1.1, word by word: sort the dict by manual name; row = place among the sorted original names."""
    rows = [dictionary[manual] for manual in sorted(dictionary)]
    originals = sorted(originals)
    text = {}
    for name in originals:
        place = 0
        for other in originals:
            place += other < name
        text[name] = rows[place]
    return text


@pytest.mark.parametrize("name", ["main_split", "cls_split/stage-1"])
def test_text_vectors_in_both_orders(root: Path, name: str) -> None:
    right = open_dataset(root, class_split=name)
    published = open_dataset(root, class_split=name, text_order="avca-published")
    there, mixed = vectors(), naive_published_text(vectors(), list(MANUAL))
    for label, original in enumerate(right.classes.names):
        assert np.array_equal(right.classes.text[label].numpy(), there[MANUAL[original]])
        assert np.array_equal(published.classes.text[label].numpy(), mixed[original])
    assert right.fingerprint != published.fingerprint
    assert not torch.equal(right.classes.text, published.classes.text)
    assert any("published order" in note for note in published.notes)
    wrong = {c for c in MANUAL if not np.array_equal(mixed[c], there[MANUAL[c]])}
    assert 2 <= len(wrong) < len(MANUAL)
    assert mislabelled(root) == (len(wrong), len(MANUAL))
    assert mislabelled(root, "main_split") == (len(wrong & {"PlayDrum", "Playground"}), 2)


@needs_published
@pytest.mark.parametrize(
    ("name", "vector_file", "every", "unseen"),
    [
        ("UCF", "ucf", (79, 101), (5, 9)),
        ("VGGSound", "vggsound", (205, 309), (42, 69)),
        ("ActivityNet", "activity", (8, 200), (1, 50)),
    ],
)
def test_the_published_files_mislabel_as_many_as_was_counted(
    name: str, vector_file: str, every: tuple[int, int], unseen: tuple[int, int]
) -> None:
    assert mislabelled(PUBLISHED / name) == every
    assert mislabelled(PUBLISHED / name, "main_split") == unseen
    (names,) = (PUBLISHED / name / "class-split").glob("*_w2v_class_names.csv")
    with names.open() as stream:
        manual = {row["original"]: row["manual"] for row in csv.DictReader(stream)}
    path = PUBLISHED / "w2v" / f"word_embeddings_{vector_file}_normed.npy"
    dictionary = np.load(path, allow_pickle=True).item()
    mixed = naive_published_text(dictionary, (names.parent / "all_class.txt").read_text().splitlines())
    wrong = {c for c in mixed if not np.array_equal(mixed[c], dictionary[manual[c]])}
    assert {c for c, bad in wrong_classes(PUBLISHED / name).items() if bad} == wrong
    if name == "UCF":
        assert np.array_equal(mixed["PlayingFlute"], dictionary["Playing Guitar"])


def test_text_orders_are_named_and_other_layouts_have_but_one(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean avca-published"):
        open_dataset(root, text_order="avca-publishd")
    with pytest.raises(ConfigError, match="avca-published is of layout avca; this is audioset-zsl"):
        open_dataset(write_set(tmp_path / "set"), text_order="avca-published")


def test_the_class_list_rules_over_the_clip_list(root: Path) -> None:
    before = open_dataset(root)
    write_lists(root, "main", "stage_2_test_unseen", ("PlayDrum",), more=("Playground",))
    dataset = open_dataset(root)
    assert "Playground" not in dataset.classes.names
    assert len(dataset.split("test")) < len(before.split("test"))
    clips = int((before.split("test").labels == before.classes.names.index("Playground")).sum())
    said = " ".join(dataset.notes)
    assert f"left out {clips} clips of main_split/stage_2_test_unseen.csv" in said
    assert "ignored the files of classes that are not listed: Playground" in said
    remarks = " ".join(inspect(root).remarks)
    assert f"left out {clips} clips of main_split/stage_2_test_unseen.csv" in remarks
    assert "cls_split/stage_2_test_unseen.csv" not in remarks
    assert open_dataset(root, class_split="main_split/stage-1").notes == (
        "ignored the files of classes that are not listed: Playground",
    )


def test_the_splits_are_views_of_one_cache(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = {name: open_dataset(root, class_split=name) for name in SPLITS}
    assert len(list(cache.iterdir())) == 2  # one for each set of features; the stages share it
    monkeypatch.setattr(cache_module, "_build", lambda *_: pytest.fail("built again"))
    again = {name: open_dataset(root, class_split=name) for name in SPLITS}
    monkeypatch.setattr(np, "concatenate", lambda *_: pytest.fail("rows were copied"))
    for name, dataset in again.items():
        assert dataset.fingerprint == first[name].fingerprint
        assert all(len(dataset.split(split)) > 0 for split in dataset.splits)
    assert len({dataset.fingerprint for dataset in first.values()}) == 4


def test_inspect_tells_of_both_sets_of_features_and_of_the_order(root: Path) -> None:
    report = inspect(root).json()
    assert report["problems"] == []
    assert list(report["class_splits"]) == list(SPLITS)
    found = {name: about["dimension"] for name, about in report["modalities"].items()}
    assert found == {"audio (main_features)": 6, "video (main_features)": 5,
                     "audio (cls_features)": 4, "video (cls_features)": 7}  # fmt: skip
    rows, _ = read_file(feature_file(root, "cls", "audio", "stage_1_val_unseen", "Play"))
    assert report["clips"]["Play"]["cls_features stage_1_val_unseen"] == len(rows)
    wrong, total = mislabelled(root)
    order = next(remark for remark in report["remarks"] if "order of text vectors" in remark)
    assert f"{wrong} of {total} classes" in order
    assert "main_split {} of 2".format(mislabelled(root, "main_split")[0]) in order


FAULTS = {
    "no list": (lambda r: (r / "class-split/main_split/stage_1_val_seen.txt").unlink(), "stage_1_val_seen.txt"),
    "unknown class": (
        lambda r: write_lists(r, "main", "stage_2_test_unseen", ("PlayDrums",)),
        "not in all_class.txt.*did you mean PlayDrum",
    ),
    "seen and unseen": (
        lambda r: write_lists(r, "main", "stage_2_test_unseen", ("PlayDrum", "Zebra")),
        "both seen and unseen: Zebra",
    ),
    "not trained": (
        lambda r: write_lists(r, "main", "stage_2_test_seen", ("Archery", "PlayDrum")),
        "stage_2_test_seen.txt has classes without training: PlayDrum",
    ),
    "lists differ": (
        lambda r: write_lists(r, "main", "stage_2_train", ("Archery",)),
        "stage_2_train.txt and the lists of stage 1 differ in Bowling, Handstand",
    ),
    "no names": (lambda r: (r / "class-split/tiny_w2v_class_names.csv").unlink(), "w2v_class_names.csv"),
    "names without a column": (
        lambda r: (r / "class-split/tiny_w2v_class_names.csv").write_text("original\nPlay\n"),
        "columns original, manual; line 2",
    ),
    "no vectors": (
        lambda r: (r / "features/main_features/text/word_embeddings_tiny_normed.npy").unlink(),
        "main_features/text: no .*word_embeddings",
    ),
    "no file": (
        lambda r: feature_file(r, "main", "video", "stage_1_val_unseen", "Play").unlink(),
        "main_features/video/stage_1_val_unseen: no file for 'Play'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(root: Path, fault: str) -> None:
    break_it, message = FAULTS[fault]
    open_dataset(root)
    break_it(root)
    with pytest.raises(DataError, match=message):
        open_dataset(root)
    assert inspect(root).problems


def test_stage_1_needs_nothing_of_stage_2(root: Path) -> None:
    for path in sorted(root.glob("features/main_features/*/stage_2*/*.h5")):
        path.unlink()
    dataset = open_dataset(root, class_split="main_split/stage-1")
    check_against_files(dataset, root)
    with pytest.raises(DataError, match="stage_2_test_seen: no file for"):
        open_dataset(root)


def test_too_few_vectors_for_the_published_order(root: Path) -> None:
    path = root / "features/main_features/text/word_embeddings_tiny_normed.npy"
    fewer = {name: row for name, row in vectors().items() if name != "Not Used"}
    np.save(path, np.array(fewer, dtype=object))
    assert len(open_dataset(root).classes) == 8  # the class is not used
    with pytest.raises(DataError, match="8 text vectors for 9 classes"):
        open_dataset(root, text_order="avca-published")
