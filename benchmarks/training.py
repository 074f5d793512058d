"""Training on the CPU: steps of AVGZSLNet against the official loop, a matrix product, an older version, the command.

    python -m benchmarks.training --document docs/benchmarks.md [--real DATA] [--old CHECKOUT] [--small]

Random numbers with the counts and dimensions of AudioSetZSL, batch 4,096. A step is the time of an epoch, as `avgzsl
train` runs it, over its steps. Between epochs, in the same process, a large product of the same type and steps of the
official loop (`benchmarks.official_loop`) are timed. Operations are those of the products that one epoch of this
package really computes, counted as they run. Ratios are medians of the ratios of a round. `--old` is a checkout of
another version with its environment: its steps are timed in processes that alternate with ours.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.learning.training import Job
from avgzsl.methods import build
from benchmarks.official_loop import OfficialLoop
from benchmarks.spine import Row, seconds
from benchmarks.step_time import audioset_size, step_seconds
from benchmarks.tables import put
from benchmarks.whole_train import ratio

BATCH = 4096
TYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
WANTED = {"float32": "≥ 10 ×, aim 11", "bf16": "≥ 18 ×, aim 21"}
HERE = Path(__file__).parent
Shape = Sequence[int]


class Size(NamedTuple):
    """How much is measured: clips as a share of AudioSetZSL's, rounds, and the side of the square product."""

    scale: float
    rounds: int
    square: int


FULL, SMALL = Size(1.0, 5, 4096), Size(0.06, 1, 256)


@dataclass
class Round:
    """Seconds in each round: of a step, of a product, of the official loop's two halves."""

    step: list[float] = field(default_factory=list)
    product: list[float] = field(default_factory=list)
    fetch: list[float] = field(default_factory=list)
    learn: list[float] = field(default_factory=list)

    def over_step(self, others: Iterable[float]) -> float:
        """The median ratio of others to the step of their round."""
        return statistics.median(other / step for other, step in zip(others, self.step, strict=True))


def has_amx() -> bool:
    """Whether this processor multiplies bfloat16 in tiles."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "amx_bf16" in flags.read_text()


def products_counted() -> FlopCounterMode:
    """Counts the operations of products as they run, those that are added in place, too."""
    aten = torch.ops.aten

    def added_in_place(into: Shape, left: Shape, right: Shape, *more: object, **rest: object) -> int:
        return 2 * left[0] * left[1] * right[1]

    return FlopCounterMode(display=False, custom_mapping={aten.addmm_: added_in_place})


def operations_of_a_step(train: ClipSet, classes: ClassTable, precision: str) -> float:
    """Floating-point operations of the products of a step, forward and backward: the mean of an epoch."""
    method = build("avgzslnet", settings={"attention": "none", "precision": precision, "epochs": 1})
    with products_counted() as counter:
        method.fit(train, classes, Job())
    return counter.get_total_flops() / -(-len(train) // BATCH)


def measured(train: ClipSet, classes: ClassTable, precision: str, size: Size) -> Round:
    """Epochs of ours, and between them a product and two steps of the official loop."""
    found, loop = Round(), OfficialLoop(train, classes, BATCH)
    loop.learn(loop.fetch())
    square = torch.randn(size.square, size.square).to(TYPES[precision])
    torch.mm(square, square)

    def between() -> None:
        found.product.append(min(seconds(lambda: square @ square) for _ in range(2)))
        batches = []
        found.fetch.append(seconds(lambda: batches.extend(loop.fetch() for _ in range(2))) / 2)
        found.learn.append(seconds(lambda: [loop.learn(batch) for batch in batches]) / 2)

    settings = {"precision": precision, "epochs": size.rounds + 1}
    found.step = step_seconds(train, classes, settings, between=between)
    for other in (found.product, found.fetch, found.learn):
        del other[-1]  # what came after the last epoch has no step of its round
    return found


def with_workers(train: ClipSet, classes: ClassTable, workers: int, steps: int) -> float:
    """Seconds of a step of the official loop with workers, once what they fetched in advance is used up."""
    loop = OfficialLoop(train, classes, BATCH, workers, steps=2 * steps + 2 * workers)
    for _ in range(2 * workers):
        loop.learn(loop.fetch())
    return statistics.median(seconds(lambda: loop.learn(loop.fetch())) for _ in range(steps))


def rows_of(train: ClipSet, classes: ClassTable, precision: str, size: Size) -> tuple[list[Row], Round]:
    """A precision's rows."""
    own, found = operations_of_a_step(train, classes, precision), measured(train, classes, precision, size)
    official = [fetch + learn for fetch, learn in zip(found.fetch, found.learn, strict=True)]
    beside = with_workers(train, classes, 2, steps=2 + 2 * size.rounds) / statistics.median(found.step)
    rate = 2 * size.square**3 / statistics.median(found.product)
    share = own / (2 * size.square**3) * found.over_step(found.product)
    wanted = WANTED[precision] if precision == "float32" or has_amx() else "(no AMX on this processor)"
    times = [1000 * statistics.median(values) for values in (found.step, official, found.fetch, found.learn)]
    rows: list[Row] = [
        (f"{precision}: a step ({own / 1e9:.1f} GFLOP, {BATCH / statistics.median(found.step):,.0f} tuples/s), ms",
         f"{times[0]:.0f}", ""),
        (f"{precision}: own operations over the rate of a {precision} product ({rate / 1e9:,.0f} GFLOP/s)",
         f"{share:.2f}", "≥ 0.6" if precision == "float32" else ""),
        (f"{precision}: the official loop without workers ({times[1]:.0f} ms: fetching {times[2]:.0f}, "
         f"computing {times[3]:.0f}) over our step", f"{found.over_step(official):.1f} ×", wanted),
        (f"{precision}: the official loop with two workers over our step", f"{beside:.1f} ×", ""),
    ]  # fmt: skip
    return rows, found


