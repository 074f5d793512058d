"""The search of settings and the tables made with them, on a tiny world."""

from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
import yaml
from benchmarks import results, search, tuning

from avgzsl.errors import ConfigError
from avgzsl.experiments.trial import Judge
from avgzsl.generators import generate
from avgzsl.methods import method_class
from avgzsl.types import DataChoice

NAMES = ["least-squares", "eszsl"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = generate("audioset-zsl", tmp_path_factory.mktemp("data") / "set", scale=0.001, audio_dim=16, video_dim=24)
    (path / "class-split-1").mkdir()
    for name in ("all", "seen", "unseen"):
        text = (path / "class-split" / f"{name}_class.txt").read_text()
        swapped = {"seen": text.replace("'dog',\n", "'pig',\n"), "unseen": text.replace("'pig',\n", "'dog',\n")}
        (path / "class-split-1" / f"{name}_class.txt").write_text(swapped.get(name, text))
    return path


@pytest.fixture
def here(monkeypatch):
    """The search is for a process of its own, whose threads it sets."""
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)


def test_of_a_preset_only_what_few_trials_can_tell_apart_is_searched():
    assert search.ranges_of(method_class("avgzslnet")).keys() <= set(search.SEARCHED)
    own = method_class("least-squares").ranges
    assert search.ranges_of(method_class("least-squares")) == {"text_scale": ("unit", "centred"), **own}
    assert search.start_of(method_class("kda"))["milestones"] == method_class("kda").presets["realset"]["milestones"]


def test_a_search_keeps_what_differs_from_the_start_and_goes_on(here, data, tmp_path, monkeypatch):
    choice = DataChoice(class_split="class-split")
    how = {"judge": "val", "work": tmp_path, "trials": 4, "folds": 2}
    found = search.tune_split(data, choice, NAMES, **how)
    for name in NAMES:
        tried = (tmp_path / name / "class-split" / "trials.jsonl").read_text().splitlines()
        assert len(tried) == 4
        start = search.start_of(method_class(name))
        assert all(start[key] != value for key, value in found[name].items())
    monkeypatch.setattr("avgzsl.experiments.tuning.validation_hm", None)  # no trial is made anew
    assert search.tune_split(data, choice, NAMES, **how) == found


def test_what_cannot_be_tuned_is_left_out_and_lists_of_a_file_are_the_presets(here, data, tmp_path, monkeypatch):
    milestones = method_class("avca").presets["realset"]["milestones"]

    def tune(dataset, name, *_, **__):
        if name == "eszsl":
            raise ConfigError("every trial failed")
        return SimpleNamespace(settings={"milestones": [*milestones], "margin": 2.0}, hm=0.5)

    monkeypatch.setattr(search, "tune", tune)
    found = search.tune_split(data, DataChoice(class_split="class-split"), ["eszsl", "avca"], "val", tmp_path, 1, 1)
    start = search.start_of(method_class("avca"))
    assert found.keys() == {"avca"} and found["avca"]["margin"] == 2.0 and "milestones" not in found["avca"]
    assert all(start[key] != value for key, value in found["avca"].items())


def test_settings_of_some_methods_leave_those_of_others(data, tmp_path, monkeypatch):
    file = tmp_path / "settings.yaml"
    for value, chosen in ((0.1, NAMES), (0.2, NAMES[:1])):
        of_judge = {name: {"class-split": {"ridge": value}} for name in chosen}
        monkeypatch.setattr(tuning, "tune_all", lambda *_, found=of_judge: {"val": found, "pseudo-unseen": found})
        words = ["tuning", str(data), "--work", str(tmp_path), "--settings", str(file), "--trials", "5", "--folds", "3"]
        monkeypatch.setattr("sys.argv", [*words, *(["--methods", *chosen] if value == 0.2 else [])])
        tuning.main()
    kept = yaml.safe_load(file.read_text())
    assert kept["val"] == {"eszsl": {"class-split": {"ridge": 0.1}}, "least-squares": {"class-split": {"ridge": 0.2}}}
    assert kept["val"] == kept["pseudo-unseen"] and (kept["trials"], kept["folds"]) == (5, 3)


def test_a_search_that_was_cut_short_is_gathered_and_the_file_says_so(here, data, tmp_path, monkeypatch):
    work, file = tmp_path / "work", tmp_path / "settings.yaml"
    whole = {judge: {} for judge in get_args(Judge)}
    for judge, name in product(whole, NAMES):
        choice, trials = DataChoice(class_split="class-split"), 1 if (judge, name) == ("val", "eszsl") else 3
        search.tune_split(data, choice, [name], judge, work / judge, trials, 2)
        # as a search of two trials has it
        again = search.tune_split(data, choice, [name], judge, tmp_path / "other" / judge, min(trials, 2), 2)
        whole[judge] |= {name: {"class-split": again[name]}}
    words = ["tuning", str(data), "--work", str(work), "--settings", str(file), "--trials", "2", "--folds", "2"]
    monkeypatch.setattr("sys.argv", [*words, "--gather", "--methods", *NAMES])
    tuning.main()
    kept = yaml.safe_load(file.read_text())
    assert {judge: kept[judge] for judge in whole} == whole
    origin = {"data": data.name, "text": [], "trials": 2, "folds": 2, "made": "gathered", "fewer": {"eszsl": 1}}
    assert {key: kept[key] for key in origin} == origin
    monkeypatch.setattr("sys.argv", [*words[:-4], "--trials", "9", "--methods", "eszsl"])
    with pytest.raises(SystemExit):  # it is not said of all methods that they had nine
        tuning.main()
    assert yaml.safe_load(file.read_text()) == kept


def test_the_tables_are_means_of_the_cells_with_the_settings_of_each_split(data, tmp_path, monkeypatch):
    tuned = {"least-squares": {"class-split": {"ridge": 0.3}, "class-split-1": {"ridge": 0.01}}}
    settings = {"val": tuned, "pseudo-unseen": {}, "folds": 2, "trials": 4}
    monkeypatch.setattr(results, "methods", lambda: NAMES)
    by_name = {"word2vec": (), results.SENTENCE: ()}
    asked = dict.fromkeys(results.CALIBRATIONS, by_name)
    told = results.report(data, settings, asked, None, (), 1, tmp_path / "work", 1)
    entries = results.entries_of(NAMES, tuned, ["class-split", "class-split-1"])
    assert [entries[0].settings[split]["ridge"] for split in ("class-split", "class-split-1")] == [0.3, 0.01]
    assert entries[1].settings["class-split"] == search.start_of(method_class("eszsl"))
    cells = results.measure(data, entries, DataChoice(), "val", 1, tmp_path / "work", 1)
    hms = [
        100 * row["HM"]
        for cell in cells
        for row in cell.rows
        if (cell.label, row["task"], row["modality"], row["stretch"])
        == ("least-squares", "classification", "both", None)
    ]
    assert len(hms) == 2
    by_val = told.partition("### Tuned and calibrated by val")[2]
    (line,) = [line for line in by_val.splitlines() if line.startswith("| least-squares | both |")][:1]
    assert line.split("|")[3].strip() == f"{fmean(hms):.1f} ± {stdev(hms):.1f}"
    assert "HM both ways" in by_val and told.count("HM both ways") == 1
