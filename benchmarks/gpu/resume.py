"""A training that is killed, in a process of its own, and goes on to the same bytes."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.data import dataset, fitted
from benchmarks.gpu.part import Row, Where, must

NEEDS = ("pydantic",)
SECONDS = 60
STOP = 7  # the epoch after which the child waits to be killed
SETTINGS: dict[str, Any] = {"epochs": 16, "milestones": (5, 11), "attention_epochs": 2}
SHARE = 0.1  # of AudioSetZSL's clips


def resumable(where: Where, checkpoint: Path, hear: Callable[[Any], None]) -> Any:
    """The training, from its checkpoint where there is one; `hear` is told of each epoch."""
    kept: dict[str, Any] = {"checkpoint": checkpoint, "checkpoint_seconds": 0.0, "progress": hear}
    return fitted(dataset(where, SHARE), SETTINGS, where.device, **kept)


def child(where: Where, checkpoint: Path) -> None:
    """Train, and stop for good after some epochs, in the middle of the fit."""

    def wait(step: Any) -> None:  # an epoch is told before its checkpoint is written: that of the one before is there
        if step.done == STOP:
            print("ready", flush=True)
            time.sleep(600)

    resumable(where, checkpoint, wait)


def rows(where: Where) -> list[Row]:
    """One kill."""
    whole = fitted(dataset(where, SHARE), SETTINGS, where.device).state()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.safetensors"
        command = [sys.executable, "-m", "benchmarks.gpu.resume", json.dumps(where), str(checkpoint)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            heard = process.stdout.readline()
            process.kill()
        was_killed = heard.strip() == "ready" and checkpoint.exists()
        epochs: list[Any] = []
        again = resumable(where, checkpoint, epochs.append).state()
    goes_on = was_killed and 1 < epochs[0].done <= STOP
    same = whole.keys() == again.keys() and all(torch.equal(whole[key], again[key]) for key in whole)
    return [
        must(f"killed in epoch {STOP} of {SETTINGS['epochs']}, it goes on from there", goes_on),
        must("… and ends in the same bytes", same),
    ]


if __name__ == "__main__":
    child(Where(*json.loads(sys.argv[1])), Path(sys.argv[2]))
