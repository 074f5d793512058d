"""The grid: cells computed once, kept apart by all they hang on, and surviving failures and kill -9."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from avgzsl.errors import ConfigError, RunError, UnknownNameError
from avgzsl.experiments import benchmark as grid
from avgzsl.experiments.benchmark import Entry, benchmark
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.generators import generate
from avgzsl.support import device
from avgzsl.support.progress import Step
from avgzsl.types import DataChoice
from tests.processes import wait_for

USUAL = DataChoice(class_split="class-split")
RIDGE = Entry("ridge", "least-squares", {"": {"ridge": 0.01}})
FAILING = Entry("failing", "avgzslnet", {"": {"epochs": 3, "lr": 1e30, "distance": "mse", "attention": "none"}})


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = generate("audioset-zsl", tmp_path_factory.mktemp("data") / "set", scale=0.001, audio_dim=16, video_dim=24)
    (path / "class-split-1").mkdir()
    lists = {name: (path / "class-split" / f"{name}_class.txt").read_text() for name in ("all", "seen", "unseen")}
    swapped = {
        **lists,
        "seen": lists["seen"].replace("'dog',\n", "'pig',\n"),
        "unseen": lists["unseen"].replace("'pig',\n", "'dog',\n"),
    }
    for name, text in swapped.items():
        (path / "class-split-1" / f"{name}_class.txt").write_text(text)
    return path


@pytest.fixture(scope="module")
def out(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    benchmark(data, [RIDGE], folder, seeds=range(2), processes=1)
    return folder


def cells(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / "cells").iterdir()}


def test_a_cell_is_what_train_and_evaluate_give(data, out, tmp_path):
    results = benchmark(data, [RIDGE], out, seeds=range(2), processes=1)
    assert [(r.cell.class_split, r.cell.seed) for r in results] == [
        (s, n) for s in ("class-split", "class-split-1") for n in (0, 1)
    ]
    run = train(
        data,
        "least-squares",
        out=tmp_path / "run",
        choice=DataChoice(class_split="class-split-1"),
        settings={"ridge": 0.01},
    )
    rows = [{key: value for key, value in row.items() if key != "both_ways"} for row in results[2].rows]
    assert rows == json.loads(json.dumps(evaluate(run).results))
    assert all(("both_ways" in row) == (row["task"] == "classification") for row in results[2].rows)


def test_only_missing_cells_run(data, out):
    before = cells(out)
    steps: list[Step] = []
    results = benchmark(data, [RIDGE], out, seeds=range(3), choice=USUAL, processes=1,
                        progress=steps.append)  # fmt: skip
    assert [(step.task, step.done, step.total, step.failed) for step in steps] == [("cells", 3, 3, 0)]
    assert (steps[0].item, steps[0].figures) == ("ridge", results[2].figures)
    assert len(results) == 3
    after = cells(out)
    assert {name: after[name] for name in before} == before


def test_other_settings_seeds_calibration_data_or_code_are_other_cells(data, out):
    cell = benchmark(data, [RIDGE], out, seeds=range(1), choice=USUAL, processes=1)[0].cell
    others = [
        replace(cell, settings={**cell.settings, "ridge": 0.02}),
        replace(cell, seed=1),
        replace(cell, calibration="none"),
        replace(cell, fingerprint="0" * 64),
        replace(cell, code="0" * 16),
        replace(cell, method="avgzslnet"),
    ]
    assert len({other.key for other in [cell, *others]}) == 7


def test_cells_of_other_code_are_left_aside_and_said(data, out, monkeypatch):
    monkeypatch.setattr(grid, "code_version", lambda *methods: "another version")
    results = benchmark(data, [RIDGE], out, seeds=range(1), choice=USUAL, processes=1)
    assert results.left_aside >= 4
    assert results[0].cell.code == "another version"


def test_a_failed_cell_is_reported_stops_nothing_and_is_tried_again(data, tmp_path):
    for _ in range(2):
        results = benchmark(data, [FAILING, RIDGE], tmp_path, seeds=range(1), choice=USUAL, processes=1)
        assert "no longer finite" in results[0].error
        assert results[0].rows == []
        assert results[1].error is None
        assert results[1].rows
    assert len(cells(tmp_path)) == 1


def test_mistakes_are_named_before_anything_runs(data, tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean class-split"):
        benchmark(data, [RIDGE], tmp_path, choice=DataChoice(class_split="class-splitt"))
    with pytest.raises(UnknownNameError, match="did you mean least-squares"):
        benchmark(data, [Entry("x", "least-square", {})], tmp_path)
    with pytest.raises(ConfigError, match="did you mean ridge"):
        benchmark(data, [Entry("x", "least-squares", {"": {"rdige": 1}})], tmp_path)
    assert not (tmp_path / "cells").exists()


def test_a_damaged_cell_is_a_clear_error(data, out, tmp_path):
    (tmp_path / "cells").mkdir()
    for name in cells(out):
        (tmp_path / "cells" / name).write_text('{"rows": [')
    with pytest.raises(RunError, match="delete it, and it is computed again"):
        benchmark(data, [RIDGE], tmp_path, seeds=range(1), choice=USUAL, processes=1)


def device_taken(workers, entry, cell, device, path, choice, folder):
    """In the place of a cell's work: says which device it has, and goes on when two cells have begun."""
    mine = folder / f"{device.replace(':', '-')}.busy"
    with mine.open("x"):  # which fails where the device has a cell already
        (folder / f"{cell.seed}.begun").touch()
        wait_for(lambda: len(list(folder.glob("*.begun"))) >= 2)
    mine.unlink()
    return grid.Result(entry.label, cell, [], f"{device} of {workers}, process {os.getpid()}")


