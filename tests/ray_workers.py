"""Workers that stand in the place of the engine's own: they embed nothing, and say which clips they had."""

import os
import signal
import time
from itertools import count
from pathlib import Path

from avgzsl.features.embedding import Outcome, Task
from avgzsl.features.engines._worker import Job, Worker
from tests.processes import PATIENCE
from tests.ray_nodes import OTHER

HELD, KILLED = "held", "killed"  # marks in the folder around that of all clips
OTHERS = 5  # of seven batches that the other worker has done while one is at its first


def said(batch: list[Task]) -> list[Outcome]:
    return [Outcome(error=task.file.name) for task in batch]


class Poisoned(Worker):
    """Is ended by clips of one name."""

    def embed(self, batch: list[Task]) -> list[Outcome]:
        if any(task.file.name == "poison" for task in batch):
            os.kill(os.getpid(), signal.SIGKILL)
        return said(batch)


class Slow(Worker):
    """Is at the clip `slow` until others are done: each leaves a file beside it."""

    def embed(self, batch: list[Task]) -> list[Outcome]:
        file: Path = batch[0].file
        with self.embedding:
            end = time.monotonic() + PATIENCE
            while file.name == "slow" and len(list(file.parent.glob("done-*"))) < OTHERS:
                if time.monotonic() > end:
                    return [Outcome(error="the others waited for it")]
                time.sleep(0.05)
            if file.name != "slow":
                (file.parent / f"done-{file.name}").touch()
        return said(batch)


class Waiting(Worker):
    """Never comes back from the clip `last.mp4`."""

    def embed(self, batch: list[Task]) -> list[Outcome]:
        if any(task.file.name == "last.mp4" for task in batch):
            time.sleep(600)
        return super().embed(batch)


class Held(Worker):
    """On the other node, does one batch and never comes back from the next; on the head, begins once that one is dead.

    So the other node has work when it is killed, and work is left for the head.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.begun = count()

    def embed(self, batch: list[Task]) -> list[Outcome]:
        marks = batch[0].file.parents[2]
        if self.address != OTHER:
            end = time.monotonic() + PATIENCE
            while not (marks / KILLED).exists() and time.monotonic() < end:
                time.sleep(0.05)
        elif next(self.begun) > 0:
            (marks / HELD).touch()
            time.sleep(600)
        return super().embed(batch)
