"""How soon a folder of clips is a page that can be searched: `avgzsl open`, the first time and again.

    python -m benchmarks.first_page CLIPS --models DIR [--rounds 3] [--document docs/benchmarks.md]

In turn, a round each: `avgzsl extract` with the encoders that `open` takes, and `avgzsl open` into a new index, from
the start of the process until its page answers a search; then `open` again. All are commands of their own, as a user
types them, and the clips are read once before, so that neither has them from a cold disk. Medians over the rounds.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from avgzsl.features.manifest import list_folder
from avgzsl.recognition.local_encoders import local_encoders
from benchmarks.tables import measured, put

AVGZSL = [sys.executable, "-c", "from avgzsl.cli import main; main()"]
OVERHEAD, FACTOR, WANTED = 15.0, 1.2, 60.0


def extract_seconds(clips: Path, models: Path, specs: dict[str, str], work: Path) -> float:
    """Wall-clock time of the command."""
    encoders = [word for modality, spec in specs.items() for word in (f"--{modality}", spec)]
    shutil.rmtree(work / "store", ignore_errors=True)
    begun = time.perf_counter()
    command = [*AVGZSL, "extract", clips, *encoders, "--models", models, "--out", work / "store"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return time.perf_counter() - begun


@contextmanager
def page(clips: Path, models: Path, index: Path) -> Iterator[float]:
    """The page, open; gives the seconds until it answered a search."""
    begun = time.perf_counter()
    command = [*AVGZSL, "open", clips, "--models", models, "--out", index, "--no-browser"]
    with subprocess.Popen(list(map(str, command)), stdout=-1, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = line.split(" is open at ")[1].split()[0]
            with urlopen(f"{url}v1/search?q=dog+barking&k=3") as answer:
                assert len(json.load(answer)["hits"]) == 3
            yield time.perf_counter() - begun
        finally:
            process.send_signal(signal.SIGINT)


def measure(clips: Path, models: Path, rounds: int) -> list[tuple[str, str, str]]:
    """The rows of the table."""
    specs = {str(modality): spec for modality, spec in local_encoders(models).specs.items()}
    count = sum(len((clips / row.path).read_bytes()) > 0 for row in list_folder(clips))
    extracted, first, again = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            extracted.append(extract_seconds(clips, models, specs, work))
            for times in (first, again):
                with page(clips, models, work / "index") as taken:
                    times.append(taken)
    of_extract, to_page = statistics.median(extracted), statistics.median(first)
    allowed = FACTOR * of_extract + OVERHEAD
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    named = " and ".join(specs.values())
    return [
        (f"`avgzsl extract` of {count} clips with {named}, {cores} cores, s", f"{of_extract:.1f}", ""),
        ("`avgzsl open` of the same folder to the first answer, first time, s", f"{to_page:.1f}", f"≤ {WANTED:.0f}"),
        (f"… over {FACTOR:g} × extract + {OVERHEAD:.0f} s", f"{to_page / allowed:.2f}", "≤ 1"),
        ("`avgzsl open` again, s", f"{statistics.median(again):.1f}", ""),
    ]


def main() -> None:
    """Print the table, and put it into --document between the marks `first-page`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    shown = measured(measure(options.clips, options.models, options.rounds))
    print(shown)
    if options.document is not None:
        put(options.document, "first-page", shown)


if __name__ == "__main__":
    main()
