"""The search: what it tries, what it keeps, what it may see."""

import json
from dataclasses import replace

import pytest
import torch
import yaml

from avgzsl.data.clips import Dataset
from avgzsl.errors import ConfigError, RunError
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.trial import validation_hm
from avgzsl.experiments.tuning import left_aside, tune
from avgzsl.learning.training import Job
from avgzsl.methods import build
from avgzsl.support.progress import Step
from tests.worlds import world


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world(noise=0.8)


def test_the_best_trial_is_the_preset_and_every_trial_is_kept(data, tmp_path):
    steps: list[Step] = []
    tuned = tune(data, "least-squares", tmp_path, trials=6, progress=steps.append)
    best = tuned.settings
    trials = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert [(step.task, step.done, step.total) for step in steps] == [("trials", done, 6) for done in range(1, 7)]
    assert [step.figures["HM"] for step in steps] == [trial["hm"] for trial in trials] and steps[0].item == "defaults"
    assert tuned.json()["trials"] == trials and tuned.preset == tmp_path / "preset.yaml" and len(tuned.rows()) == 6
    assert len({json.dumps(trial["settings"], sort_keys=True) for trial in trials}) == 6
    assert trials[0]["settings"] == {}
    assert best == max(trials, key=lambda trial: trial["hm"])["settings"]
    assert yaml.safe_load((tmp_path / "preset.yaml").read_text()) == best
    for trial in trials[:2]:
        assert trial["hm"] == pytest.approx(
            validation_hm(data, "least-squares", trial["settings"], "pseudo-unseen", 3, 0)
        )
    build("least-squares", tmp_path / "preset.yaml")


def test_judged_by_val_is_the_validation_hm(data, tmp_path):
    tune(data, "least-squares", tmp_path, judge="val", trials=1)
    method = build("least-squares").fit(*data.training(), Job())
    both = Mode("both", "equal")
    val = data.split("val")
    gallery = gallery_of(method, val, data.classes)
    (expected,) = gallery.measure([both], choose_numbers([gallery], [both]))
    assert json.loads((tmp_path / "trials.jsonl").read_text())["hm"] == pytest.approx(expected.classification.HM)


def test_pseudo_unseen_folds_use_nothing_of_unseen_classes_and_neither_looks_at_test(data, tmp_path):
    spoiled = {}
    for name, clips in data.splits.items():
        hidden = ~data.classes.seen[clips.labels] | (name == "test")
        spoiled[name] = replace(clips, audio=torch.where(hidden[:, None], 9.0, clips.audio))
    other = replace(data, splits=spoiled)
    for settings in ({}, {"ridge": 0.1}):
        found = [validation_hm(d, "least-squares", settings, "pseudo-unseen", 2, 0) for d in (data, other)]
        assert found[0] == found[1]


def test_an_interrupted_search_goes_on(data, tmp_path):
    tune(data, "least-squares", tmp_path, trials=3)
    first = (tmp_path / "trials.jsonl").read_text()
    spoiled = first.replace('"error": null', '"error": "kept, not run again"')
    (tmp_path / "trials.jsonl").write_text(spoiled)
    tune(data, "least-squares", tmp_path, trials=5)
    assert (tmp_path / "trials.jsonl").read_text().startswith(spoiled)
    assert len((tmp_path / "trials.jsonl").read_text().splitlines()) == 5


def test_trials_of_other_code_are_kept_and_made_anew(data, tmp_path, monkeypatch):
    tune(data, "least-squares", tmp_path, trials=2)
    assert left_aside(tmp_path, "least-squares") == 0
    old = (tmp_path / "trials.jsonl").read_text()
    monkeypatch.setattr("avgzsl.experiments.tuning.code_version", lambda *methods: "another version")
    assert left_aside(tmp_path, "least-squares") == 2
    tuned = tune(data, "least-squares", tmp_path, trials=3)
    lines = (tmp_path / "trials.jsonl").read_text()
    assert lines.startswith(old)
    assert [trial.code for trial in tuned.trials] == ["another version"] * 3
    assert [json.loads(line)["code"] for line in lines.splitlines()[2:]] == ["another version"] * 3


def test_trials_of_before_there_was_a_code_are_made_anew(data, tmp_path):
    tune(data, "least-squares", tmp_path, trials=1)
    path = tmp_path / "trials.jsonl"
    record = json.loads(path.read_text())
    del record["code"]
    path.write_text(json.dumps({**record, "hm": 0.99}) + "\n")
    assert left_aside(tmp_path, "least-squares") == 1
    assert tune(data, "least-squares", tmp_path, trials=1).trials[0].hm != 0.99
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize(("name", "match"), [("trials.jsonl", "made anew"), ("search.json", "choose another folder")])
@pytest.mark.parametrize("content", ['{"settings": ', "[1]", '{"other": 1}'])
def test_a_damaged_search_is_a_clear_error(data, tmp_path, name, match, content):
    tune(data, "least-squares", tmp_path, trials=1)
    (tmp_path / name).write_text(content)
    with pytest.raises(RunError, match=f"{match}|other method"):
        tune(data, "least-squares", tmp_path, trials=1)


