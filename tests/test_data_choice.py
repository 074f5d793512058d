"""Calls take a folder, read by a choice, or a data set that was opened or made: to the same end."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from avgzsl.data.clips import Dataset
from avgzsl.data.export import export
from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import as_dataset, open_dataset, place_of
from avgzsl.errors import ConfigError, DataError
from avgzsl.experiments.benchmark import Entry, benchmark
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.experiments.tuning import tune
from avgzsl.methods import build
from avgzsl.types import DataChoice
from tests.small_set import change, feature_file, write_set
from tests.worlds import world

ROUGH = DataChoice(drop_bad_rows=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A folder that only DataChoice(drop_bad_rows=True) can read."""
    root = write_set(tmp_path_factory.mktemp("data") / "set")

    def spoil(rows):
        rows[0, 0] = float("nan")
        return rows

    change(feature_file(root, "audio", "train", "dog"), spoil)
    return root


def test_an_opened_data_set_is_given_back(root):
    opened = open_dataset(root, drop_bad_rows=True)
    assert open_dataset(opened) is opened is as_dataset(opened, DataChoice())
    with pytest.raises(ConfigError, match="is opened already"):
        open_dataset(opened, class_split="class-split")


def test_a_data_set_knows_how_it_was_read(root):
    opened = open_dataset(root, drop_bad_rows=True)
    assert opened.choice == DataChoice("audioset-zsl", "class-split", drop_bad_rows=True)
    path, choice = place_of(opened)
    assert as_dataset(path, choice).fingerprint == opened.fingerprint
    assert as_dataset(opened) is opened
    with pytest.raises(ConfigError, match="is opened already"):
        as_dataset(opened, ROUGH)


def test_a_data_set_made_in_memory_lies_nowhere():
    with pytest.raises(DataError, match="made in memory"):
        place_of(world())
    with pytest.raises(DataError, match="made in memory"):
        inspect(world())


def test_a_run_is_the_same_from_a_folder_and_from_an_opened_set(root, tmp_path):
    opened = as_dataset(root, ROUGH)
    runs = [
        train(root, "least-squares", out=tmp_path / "folder", choice=ROUGH),
        train(opened, "least-squares", out=tmp_path / "opened"),
    ]
    for name in ("config.json", "model.safetensors"):
        assert (runs[0].folder / name).read_bytes() == (runs[1].folder / name).read_bytes()
    assert runs[1].config.data.choice == opened.choice  # so `evaluate` finds and reads it again
    assert evaluate(runs[1]).json() == evaluate(runs[0], opened).json()


@pytest.mark.parametrize("seen", [6, 9])
def test_training_leaves_the_arrays_of_its_caller_as_they_are(seen, tmp_path):
    data = world(seen=seen, unseen=9 - seen)
    before = {name: clips.audio.clone() for name, clips in data.splits.items()}
    run = train(data, "avgzslnet", out=tmp_path / "run", settings={"epochs": 1, "attention_epochs": 1})
    assert all(torch.equal(before[name], clips.audio) for name, clips in data.splits.items())
    assert evaluate(run, data).dataset is data


def test_the_other_calls_take_an_opened_set_too(root, tmp_path):
    opened = as_dataset(root, ROUGH)
    assert inspect(opened).json() == inspect(root).json()
    assert (export(opened, tmp_path / "a").dropped, export(root, tmp_path / "b", choice=ROUGH).dropped) == (0, 0)
    trials = [tune(data, "least-squares", tmp_path / name, judge="val", trials=2, choice=choice).trials
              for name, data, choice in (("c", opened, None), ("d", root, ROUGH))]  # fmt: skip
    assert trials[0] == trials[1]


def test_a_grid_of_an_opened_set_is_that_of_its_folder_in_processes_too(root, tmp_path):
    opened = as_dataset(root, ROUGH)
    how = {"seeds": (0, 1), "calibration": "none"}
    beside = benchmark(opened, ["least-squares"], tmp_path / "a", processes=2, **how)
    here = benchmark(root, ["least-squares"], tmp_path / "b", choice=ROUGH, processes=1, **how)
    assert beside.json() == here.json() and not here.failed and len(here) == 2
    assert [row["seed"] for row in here.rows() if row["task"] == "retrieval" and row["modality"] == "audio"] == [0, 1]


def test_a_grid_of_a_set_in_memory_with_methods_and_their_names(tmp_path):
    data: Dataset = replace(world(), class_split="drawn")
    methods = ["least-squares", build("least-squares", settings={"ridge": 0.5}), Entry("mine", "eszsl", {})]
    made = benchmark(data, methods, tmp_path, seeds=[0], processes=2)
    assert [result.label for result in made] == ["least-squares", "least-squares ridge=0.5", "mine"]
    assert made[1].cell.settings["ridge"] == 0.5 and not made.failed and made[0].figures["HM"] > 0
    with pytest.raises(ConfigError, match="several entries are called least-squares"):
        benchmark(data, ["least-squares", "least-squares"], tmp_path)


def test_settings_that_stand_for_no_class_split_are_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"entry 'a': settings are given by class split, .* as \{\"\": \{'ridge': 3\}\}"
    ):
        benchmark(world(), [Entry("a", "least-squares", {"ridge": 3})], tmp_path, seeds=1)
