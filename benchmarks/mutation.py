"""Does a test fail when the code is wrong? Small faults are put into the learning and scoring modules, one at a time.

    python -m benchmarks.mutation --seed 0 --mutants 200 --document docs/benchmarks.md

Draws mutants (`benchmarks/mutants.py`) of the modules by a seed, and runs the tests of each one's module on a copy of
the tree that has nothing beside it, in a process forked from one that has the libraries loaded. A mutant is killed when
a test fails, crashes, or computes for too long. `benchmarks/equivalent_mutants.txt` lists those that no test can kill,
each with the reason. What was found is kept in --work, and holds until the mutated file or the test that killed it is
changed (for one that lived: any test of its module): an interrupted run goes on, a second one is quick.
"""

import argparse
import ast
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.mutants import Mutant, mutants

ROOT = Path(__file__).parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
WANTED = 0.95
PATIENCE = 600  # seconds after which a run of tests counts as one that hangs; computing has its own limit
# the tests of each module, the quickest to kill first
TESTS = {
    "learning/losses": ["losses", "avgzslnet"],
    "learning/sampling": ["sampling"],
    "scores/scoring": ["scoring", "evaluation"],
    "scores/energy": ["choosing"],
    "scores/choosing": ["choosing", "numbers"],
    "experiments/protocol": ["protocol"],
    "experiments/gallery": ["protocol", "numbers", "calibration", "tuning"],
    "experiments/numbers": ["numbers", "protocol"],
    "experiments/pseudo_unseen": ["protocol", "tuning"],
    "experiments/calibration": ["calibration"],
    "learning/attention": ["attention", "avgzslnet", "cjme"],
    "learning/training": ["training", "step_graph"],
    "learning/written_step": ["written_step"],
    "learning/optimisers": ["optimisers"],
    "learning/step_graph": ["step_graph"],
    "archive/fused": ["index_fused"],
}
HELPERS = ("__init__", "conftest", "worlds", "index_world")


class Case(NamedTuple):
    """A mutant of a module, and the whole changed file."""

    module: str
    mutant: Mutant
    source: str

    def __str__(self) -> str:
        one = self.mutant
        old, new = (re.sub(r"\s+", " ", part) for part in (one.old, one.new))
        return f"src/avgzsl/{self.module}.py:{one.line}: {one.kind}: {old} -> {new}"


class Outcome(NamedTuple):
    """Whether a test failed, which one, and after how many seconds."""

    killed: bool
    by: str
    seconds: float


def draw(seed: int, count: int, modules: list[str]) -> list[Case]:
    """`count` of all mutants of the modules, all alike probable, in the order of the files."""
    every = []
    for module in modules:
        source = (ROOT / "src" / "avgzsl" / f"{module}.py").read_text()
        every += [Case(module, one, one.apply(source)) for one in mutants(source)]
    chosen = random.Random(seed).sample(range(len(every)), min(count, len(every)))
    return [every[place] for place in sorted(chosen)]


def copied(work: Path) -> Path:
    """A copy of sources and tests with no `shared` beside it; the files' times are set by `run`."""
    tree = work / "tree" / "project"
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("src", "tests", "benchmarks", "docs"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "CONTRIBUTING.md"):
        shutil.copyfile(ROOT / name, tree / name)
    return tree


def warm() -> None:
    """Load what every test loads, but nothing of avgzsl; torch has started no thread yet, so that forking is safe."""
    import beartype  # noqa: F401
    import h5py  # noqa: F401
    import hypothesis  # noqa: F401
    import jaxtyping  # noqa: F401
    import pydantic.dataclasses  # noqa: F401
    import pytest  # noqa: F401
    import safetensors.torch  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch
    import yaml  # noqa: F401

    for plugin in entry_points(group="pytest11"):
        plugin.load()
    torch.set_num_threads(1)


