"""A training that is killed, in a process of its own, and goes on to the same bytes."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.data import dataset, fitted
from benchmarks.gpu.part import Row, Where, must

NEEDS = ("pydantic",)
SECONDS = 60
STOP = 7  # the epoch after which the child waits to be killed
SETTINGS: dict[str, Any] = {"epochs": 16, "batch_size": 128, "milestones": (5, 11), "attention_epochs": 2}


def child(device: str, checkpoint: Path) -> None:
    """Train, and stop for good after some epochs, in the middle of the fit."""

    def wait(step: Any) -> None:
        if step.done == STOP:
            print("ready", flush=True)
            time.sleep(600)

    # an epoch's checkpoint is written after its progress was told: that of the one before is there
    fitted(dataset(Where(device, True)), SETTINGS, device, checkpoint=checkpoint, checkpoint_seconds=0.0, progress=wait)


def rows(where: Where) -> list[Row]:
    """One kill."""
    data = dataset(where._replace(small=True))
    whole = fitted(data, SETTINGS, where.device).state()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.safetensors"
        command = [sys.executable, "-m", "benchmarks.gpu.resume", where.device, str(checkpoint)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            heard = process.stdout.readline()
            process.kill()
        was_killed = heard.strip() == "ready" and checkpoint.exists()
        epochs: list[Any] = []
        again = fitted(
            data, SETTINGS, where.device, checkpoint=checkpoint, checkpoint_seconds=0.0, progress=epochs.append
        ).state()
    first = epochs[0].done
    same = all(torch.equal(whole[key], again[key]) for key in whole)
    return [
        must(
            f"killed in epoch {STOP} of {SETTINGS['epochs']}, it goes on from there", was_killed and 1 < first <= STOP
        ),
        must("… and ends in the same bytes", same and whole.keys() == again.keys()),
    ]


if __name__ == "__main__":
    child(sys.argv[1], Path(sys.argv[2]))