def test_each_gpu_has_a_process_with_one_cell_at_a_time(data, tmp_path, monkeypatch):
    """With a stand-in for the number of GPUs."""
    monkeypatch.setattr("avgzsl.support.device.gpus", lambda: ["cuda:0", "cuda:1"])
    monkeypatch.setattr(grid, "_compute_beside", device_taken)
    found = benchmark(data, [RIDGE], tmp_path, choice=USUAL, seeds=range(6))
    said = [result.error for result in found]
    assert {text.split(",")[0] for text in said} == {"cuda:0 of 2", "cuda:1 of 2"}
    assert len(set(said)) == 2  # a process a device, and no other


@pytest.mark.parametrize(
    ("there", "most", "calls", "expected"),
    [
        (["cuda:0", "cuda:1"], None, 9, ["cuda:0", "cuda:1"]),
        (["cuda:0", "cuda:1"], 3, 9, ["cuda:0", "cuda:1", "cuda:0"]),
        (["cuda:0", "cuda:1"], None, 1, ["cuda:0"]),
        (["cuda:0"], 1, 9, ["cuda:0"]),
        ([], 2, 9, ["cpu", "cpu"]),
        ([], None, 9, ["cpu"] * 4),
    ],
)
def test_devices_of_processes(monkeypatch, there, most, calls, expected):
    monkeypatch.setattr(device, "gpus", lambda: there)
    monkeypatch.setattr(device, "cores", lambda: 4)
    assert device.devices_of_workers(most, calls) == expected


CHILD = """
import sys
from avgzsl.experiments.benchmark import Entry, benchmark
from avgzsl.types import DataChoice

if __name__ == "__main__":
    benchmark(sys.argv[1], [Entry("ridge", "least-squares", {"": {"ridge": 0.01}})], sys.argv[2], seeds=range(1000),
              choice=DataChoice(class_split="class-split"), processes=1,
              progress=lambda step: print("cell", flush=True))
"""


@pytest.mark.races
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")
def test_killed_it_loses_at_most_the_running_cells(data, tmp_path):
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    child = subprocess.Popen([sys.executable, script, data, tmp_path / "out"], stdout=subprocess.PIPE, text=True,
                             start_new_session=True)  # fmt: skip
    heard = [child.stdout.readline() for _ in range(5)]
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert heard == ["cell\n"] * 5
    kept = list((tmp_path / "out" / "cells").glob("[!.]*.json"))
    assert 5 <= len(kept) < 1000
    for file in kept:
        assert json.loads(file.read_text())["rows"]