class Quickest:
    """Within a file, tests come in the order of the seconds that they took in the first run, which `times` keeps."""

    def __init__(self, times: Path) -> None:
        self.times = times
        self.known: dict[str, float] = json.loads(times.read_text()) if times.exists() else {}
        self.taken: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        files = list(dict.fromkeys(item.path for item in items))
        items.sort(key=lambda item: (files.index(item.path), self.known.get(item.nodeid, 0.0)))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call":
            self.taken[report.nodeid] = report.duration

    def pytest_sessionfinish(self) -> None:
        if not self.known:
            self.times.write_text(json.dumps(self.taken))


def run(tree: Path, tests: list[str], log: Path, limit: float) -> Outcome:
    """Run the tests in the tree in a forked process; whether one failed, within `limit` seconds of computing."""
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(tree, tests, log, limit)
    done = status = 0
    try:
        while not done and time.monotonic() - begun < PATIENCE:
            done, status, used = os.wait4(child, os.WNOHANG)
            time.sleep(0.02)
    finally:
        if not done:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if not done:
        return Outcome(True, "the time limit", PATIENCE)
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", log.read_text(errors="replace"), re.M)
    by = failed[1] if failed else f"exit status {os.waitstatus_to_exitcode(status)}" if status else ""
    return Outcome(status != 0, by, used.ru_utime + used.ru_stime)


