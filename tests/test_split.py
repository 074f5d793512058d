"""Proposed class splits: what stays together, what is kept, how near the fractions are."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from avgzsl import cli, open_dataset
from avgzsl.data.reading.class_lists import write_class_lists
from avgzsl.data.splitting import Clip, divide, split
from avgzsl.errors import ConfigError, DataError
from avgzsl.features.feature_store import StoredClip, write
from avgzsl.features.store_record import EncoderRecord

CLASSES = tuple(f"class {letter}" for letter in "abcdefghij")


def make(folder: Path, given=lambda number: None, per_class: int = 20, label=lambda number, name: name) -> Path:
    """`per_class` clips a class in files of two, two files a source; `given` is the manifest's split."""
    encoders = {"audio": EncoderRecord(spec="x", dimension=1), "text": EncoderRecord(spec="y", dimension=10)}
    made = []
    for number in range(per_class * len(CLASSES)):
        about = {"id": f"c{number}", "path": f"{number // 2}.wav", "label": label(number, CLASSES[number // per_class])}
        about |= {"split": given(number), "seen": None, "start": 0.0, "end": None, "sha256": "", "size": 0}
        about |= {"mtime_ns": 0, "info": "{}", "source": f"s{number // 4}"}
        made.append(StoredClip(about, np.ones(1, np.float32), None))
    write(folder, folder, encoders, CLASSES, np.eye(10, dtype=np.float32), ("source",), len(made), made)
    return folder


def test_classes_and_clips_are_divided_in_the_asked_proportions(tmp_path):
    made = split(make(tmp_path / "store"), unseen=0.4, val=0.1, test=0.3, seed=3)
    file, division = made.file, made.class_split
    assert file == tmp_path / "store" / "splits" / "split-3.json"
    assert len(division.unseen) == 4 and sorted(division.seen + division.unseen) == list(CLASSES)
    for label in range(10):
        counts = Counter(division.clips[f"c{label * 20 + n}"] for n in range(20))
        assert counts["train"] == pytest.approx(12, abs=4) and counts["test"] == pytest.approx(6, abs=4)
        assert counts["val"] == pytest.approx(2, abs=2)
    whole = Counter(division.clips.values())
    assert (whole["train"] / 200, whole["test"] / 200) == (pytest.approx(0.6, abs=0.1), pytest.approx(0.3, abs=0.1))


def test_clips_of_a_file_and_of_a_source_stay_together(tmp_path):
    division = split(make(tmp_path / "store")).class_split
    for source in range(50):
        assert len({division.clips[f"c{source * 4 + n}"] for n in range(4)}) == 1
    assert len(set(division.clips.values())) == 3


def test_files_that_share_a_source_through_others_stay_together():
    clips = [Clip("0", "a", "s", "x", None), Clip("1", "a", None, "y", None), Clip("2", "b", "s", "x", None)]
    clips += [Clip("3", "b", "t", "y", None), Clip("4", "c", "t", "x", None), Clip("5", "d", None, "x", None)]
    for seed in range(20):
        division = divide(clips, {}, {"train": 0.5, "val": 0.0, "test": 0.5}, seed)
        assert len({division[name] for name in "01234"}) == 1 != len({division[name] for name in "05"})


def test_no_seen_class_is_without_a_training_clip_however_it_is_drawn():
    rng = np.random.default_rng(0)
    for seed in range(200):
        labels = [f"{label}" for label in range(5) for _ in range(rng.integers(1, 9))]
        clips = [Clip(str(n), str(n), None, label, None) for n, label in enumerate(labels)]
        division = divide(clips, {}, {"train": 0.6, "val": 0.2, "test": 0.2}, seed)
        trained = {clip.label for clip in clips if division[clip.id] == "train"}
        assert trained == set(labels) and division.keys() == {clip.id for clip in clips}
        for label, total in Counter(labels).items():
            count = sum(clip.label == label and division[clip.id] == "train" for clip in clips)
            assert abs(count - 0.6 * total) <= 1


def test_the_same_seed_is_the_same_split_and_another_is_not(tmp_path):
    folder = make(tmp_path / "store")
    one, again, other = (
        split(folder, seed=seed, name=name).class_split for seed, name in ((0, "a"), (0, "b"), (1, "c"))
    )
    assert one == again != other
    assert one.unseen != other.unseen or one.clips != other.clips


def test_what_the_manifest_divides_is_kept_unless_told(tmp_path):
    folder = make(tmp_path / "store", lambda number: "train" if number % 4 < 2 else "test")
    assert split(folder, name="kept").class_split.clips is None
    dataset = open_dataset(folder, class_split="kept")
    assert len(dataset.split("train")) == 7 * 10 and "val" not in dataset.splits
    with pytest.raises(ConfigError, match="would change nothing"):
        split(folder, val=0.3, name="x")
    anew = split(folder, val=0.3, name="anew", resplit=True).class_split.clips
    assert Counter(anew.values())["val"] == pytest.approx(60, abs=8)


def test_clips_that_the_manifest_leaves_open_are_divided_to_fill_up(tmp_path):
    folder = make(tmp_path / "store", lambda number: "test" if number % 20 < 4 else None)
    division = split(folder, val=0.2, test=0.2).class_split
    for label in range(10):
        assert all(division.clips[f"c{label * 20 + n}"] == "test" for n in range(4))
        assert Counter(division.clips[f"c{label * 20 + n}"] for n in range(20)) == {"train": 12, "val": 4, "test": 4}


def test_a_group_that_the_manifest_tears_apart_stays_as_it_is():
    clips = [Clip("0", "a", None, "x", "train"), Clip("1", "a", None, "x", "test"), Clip("2", "a", None, "x", None)]
    kept = {"0": "train", "1": "test"}
    division = divide(clips, kept, {"train": 0.6, "val": 0.2, "test": 0.2}, 0)
    assert {name: division[name] for name in kept} == kept and division["2"] == "train"


def test_class_lists_of_the_field_say_which_are_unseen(tmp_path):
    folder = make(tmp_path / "store")
    write_class_lists(tmp_path / "class-split-7", {name: name > "class c" for name in CLASSES})
    made = split(folder, unseen=tmp_path / "class-split-7")
    file, division = made.file, made.class_split
    assert file.stem == "class-split-7" and set(division.unseen) == {"class a", "class b", "class c"}
    write_class_lists(tmp_path / "few", dict.fromkeys(CLASSES[1:], True))
    with pytest.raises(DataError, match="does not list class a"):
        split(folder, unseen=tmp_path / "few")
    write_class_lists(tmp_path / "more", dict.fromkeys([*CLASSES, "class aa"], True))
    with pytest.raises(DataError, match="'class aa'"):
        split(folder, unseen=tmp_path / "more")


def test_unlabelled_clips_are_left_alone(tmp_path):
    folder = make(tmp_path / "store", label=lambda number, name: None if number % 20 < 4 else name)
    division = split(folder).class_split
    assert len(division.clips) == 160 and "c0" not in division.clips


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unseen": 0.0}, "unseen is 0.0"),
        ({"unseen": 1.5}, "unseen is 1.5"),
        ({"val": 0.5, "test": 0.5}, "val 0.5 and test 0.5"),
        ({"test": 0.0}, "test 0.0"),
        ({"name": "manifest"}, "manifest"),
        ({"name": "../x"}, "cannot name"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, options, words):
    with pytest.raises(ConfigError, match=words):
        split(make(tmp_path / "store"), **options)


def test_what_would_change_nothing_is_refused(tmp_path):
    folder = make(tmp_path / "store", lambda number: ("train", "val", "test")[number % 3])
    write_class_lists(tmp_path / "lists", {name: name > "class c" for name in CLASSES})
    for options, words in (
        ({"seed": 1, "unseen": tmp_path / "lists"}, "seed 1 would change nothing"),
        ({"val": 0.1}, "val or test would change nothing"),
    ):
        with pytest.raises(ConfigError, match=words):
            split(folder, **options)
    split(folder, unseen=tmp_path / "lists")
    split(make(tmp_path / "other"), unseen=tmp_path / "lists", seed=1)


def test_a_split_is_not_overwritten_by_another(tmp_path):
    folder = make(tmp_path / "store")
    split(folder, name="x")
    split(folder, name="x")
    with pytest.raises(ConfigError, match="is another split"):
        split(folder, name="x", seed=1)


def test_classes_that_could_not_be_trained_or_tested_are_named(tmp_path):
    folder = make(tmp_path / "store", lambda number: "val" if number < 20 else "train")
    for unseen, words in (("class b", "train on for the seen classes class a"), ("class a", "test for the unseen")):
        write_class_lists(tmp_path / unseen, {name: name != unseen for name in CLASSES})
        with pytest.raises(DataError, match=words):
            split(folder, unseen=tmp_path / unseen)


def test_the_command_says_what_came_out(tmp_path):
    folder = make(tmp_path / "store")
    ran = CliRunner().invoke(cli.app, ["split", str(folder), "--unseen", "0.2", "--seed", "4"])
    dataset = open_dataset(folder)
    assert ran.exit_code == 0 and "8 seen classes; 2 unseen" in ran.stdout
    assert f"{len(dataset.split('train'))} in train" in ran.stdout and "split-4.json" in ran.stdout
