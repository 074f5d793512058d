"""No process outlives the command that started it, however that ends."""

import os
import subprocess
import sys

import pytest

from avgzsl.experiments.benchmark import Entry, benchmark
from avgzsl.generators import generate
from avgzsl.types import DataChoice
from tests import broken_work as work
from tests.processes import group_of, started, wait_for

RIDGE = Entry("ridge", "least-squares", {"": {"ridge": 0.01}})
SCRIPT = """
import sys
from avgzsl.experiments.benchmark import Entry, benchmark
from avgzsl.types import DataChoice

benchmark(sys.argv[1], [Entry("ridge", "least-squares", {"": {"ridge": 0.01}})], sys.argv[2], seeds=range(1000),
          choice=DataChoice(class_split="class-split"), processes=2, progress=lambda step: print("cell", flush=True))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return generate("audioset-zsl", tmp_path_factory.mktemp("data") / "set", scale=0.002, audio_dim=8, video_dim=8)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")
@pytest.mark.parametrize("moment", ["they begin", "they work"])
def test_the_processes_of_a_killed_benchmark_end(data, tmp_path, moment):
    (tmp_path / "script.py").write_text(SCRIPT)  # without a main guard, which nobody needs
    command = [sys.executable, tmp_path / "script.py", data, tmp_path / "out"]
    with started(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        if moment == "they work":
            assert [process.stdout.readline() for _ in range(3)] == ["cell\n"] * 3
        wait_for(lambda: len(group_of(process.pid)) > 3)  # two children, the server that forks them, its helper
        process.kill()
        process.wait()
        wait_for(lambda: not group_of(process.pid))
    assert moment == "they begin" or len(list((tmp_path / "out" / "cells").glob("[!.]*.json"))) >= 3


def test_a_cell_whose_process_is_killed_costs_itself_alone(data, tmp_path, monkeypatch):
    how = {"seeds": range(2), "choice": DataChoice(class_split="class-split"), "processes": 2}
    with monkeypatch.context() as patch:
        patch.setattr("avgzsl.experiments.benchmark._compute_beside", work.killed)
        results = benchmark(data, [RIDGE], tmp_path, **how)
    assert [result.error for result in results] == [
        "its process was ended (the process ended with code -9); is there memory left?"
    ] * 2
    results = benchmark(data, [RIDGE], tmp_path, **how)
    assert all(result.error is None and result.rows for result in results)
