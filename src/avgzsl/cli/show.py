"""What commands print: tables, progress, the files they wrote. Progress goes to stderr, results to stdout."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avgzsl.experiments.benchmark import Result, Told
    from avgzsl.experiments.train_evaluate import Evaluation
    from avgzsl.features.extract import Progress as Extraction
    from avgzsl.features.extract import Told as Extracted
    from avgzsl.learning.training import Progress
    from avgzsl.reports.progress_bar import ProgressBar


def progress() -> "ProgressBar":
    """The bars of a command: `with show.progress() as progress`."""
    from avgzsl.reports.progress_bar import ProgressBar

    return ProgressBar()


@contextmanager
def training_progress() -> Iterator["Progress"]:
    """A bar a stage with the loss, the validation HM and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}"))
    with _bars(*columns) as bar:
        tasks: dict[str, Any] = {}
        hm = ""

        def note(stage: str, done: int, total: int, record: dict[str, Any], left: float) -> None:
            nonlocal hm
            bar.start()
            if stage not in tasks:
                tasks[stage] = bar.add_task(f"train {stage}", total=total, state="")
            if "val_HM" in record:
                hm = f"  validation HM {100 * record['val_HM']:.1f} %"
            state = f"loss {record['loss']:.4f}{hm}  {_clock(left)} left"
            bar.update(tasks[stage], completed=done, state=state)

        yield note


@contextmanager
def counting_progress(what: str) -> Iterator[Any]:
    """A bar for calls that tell (done, total)."""
    with _bars() as bar:
        task = bar.add_task(what, total=None)

        def note(done: int, total: int) -> None:
            bar.start()
            bar.update(task, completed=done, total=total)

        yield note


@contextmanager
def extraction_progress() -> Iterator["Extracted"]:
    """A bar of clips with how many a second, the time left, and how many failed."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}"))
    with _bars(*columns) as bar:
        task = bar.add_task("extract", total=None, state="")

        def note(progress: "Extraction") -> None:
            bar.start()
            state = f"{progress.failed} failed" if progress.failed else ""
            if progress.rate is not None and progress.left is not None:
                state = f"{progress.rate:.1f} clips/s  {_clock(progress.left)} left  {state}"
            bar.update(task, completed=progress.done, total=progress.total, state=state)

        yield note


@contextmanager
def cells_progress() -> Iterator["Told"]:
    """A bar over the cells of a grid, and a live table of mean HM (mode both, or what there is) a method."""
    from statistics import fmean

    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import Progress, TimeRemainingColumn
    from rich.table import Table

    bar = Progress(*Progress.get_default_columns()[:3], TimeRemainingColumn())
    task = bar.add_task("cells", total=None)
    found: dict[str, list[float]] = {}
    failed: dict[str, int] = {}

    def table() -> Table:
        shown = Table("method", "cells", "failed", "mean HM (%)")
        for label in {**found, **failed}:
            values = found.get(label, [])
            mean = f"{100 * fmean(values):.1f}" if values else "–"
            shown.add_row(label, str(len(values)), str(failed.get(label, 0)), mean)
        return shown

    live = Live(console=Console(stderr=True), refresh_per_second=4)

    def note(done: int, total: int, result: "Result") -> None:
        if not live.is_started:
            live.start()
        rows = [row for row in result.rows if row["task"] == "classification" and row["HM"] is not None]
        if result.error is not None:
            failed[result.label] = failed.get(result.label, 0) + 1
        elif rows:
            equal = [row for row in rows if row["fusion"] != "attention"]
            found.setdefault(result.label, []).append(equal[-1]["HM"])
        bar.update(task, completed=done, total=total)
        live.update(Group(table(), bar))

    try:
        yield note
    finally:
        _stop(live)


def failures(results: "Sequence[Result]", aside: int) -> int:
    """Say which cells failed and how many were left aside; gives the exit code."""
    if aside:
        print(f"{aside} cells of other code, data or settings were left aside; what was asked for was made anew")
    failed = [result for result in results if result.error is not None]
    for result in failed:
        print(f"failed: {result.label}, {result.cell.class_split}, seed {result.cell.seed}: {result.error}")
    return 1 if failed else 0


@contextmanager
def _bars(*columns: Any) -> Iterator[Any]:
    """Progress on stderr; it shows nothing until it is started, so that an early error stands alone."""
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(*columns, console=Console(stderr=True))
    try:
        yield bar
    finally:
        _stop(bar.live)


def _stop(live: Any) -> None:
    """Whatever comes next begins on a line of its own, also where stderr is no terminal."""
    if live.is_started:
        live.stop()
        if not live.console.is_terminal:
            live.console.line()


def tables(evaluation: "Evaluation", method: str) -> None:
    """Print the paper's two tables for one run, and what the reader should know of the data."""
    from rich.console import Console

    from avgzsl.reports.tables import render

    console = Console()
    for table in render(evaluation.results, method):
        console.print(table)
    notes(evaluation.provenance["notes"])


def notes(said: Iterable[str]) -> None:
    """Print what the reader should know of the data."""
    for note in said:
        print(f"note: {note}")


def files(paths: list[Path]) -> None:
    """Name the files that were written."""
    print("wrote:")
    for path in paths:
        print(f"  {path}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def printable(text: str) -> str:
    """Text that others made, as it is, but for what moves the cursor or is not seen."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
