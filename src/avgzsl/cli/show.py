"""What commands print: tables, progress, the files they wrote. Progress goes to stderr, results to stdout."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avgzsl.experiments.baselines import Baselines
    from avgzsl.experiments.cells import Comparison
    from avgzsl.experiments.train_evaluate import Evaluation
    from avgzsl.reports.progress_bar import ProgressBar
    from avgzsl.reports.sheet import Sheet
    from avgzsl.support.showing import Shown


def progress() -> "ProgressBar":
    """The bars of a command: `with show.progress() as progress`."""
    from avgzsl.reports.progress_bar import ProgressBar

    return ProgressBar()


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


def tables(evaluation: "Evaluation", method: str, beside: "Baselines | None" = None) -> None:
    """Print the paper's two tables for one run, baselines beside it, and what the reader should know of the data."""
    from rich.console import Console

    from avgzsl.reports.pretraining import met_before
    from avgzsl.reports.tables import render

    console = Console()
    rows = [*evaluation.results, *(beside.results if beside else [])]
    for table in render(rows, method, evaluation.dataset.generated):
        console.print(table)
    met = met_before(evaluation.dataset.encoders)
    notes([*evaluation.provenance["notes"], *met, *(beside.notes if beside else [])])


def sheets(made: "Iterable[Sheet]") -> None:
    """Print tables: drawn on a terminal, as Markdown for anything else."""
    from avgzsl.reports.sheet import as_markdown, drawn

    if not sys.stdout.isatty():
        print("\n".join(map(as_markdown, made)))
        return
    from rich.console import Console

    console = Console()
    for sheet in made:
        console.print(*drawn(sheet, console.width), sep="\n")


def json(result: "Shown") -> None:
    """Print a result as JSON."""
    from json import dumps

    print(dumps(result.json(), indent=2, allow_nan=False))


def notes(said: Iterable[str], aside: bool = False) -> None:
    """Print what the reader should know of the data, or of the answer; `aside`, on stderr."""
    for note in said:
        print(f"note: {printable(note)}", file=sys.stderr if aside else sys.stdout)


def note(said: str) -> None:
    """Print what the reader should know, beside the bars."""
    notes([said], aside=True)


def files(paths: Iterable[Path]) -> None:
    """Name the files that were written."""
    print("wrote:")
    for path in paths:
        print(f"  {path}")


def printable(text: str) -> str:
    """Text that others made, as it is, but for what moves the cursor or is not seen."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
