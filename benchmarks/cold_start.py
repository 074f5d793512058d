"""How soon a command answers: `search` and `predict` of one clip beside `import torch`, each a process of its own.

    python -m benchmarks.cold_start DEMO [--rounds 9] [--document docs/benchmarks.md]

DEMO is the folder of `avgzsl demo`, whose encoders (descriptors, hashed-words) and engine (memory) import nothing more.
In turn, a round each. CPU seconds, user and system, of one thread: a waiting disk or a busy machine is no import.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from avgzsl.features.manifest import list_folder
from benchmarks.tables import measured, put

WANTED = 1.5
AVGZSL = [sys.executable, "-c", "from avgzsl.cli import main; main()"]


def cpu_seconds(command: list[str]) -> float:
    """CPU time of a command, with one thread."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(demo: Path, rounds: int) -> list[tuple[str, str, str]]:
    """The rows of the table."""
    clip = demo / "clips" / list_folder(demo / "clips")[0].path
    commands = {
        "`import torch`": [sys.executable, "-c", "import torch"],
        "`avgzsl search`": [*AVGZSL, "search", str(demo / "index"), "red square bouncing"],
        "`avgzsl predict` of one clip": [*AVGZSL, "predict", str(demo / "run"), str(clip)],
    }
    for command in commands.values():
        cpu_seconds(command)  # bytecode and files are there
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(cpu_seconds(command))
    bare, *others = commands
    alone = statistics.median(taken[bare])
    return [
        (f"{bare}, CPU seconds", f"{alone:.2f}", ""),
        *(
            (f"{name}, over that", f"{statistics.median(taken[name]) / alone:.2f} ×", f"≤ {WANTED} ×")
            for name in others
        ),
    ]


def main() -> None:
    """Print the table, and put it into --document between the marks `cold-start`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    shown = measured(measure(options.demo, options.rounds))
    print(shown)
    if options.document is not None:
        put(options.document, "cold-start", shown)


if __name__ == "__main__":
    main()