def _child(tree: Path, tests: list[str], log: Path, limit: float) -> None:
    code = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
        os.chdir(tree)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ |= {"PYTHONPATH": str(tree / "src"), "CI": "1", "OMP_NUM_THREADS": "1"}  # CI: hypothesis draws alike
        sys.path[:0] = [str(tree / "src"), str(tree)]
        sys.modules.pop("benchmarks", None)
        import pytest

        files = [f"tests/test_{name}.py" for name in tests]
        # tests of the engines say nothing of fused.py that others do not; pytest would warn of plugins loaded before
        options = ["-k", "not engine", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = int(pytest.main(["-x", "-q", "--tb=no", *options, *files], plugins=[Quickest(log.with_suffix(".json"))]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Kept:
    """What was found before, on disk: one line a mutant; `tests` is the folder of the tests that run."""

    def __init__(self, path: Path, tests: Path) -> None:
        self.path, self.tests = path, tests
        lines = path.read_text().splitlines() if path.exists() else []
        self.found = {record["key"]: record for record in map(json.loads, lines)}

    def get(self, case: Case) -> Outcome | None:
        """The outcome, if nothing that it hangs on was changed."""
        record = self.found.get(sha256(str((case.module, case.source)).encode()).hexdigest())
        if record is None or record["tests"] != self._hash(case, record["by"] if record["killed"] else ""):
            return None
        return Outcome(record["killed"], record["by"], record["seconds"])

    def put(self, case: Case, found: Outcome) -> None:
        """Remember it."""
        key = sha256(str((case.module, case.source)).encode()).hexdigest()
        tests = self._hash(case, found.by if found.killed else "")
        with self.path.open("a") as stream:
            self.found[key] = {"key": key, "tests": tests, "what": str(case), **found._asdict()}
            stream.write(json.dumps(self.found[key]) + "\n")

    def _hash(self, case: Case, by: str) -> str:
        """Of the test that killed it, or of all tests of its module, and of what they are made with."""
        killer = re.match(r"tests/(\w+)\.py::(\w+)", by)
        files = {name: (self.tests / f"{name}.py").read_text() for name in HELPERS}
        if killer:
            whole = (self.tests / f"{killer[1]}.py").read_text()
            found = [one for one in ast.parse(whole).body if getattr(one, "name", "") == killer[2]]
            files[by] = ast.unparse(found[0]) if found else "gone"
        else:
            files |= {name: (self.tests / f"test_{name}.py").read_text() for name in TESTS[case.module]}
        return sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def equivalent() -> dict[str, str]:
    """What cannot be told from the code as it is, by `name_of`, and why."""
    blocks = re.split(r"\n\s*\n", EQUIVALENT.read_text())
    pairs = [block.split("\n", 1) for block in blocks if block.strip() and not block.startswith("#")]
    return {what.strip(): " ".join(reason.split()) for what, reason in pairs}


def name_of(case: Case) -> str:
    """Module, kind and changed line: what does not hang on the number of the line."""
    line = case.source.splitlines()[case.mutant.line - 1].strip()
    return f"{case.module}: {case.mutant.kind}: {line}"


def outcomes(cases: list[Case], work: Path) -> Iterator[tuple[Case, Outcome]]:
    """Each case with what became of it, from before or from now; the copy is as it was after each."""
    tree = copied(work)
    kept = Kept(work / "mutation.jsonl", tree / "tests")
    for number, case in enumerate(cases):
        found = kept.get(case)
        if found is None:
            log = work / f"{case.module.replace('/', '-')}.txt"
            path = tree / "src" / "avgzsl" / f"{case.module}.py"
            source = path.read_text()
            whole = Case(case.module, Mutant(0, 0, "", 1, "", "none"), source)
            usual = kept.get(whole)
            if usual is None:
                log.with_suffix(".json").unlink(missing_ok=True)
                usual = run(tree, TESTS[case.module], log, PATIENCE)
                if usual.killed:
                    sys.exit(f"{case.module}: its tests fail without any fault ({usual.by}); see {log}")
                kept.put(whole, usual)
            try:
                path.write_text(case.source)
                # compiled files are known by whole seconds and size, which two mutants may share
                os.utime(path, (time.time() + 10 * number, time.time() + 10 * number))
                found = run(tree, TESTS[case.module], log, 10 + 4 * usual.seconds)
            finally:
                path.write_text(source)
                os.utime(path, (1, 1))
            kept.put(case, found)
        yield case, found


def report(cases: list[tuple[Case, Outcome]], seed: int) -> tuple[list[str], float]:
    """The table, and the part of the mutants killed of those that can be."""
    known = equivalent()
    lines = ["| module | mutants | killed | lived | equivalent |", "|---|---:|---:|---:|---:|"]
    total: Counter[str] = Counter()
    for module in TESTS:
        count: Counter[str] = Counter()
        for case, found in cases:
            if case.module == module:
                kind = "killed" if found.killed else "equivalent" if name_of(case) in known else "lived"
                count.update([kind, "all"])
        total += count
        lines.append(f"| {module} | {count['all']} | {count['killed']} | {count['lived']} | {count['equivalent']} |")
    part = total["killed"] / max(total["all"] - total["equivalent"], 1)
    lines.append(f"| all | {total['all']} | {total['killed']} | {total['lived']} | {total['equivalent']} |")
    head = f"Seed {seed}: {100 * part:.1f} % killed of those that are not equivalent (wanted: {100 * WANTED:.0f} %)."
    return [head, "", *lines], part


def main() -> None:
    """Print each mutant that lived, put the table into --document; exit code 1 where too many live."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--modules", nargs="+", default=list(TESTS), choices=list(TESTS))
    parser.add_argument("--work", type=Path, default=ROOT / "out" / "mutation")
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` leaves it ignored
    warm()
    known, tables, parts = equivalent(), [], []
    for seed in options.seed:
        begun, done = time.monotonic(), []
        drawn = draw(seed, options.mutants, options.modules)
        for case, found in outcomes(drawn, work):
            done.append((case, found))
            state = f"killed by {found.by}" if found.killed else known.get(name_of(case), "LIVED")
            left = (time.monotonic() - begun) / len(done) * (len(drawn) - len(done))
            print(f"[{len(done)}/{len(drawn)}, {left:.0f} s left] {case} | {state} ({found.seconds:.1f} s)", flush=True)
        lived = [case for case, found in done if not found.killed and name_of(case) not in known]
        print("\nlived:", *(f"  {case}\n    {name_of(case)}" for case in lived), sep="\n")
        table, part = report(done, seed)
        print("\n".join(table))
        tables += [*table, ""]
        parts.append(part)
    if options.document:
        from benchmarks.tables import put  # imports avgzsl, which a forked process has to load anew

        put(options.document, "mutation", "\n".join(tables).rstrip())
    sys.exit(min(parts) < WANTED)


if __name__ == "__main__":
    main()