def alternating(old: Path, arguments: list[str], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of a step of the old checkout and of this one, by processes in turn; the least of each process."""

    def once(root: Path, python: Path | str) -> float:
        command = [str(python), str(HERE / "step_time.py"), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(root / "src")}
        done = subprocess.run(command, env=environment, cwd=root, check=True, capture_output=True, text=True)
        return min(json.loads(done.stdout.splitlines()[-1]))

    pairs = [(once(old, old / ".venv/bin/python"), once(HERE.parent, sys.executable)) for _ in range(rounds)]
    return [before for before, _ in pairs], [now for _, now in pairs]


def old_rows(old: Path, real: Path | None, loop: Round, size: Size) -> list[Row]:
    """Against another version: our steps, and the official loop's halves, which say whether it is a fair rendering."""
    named = subprocess.run(["git", "rev-parse", "--short=7", "HEAD"], cwd=old, capture_output=True, text=True)
    name = named.stdout.strip() or old.name
    before, _ = alternating(old, ["--scale", str(size.scale), "--epochs", "3"], rounds=2)
    fetch, learn = (statistics.median(values) / min(before) for values in (loop.fetch, loop.learn))
    rows: list[Row] = [
        (f"the official loop over the float32 step of {name} ({1000 * min(before):.0f} ms): fetching", f"{fetch:.1f} ×",
         "about 6.5 ×"),
        (f"the official loop over the float32 step of {name}: computing", f"{learn:.1f} ×", "about 1.5 ×"),
    ]  # fmt: skip
    if real is not None:
        before, now = alternating(old, ["--data", str(real), "--preset", "realset", "--epochs", "30"], size.rounds)
        shares = statistics.median(mine / theirs for mine, theirs in zip(now, before, strict=True))
        text = f"preset realset (batch 128): a step ({1000 * min(now):.1f} ms) over that of {name}, measured against it"
        rows.append((text, f"{shares:.2f}", "≤ 0.75"))
    return rows


def real_rows(real: Path, rounds: int) -> list[Row]:
    """The command on real features."""
    found, (command, epochs) = ratio(real, rounds)
    name = f"`avgzsl train` on the real set, preset realset ({command:.1f} s), over its epochs ({epochs:.1f} s)"
    return [(name, f"{found:.2f} ×", "≤ 1.6 ×")]


def table(rows: list[Row], head: Callable[[], str]) -> str:
    """In Markdown."""
    lines = ["| what | measured | wanted |", "|---|---:|---:|", *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join([head(), "", *lines])


def main() -> None:
    """Put the tables into --document: what is measured each time, and what is measured against an old version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=Path, help="put the tables between their marks there")
    parser.add_argument("--real", type=Path, help="the folder of the real set")
    parser.add_argument("--old", type=Path, help="a checkout of another version, with its environment in .venv")
    parser.add_argument("--small", action="store_true", help="few clips and rounds: does it run?")
    given = parser.parse_args()
    size = SMALL if given.small else FULL
    real = given.real if given.real is not None and given.real.is_dir() else None
    train, classes = audioset_size(size.scale)
    rows, rounds = [], {}
    for precision in TYPES:
        more, rounds[precision] = rows_of(train, classes, precision, size)
        rows += more
    if real is not None:
        rows += real_rows(real, size.rounds)

    def head() -> str:
        return f"{torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}."

    blocks = {"training": table(rows, head)}
    if given.old is not None:
        old = given.old.resolve()
        blocks["training-old"] = table(old_rows(old, real, rounds["float32"], size), head)
    for mark, text in blocks.items():
        print(text, end="\n\n")
        if given.document is not None:
            put(given.document, mark, text)


if __name__ == "__main__":
    main()
