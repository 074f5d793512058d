"""Baselines beside a grid of methods, and in the tables of the paper."""

import json
from dataclasses import replace

import pytest

from avgzsl.experiments import grid_baselines as module
from avgzsl.experiments import trial
from avgzsl.experiments.benchmark import Entry, benchmark, open_splits
from avgzsl.experiments.grid_baselines import Grid, grid_baselines, write_grid_baselines
from avgzsl.reports.comparison import measured_lines, with_baselines
from avgzsl.reports.published import TABLES
from avgzsl.reports.reproduction import reproduce
from avgzsl.reports.summary import summary_markdown
from avgzsl.support.progress import Step
from tests.test_frozen import data


@pytest.fixture(scope="module")
def world():
    """Parts that serve both modalities, so that every method can use them."""
    dataset = data(5, missing=0.0)
    parts = tuple(replace(part, modality=None) for part in dataset.classes.parts)
    return replace(dataset, classes=replace(dataset.classes, parts=parts))


def compared(world, out, methods=("eszsl",), seconds=0.0):
    comparison = benchmark(world, methods, out, seeds=2)
    return Grid(world, open_splits(world), out, None, (0, 1), "val", None, seconds), comparison


def labels(found):
    return [*dict.fromkeys(result.label for result in found.results)]


def test_baselines_stand_beside_a_grid_one_fit_for_all_seeds(world, tmp_path):
    grid, comparison = compared(world, tmp_path)
    found = grid_baselines(grid, comparison, True)
    assert [(one.label, one.cell.seed) for one in found.results] == [
        ("least-squares", 0), ("least-squares", 1), ("frozen", 0), ("frozen", 1),
    ]  # fmt: skip
    assert len([*(tmp_path / "baselines" / "cells").iterdir()]) == 2
    rows = {seed: trial.tested(world, "frozen", {}, seed, "val", False) for seed in (0, 1)}
    assert [one.rows for one in found.results[2:]] == [rows[0], rows[1]]
    text = summary_markdown([*comparison, *found.results], "val", "eszsl")
    assert "| frozen | both (one wt) |" in text
    (file,) = write_grid_baselines(tmp_path, found)
    assert [cell["label"] for cell in json.loads(file.read_text())] == [one.label for one in found.results]
    again = benchmark(world, ["eszsl"], tmp_path, seeds=2)
    assert again.left_aside == 0, "cells of baselines are not cells of the grid"


def test_they_cost_at_most_a_tenth_unless_they_are_there_or_asked_for(world, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "baseline_seconds", lambda name, _: {"least-squares": 3.0, "frozen": 8.0}[name])
    grid, comparison = compared(world, tmp_path, seconds=29.0)
    found = grid_baselines(grid, comparison, None)
    assert not found.results
    assert "some 3.0 s, and 2.9 s" in found.notes[0]
    assert labels(grid_baselines(replace(grid, seconds=31.0), comparison, None)) == ["least-squares"]
    assert labels(grid_baselines(grid, comparison, None)) == ["least-squares"], "its cells are there now"
    assert labels(grid_baselines(grid, comparison, False)) == []
    assert labels(grid_baselines(grid, comparison, True)) == ["least-squares", "frozen"]


def test_what_the_grid_has_itself_is_not_done_twice(world, tmp_path):
    grid, comparison = compared(world, tmp_path, ("least-squares", "eszsl"))
    assert labels(grid_baselines(grid, comparison, True)) == ["frozen"]


def test_where_features_allow_no_frozen_row_one_line_says_why_and_nothing_fails(world, tmp_path):
    grid, comparison = compared(replace(world, encoders={}), tmp_path)
    steps: list[Step] = []
    found = grid_baselines(grid, comparison, True, steps.append)
    assert steps and not any(step.failed for step in steps), "no bar speaks of a failure"
    assert labels(found) == ["least-squares"]
    (line,) = [note for note in found.notes if note.startswith("no row frozen")]
    assert "not known" in line and "\n" not in line


def test_a_sentence_names_the_methods_whose_training_did_not_help(world, tmp_path):
    entries = [Entry("good", "eszsl", {}), Entry("poor", "devise", {"": {"epochs": 1, "lr": 1e-9}})]
    grid, comparison = compared(world, tmp_path, entries)
    poor = [one.figures["HM"] for one in comparison if one.label == "poor"]
    hm = sum(poor) / len(poor)
    found = grid_baselines(grid, comparison, True)
    (said,) = [note for note in found.verdict if " for poor, and" in note]
    # both methods see the picture alone, so what they are held against is its figure, not that of both modalities
    for name in ("least-squares", "frozen"):
        values = [
            row["HM"]
            for result in found.results
            if result.cell.method == name
            for row in result.rows
            if row["task"] == "classification" and row["modality"] == "video"
        ]
        mean = sum(values) / len(values)
        assert (f"{name} has {100 * mean:.1f}" in said) == (mean >= hm), said
    assert said.startswith(f"training did not help: HM of video is {100 * hm:.1f} for poor, and ")


def test_what_is_not_trained_is_told_nothing(world, tmp_path):
    grid, comparison = compared(world, tmp_path, (Entry("floor", "pretrained", {}),))
    assert grid_baselines(grid, comparison, True).verdict == ()


def test_tables_of_the_paper_have_lines_of_baselines(world, tmp_path):
    grid, comparison = compared(world, tmp_path)
    found = grid_baselines(grid, comparison, True)
    for name in ("table1", "table2"):
        table = with_baselines(TABLES[name], ["least-squares", "frozen", "absent"], [*comparison, *found.results])
        added = table.lines[len(TABLES[name].lines) :]
        assert {line.entry for line in added} <= {"least-squares", "frozen"}
        assert ("frozen", "both", "weighted") in {(line.entry, line.modality, line.fusion) for line in added}
        measured = [line for line in measured_lines(table, found.results) if line.line.entry == "frozen"]
        assert all(line.runs == 2 for line in measured)


def test_reproduce_writes_them(world, tmp_path, monkeypatch):
    monkeypatch.setattr("avgzsl.reports.reproduction.needed", lambda _: ["eszsl"])
    made = reproduce("table2", world, tmp_path, seeds=1, baselines=True)
    assert tmp_path / "baselines.json" in made.files
    assert "| frozen |" in (tmp_path / "table2.md").read_text()
    assert not reproduce("table2", world, tmp_path, seeds=1, baselines=False).notes
    assert "| frozen |" not in (tmp_path / "table2.md").read_text()
