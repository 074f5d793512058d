"""One short run that shows all of a GPU: what it must not change, and how fast it is.

    python -m benchmarks.gpu [--part NAME …] [--document docs/benchmarks.md] [--device cuda] [--small]

Needs no network, and of packages only torch (2.11 or later) and those of the part: a part whose packages are missing is
left out, and the table says so. On a GPU each part is a process of its own, so that one that ends badly costs no other.
`--device cpu --small` runs all of it anywhere in seconds; times are then not measured.
"""

import argparse
import importlib
import importlib.util
import json
import platform
import subprocess
import sys
import time
import traceback
from pathlib import Path

import torch

from avgzsl.support.device import pick_device
from benchmarks.gpu import PARTS
from benchmarks.gpu.part import NOT_MEASURED, Row, Where

LIMIT = 300  # seconds of the whole run
BASE = ("numpy", "jaxtyping", "lazy_loader")  # what the package itself imports at once


def run_part(name: str, where: Where) -> list[Row]:
    """A part's rows; one that says why, where its packages are missing or it fails."""
    begun = time.perf_counter()
    try:
        part = importlib.import_module(f"benchmarks.gpu.{name}")
        missing = [package for package in (*BASE, *part.NEEDS) if importlib.util.find_spec(package) is None]
        if missing:
            return [Row(f"{name}: not run, these packages are missing: {', '.join(missing)}", "")]
        rows: list[Row] = part.rows(where)
    except ModuleNotFoundError as problem:
        return [Row(f"{name}: not run, a package is missing: {problem.name}", "")]
    except Exception as problem:  # the other parts are still worth their time
        traceback.print_exc()
        return [Row(f"{name}: ended in {type(problem).__name__}: {str(problem).splitlines()[0][:200]}", "", "", False)]
    print(f"{name}: {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    return rows


def run_apart(name: str, where: Where, seconds: float) -> list[Row]:
    """The same in a process of its own, with a limit."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--part", name, "--device", where.device, "--json"]
    try:
        done = subprocess.run(
            [*command, *(["--small"] if where.small else [])], stdout=subprocess.PIPE, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return [Row(f"{name}: stopped after {seconds:.0f} s", "", "", False)]
    if done.returncode:
        return [Row(f"{name}: its process ended with code {done.returncode}", "", "", False)]
    return [Row(*row) for row in json.loads(done.stdout.splitlines()[-1])]


def all_parts(names: list[str], where: Where, apart: bool) -> list[Row]:
    """One part after another, as long as there is time."""
    ends, found = time.monotonic() + LIMIT, []
    for name in names:
        left = ends - time.monotonic()
        if left < 10:
            found.append(Row(f"{name}: not run, the {LIMIT} s were over", "", "", False))
            continue
        allowed = min(left, importlib.import_module(f"benchmarks.gpu.{name}").SECONDS)
        found += run_apart(name, where, allowed) if apart else run_part(name, where)
    return found


def head(where: Where) -> str:
    """The machine, and what the numbers of float32 are."""
    pick_device(where.device)  # which says what float32 is
    kind = "the CPU" if where.device == "cpu" else torch.cuda.get_device_name(where.device)
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    about = f"{kind}, torch {torch.__version__}, Python {platform.python_version()}."
    return about if where.device == "cpu" else f"{about} TF32 is {'on' if any(tf32) else 'off'}."


def table(rows: list[Row], where: Where) -> str:
    """In Markdown; what does not hold is marked."""
    lines = [head(where), "", "| what | measured | wanted |", "|---|---:|---:|"]
    for row in rows:
        # beside the CPU itself nothing was compared: that a part ran is all there is to say
        shown = row.measured if torch.device(where.device).type == "cuda" else NOT_MEASURED
        lines.append(f"| {row.what} | {shown}{' **(not so)**' if row.holds is False else ''} | {row.wanted} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, and put it into --document. The exit status is 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="this part alone; may be given several times")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="small sizes: does it run?")
    parser.add_argument("--document", type=Path, help="put the table between the marks `gpu` there")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, of one process alone")
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        parser.exit(1, "there is no CUDA device here; `--device cpu --small` runs all parts without one\n")
    where, names = Where(given.device, given.small), given.part or list(PARTS)
    rows = all_parts(names, where, apart=given.device.startswith("cuda") and not given.json)
    if given.json:
        print(json.dumps(rows))
        return
    text = table(rows, where)
    print(text)
    if given.document is not None:
        from benchmarks.tables import put

        put(given.document, "gpu", text)
    sys.exit(any(row.holds is False for row in rows))


if __name__ == "__main__":
    main()