def test_another_search_is_not_mixed_in(data, tmp_path):
    tune(data, "least-squares", tmp_path, trials=1)
    with pytest.raises(RunError, match="other judge"):
        tune(data, "least-squares", tmp_path, trials=1, judge="val")
    with pytest.raises(RunError, match="other data"):
        tune(world(seed=1), "least-squares", tmp_path, trials=1)


def test_a_preset_is_the_start_and_holds_where_nothing_is_drawn(data, tmp_path):
    (tmp_path / "mine.yaml").write_text("ridge: 0.7\nbalanced: true\n")
    fixed = {"compare_by": "cosine", "balanced": True}
    tune(data, "least-squares", tmp_path / "a", trials=4, preset=tmp_path / "mine.yaml", fixed=fixed)
    tried = [json.loads(line)["settings"] for line in (tmp_path / "a" / "trials.jsonl").read_text().splitlines()]
    assert tried[0] == {"ridge": 0.7, **fixed}
    assert all({**trial, "ridge": 0.7} == tried[0] and trial["ridge"] != 0.7 for trial in tried[1:])
    with pytest.raises(RunError, match="other base"):
        tune(data, "least-squares", tmp_path / "a", trials=4, fixed=fixed)


def test_folds_are_refused_where_they_would_be_ignored(data, tmp_path):
    with pytest.raises(ConfigError, match="2 folds with judge val"):
        tune(data, "least-squares", tmp_path / "a", judge="val", folds=2)


def test_fixed_settings_hold_and_bad_ones_are_refused(data, tmp_path):
    best = tune(data, "least-squares", tmp_path, trials=4, fixed={"ridge": 0.01}).settings
    assert best["ridge"] == 0.01
    with pytest.raises(ConfigError, match="did you mean ridge"):
        tune(data, "least-squares", tmp_path / "x", fixed={"rigde": 1})
    fixed = {"ridge": 0.01, "compare_by": "cosine", "balanced": True}
    with pytest.raises(ConfigError, match="no ranges to search beside"):
        tune(data, "least-squares", tmp_path / "y", fixed=fixed)


def test_a_trial_that_fails_is_kept_and_stops_nothing(data, tmp_path, monkeypatch):
    def hm(dataset, method, settings, *rest):
        if settings.get("ridge"):
            return 0.5
        raise ConfigError("the loss is no longer finite")

    monkeypatch.setattr("avgzsl.experiments.tuning.validation_hm", hm)
    best = tune(data, "least-squares", tmp_path / "a", trials=3).settings
    assert best["ridge"]
    assert json.loads((tmp_path / "a" / "trials.jsonl").read_text().splitlines()[0])["error"].startswith("the loss")
    with pytest.raises(ConfigError, match="every trial failed"):
        tune(data, "least-squares", tmp_path / "b", trials=1)


def test_ranges_take_the_place_of_the_methods_own(data, tmp_path):
    ranges = {"ridge": (0.02, 0.05)}
    tuned = tune(data, "least-squares", tmp_path, trials=9, ranges=ranges)
    assert tuned.trials[0].settings == {}
    assert sorted(trial.settings["ridge"] for trial in tuned.trials[1:]) == [0.02, 0.05]
    assert all(trial.settings.keys() <= {"ridge"} for trial in tuned.trials)
    assert tune(data, "least-squares", tmp_path, trials=9, ranges=ranges).trials == tuned.trials
    for others in ({"ridge": (0.02, 0.06)}, None):
        with pytest.raises(RunError, match="other ranges"):
            tune(data, "least-squares", tmp_path, trials=9, ranges=others)
    with pytest.raises(ConfigError, match="no ranges to search"):
        tune(data, "least-squares", tmp_path / "none", ranges={})


def test_a_search_over_lists_goes_on(data, tmp_path):
    how = {"trials": 2, "judge": "val", "fixed": {"epochs": 2, "batch_size": 64}}
    for folder, more in (("preset", {"preset": "realset"}), ("ranges", {"ranges": {"milestones": [(1,)]}})):
        first, again = (tune(data, "avgzslnet", tmp_path / folder, **how, **more) for _ in range(2))
        assert again.trials == first.trials and again.settings == first.settings


def test_no_trial_is_spent_on_the_start_again(data, tmp_path):
    """Ranges hold the start, too: with as many trials as there are settings, each is tried, and once."""
    start = build("least-squares").ridge
    search = {"ranges": {"ridge": (start, 3 * start, 9 * start)}, "trials": 9}
    tuned = tune(data, "least-squares", tmp_path, **search)
    assert sorted({**{"ridge": start}, **trial.settings}["ridge"] for trial in tuned.trials) == [
        start, 3 * start, 9 * start
    ]  # fmt: skip
