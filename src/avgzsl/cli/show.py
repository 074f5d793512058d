"""What commands print: tables, progress, the files they wrote. Progress goes to stderr, results to stdout."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avgzsl.experiments.cells import Comparison
    from avgzsl.experiments.train_evaluate import Evaluation
    from avgzsl.features.extract import Progress as Extraction
    from avgzsl.features.extract import Told as Extracted
    from avgzsl.reports.progress_bar import ProgressBar
    from avgzsl.support.showing import Shown


def progress() -> "ProgressBar":
    """The bars of a command: `with show.progress() as progress`."""
    from avgzsl.reports.progress_bar import ProgressBar

    return ProgressBar()


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


def failures(comparison: "Comparison") -> int:
    """Say which cells failed and how many were left aside; gives the exit code."""
    if comparison.left_aside:
        print(
            f"{comparison.left_aside} cells of other code, data or settings were left aside; what was asked for was "
            "made anew"
        )
    for result in comparison.failed:
        print(f"failed: {result.label}, {result.cell.class_split}, seed {result.cell.seed}: {result.error}")
    return 1 if comparison.failed else 0


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


def json(result: "Shown") -> None:
    """Print a result as JSON."""
    from json import dumps

    print(dumps(result.json(), indent=2, allow_nan=False))


def notes(said: Iterable[str]) -> None:
    """Print what the reader should know of the data."""
    for note in said:
        print(f"note: {note}")


def files(paths: Iterable[Path]) -> None:
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
