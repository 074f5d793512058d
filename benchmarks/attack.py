"""Attacks of each kind that docs/security.md speaks of, counted: how many were tried, how many did no harm.

    python -m benchmarks.attack [--document docs/security.md]

Each module `attack_*.py` beside this one makes attacks. One on files is a command of the program, in a process of its
own with a limit of time. It has done no harm if the command succeeds, or ends with exit code 1 and without a traceback;
if nothing of a secret file stands in what it printed or wrote; and if nothing was written where it was not told to.
"""

import argparse
import importlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.tables import put

CANARY = b"canary-8d1f0c"
SECONDS = 30.0  # of a try, on a busy machine; its processor gets fewer
_READ = 64 << 20  # bytes of what a try wrote
_SHOWN = 600  # letters of a try that did harm


@dataclass(frozen=True)
class Outcome:
    """One kind of attack."""

    kind: str
    tries: int
    held: int


def command_held(arguments: Sequence[str], out: Path, guarded: Sequence[Path]) -> bool:
    """Run a command of the program, which may write to `out` alone; `guarded` has to stay as it is.

    It runs in a fork of this process, in which the program's modules are loaded already.
    """
    before, said = _listed(guarded), out.with_name(f"{out.name}.said")
    child = os.fork()
    if child == 0:
        _run(arguments, said)
    status = _wait(child)
    text = said.read_bytes()
    written = [path for path in out.rglob("*") if path.is_file() and not path.is_symlink()]
    faults = {
        "hung": status is None,
        "crashed": status not in (0, 1, None),
        "traceback": b"Traceback" in text,
        "showed a secret": CANARY in text or any(map(_shows, written)),
        "wrote elsewhere": _listed(guarded) != before,
    }
    if wrong := [fault for fault, there in faults.items() if there]:
        print(f"{' '.join(arguments)}: {', '.join(wrong)}\n{text.decode(errors='replace')[-_SHOWN:]}", file=sys.stderr)
    return not wrong


def _shows(file: Path) -> bool:
    with file.open("rb") as stream:
        return CANARY in stream.read(_READ)


def _run(arguments: Sequence[str], said: Path) -> None:
    """In the forked process: never comes back."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = ["avgzsl", *arguments]
    code = 70
    try:
        from avgzsl.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int) -> int | None:
    """Its exit code, or the negative number of the signal that ended it; None if it had to be ended."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _listed(folders: Sequence[Path]) -> list[tuple[str, int, int]]:
    paths = sorted(path for folder in folders for path in (folder, *folder.rglob("*")))
    return [(str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths if not path.is_dir()]


def every_outcome(work: Path) -> Iterator[Outcome]:
    """Those of all modules of attacks, each in a folder and a process of its own: what one leaves harms no other."""
    for module in sorted(Path(__file__).parent.glob("attack_*.py")):
        (work / module.stem).mkdir()
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            yield from process.submit(outcomes_of, module.stem, work / module.stem).result()


def outcomes_of(module: str, work: Path) -> list[Outcome]:
    """What the attacks of one module came to."""
    return list(importlib.import_module(f"benchmarks.{module}").attacks(work))


def main() -> None:
    """Print the table, and put it into --document. The exit code is 1 if an attack did harm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # tries are forks, which have none of the threads that torch would wait for
    lines, missed = ["| attack | tries | did no harm |", "|---|---:|---:|"], 0
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        for outcome in every_outcome(Path(folder)):
            lines.append(f"| {outcome.kind} | {outcome.tries} | {outcome.held} |")
            print(lines[-1], flush=True)
            missed += outcome.tries - outcome.held
    if options.document is not None:
        put(options.document, "attack", "\n".join(lines))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
