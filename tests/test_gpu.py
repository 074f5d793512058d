"""`make gpu` at small sizes on the CPU, so that it cannot rot where there is no GPU."""

import json
import re
import subprocess
import sys
import types

import pytest
from benchmarks.gpu import PARTS, __main__
from benchmarks.gpu.part import Where, must, near

SMALL = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--small"]
HERE = Where("cpu", True)


@pytest.mark.timeout(400)  # a busy machine takes its time
def test_all_of_it_runs(tmp_path):
    document = tmp_path / "page.md"
    document.write_text("before\n<!-- gpu -->\n<!-- /gpu -->\nafter\n")
    done = subprocess.run([*SMALL, "--document", str(document)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    assert re.findall(r"^(\w+): [\d.]+ s$", done.stderr, re.MULTILINE) == list(PARTS)
    written = document.read_text()
    assert written.startswith("before\n<!-- gpu -->\nthe CPU, torch") and written.endswith("<!-- /gpu -->\nafter\n")
    rows = [line.split(" | ") for line in written.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 40 and {row[1] for row in rows} == {"not measured"}


def test_a_part_alone_gives_its_rows_to_the_process_that_asked():
    done = subprocess.run([*SMALL, "--part", "search", "--json"], capture_output=True, text=True)
    rows = json.loads(done.stdout)
    assert done.returncode == 0 and rows == json.loads(json.dumps(__main__.run_apart("search", HERE, 60)))


def a_part(monkeypatch, rows, needs=()):
    module = types.ModuleType("benchmarks.gpu.search")
    module.NEEDS, module.SECONDS, module.rows = needs, 5, rows
    monkeypatch.setitem(sys.modules, "benchmarks.gpu.search", module)


@pytest.mark.parametrize(
    ("rows", "needs", "says", "holds"),
    [
        (lambda where: [must("it is so", True)], ("nothing_of_this_name",), "are missing: nothing_of_this_name", None),
        (lambda where: __import__("nothing_of_this_name"), (), "a package is missing: nothing_of_this_name", None),
        (lambda where: 1 // 0, (), "search: ended in ZeroDivisionError", False),
        (lambda where: [near("how far", 1e-3, 1e-5)], (), "how far", False),
    ],
)
def test_what_a_part_lacks_or_breaks_costs_it_alone(monkeypatch, rows, needs, says, holds):
    a_part(monkeypatch, rows, needs)
    (row,) = __main__.all_parts(["search"], HERE, apart=False)
    assert says in row.what and row.holds is holds
    assert ("**(not so)**" in __main__.table([row], HERE)) is (holds is False)


def test_a_part_that_does_not_end_is_stopped():
    (row,) = __main__.run_apart("numbers", HERE, seconds=0.01)
    assert row.what == "numbers: stopped after 0 s" and row.holds is False


def test_without_a_device_it_says_how_to_run_it():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu"], capture_output=True, text=True, env={"CUDA_VISIBLE_DEVICES": ""}
    )
    assert done.returncode == 1 and "--device cpu --small" in done.stderr
