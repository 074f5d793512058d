"""A whole `avgzsl train`, from the start of its process to its end, over its epochs alone.

    python -m benchmarks.whole_train DATA [--preset realset]

The command runs in a process of its own, as a user runs it: imports, loading, training, calibration, evaluation,
tables, figures. In that process the time that the training loop takes, looks at validation included, is summed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

_CHILD = """
import json, sys, time
from avgzsl.learning import training
plain, spent = training.train, []
def timed(stage, job):
    begun = time.perf_counter()
    plain(stage, job)
    spent.append(time.perf_counter() - begun)
training.train = timed
from avgzsl.cli import main
report, sys.argv = sys.argv[1], ["avgzsl", *sys.argv[2:]]
try:
    main()
finally:
    with open(report, "w") as file:
        json.dump(sum(spent), file)
"""


class Whole(NamedTuple):
    """Seconds of the command, and of its epochs."""

    command: float
    epochs: float


def whole_train(data: Path, preset: str = "realset", python: str = sys.executable) -> Whole:
    """Run the command once. Raises CalledProcessError with its output where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "epochs.json"
        arguments = ["train", str(data), "--out", str(Path(folder) / "run"), "--preset", preset, "attention=none"]
        begun = time.perf_counter()
        subprocess.run([python, "-c", _CHILD, str(report), *arguments], check=True, capture_output=True)
        return Whole(time.perf_counter() - begun, json.loads(report.read_text()))


def ratio(data: Path, rounds: int = 5) -> tuple[float, Whole]:
    """The median ratio of some rounds after a first, which fills the cache of the data; and that round's times."""
    whole_train(data)
    runs = sorted((whole_train(data) for _ in range(rounds)), key=lambda run: run.command / run.epochs)
    middle = runs[len(runs) // 2]
    return statistics.median(run.command / run.epochs for run in runs), middle


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    found, (command, epochs) = ratio(given.data, given.rounds)
    print(f"a whole `train` ({command:.2f} s) over its epochs ({epochs:.2f} s): {found:.2f} ×")


if __name__ == "__main__":
    main()
