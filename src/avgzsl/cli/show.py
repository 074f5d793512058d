"""What commands print: tables, progress, the files they wrote. Progress goes to stderr, results to stdout."""

import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avgzsl.reports.terminal_table import as_typed
from avgzsl.support.showing import printable as printable  # commands take it from here

if TYPE_CHECKING:
    from avgzsl.experiments.baselines import Baselines
    from avgzsl.experiments.cells import Comparison
    from avgzsl.experiments.train_evaluate import Evaluation
    from avgzsl.reports.progress_bar import ProgressBar
    from avgzsl.reports.sheet import Sheet
    from avgzsl.reports.terminal_table import Column
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
    from avgzsl.methods import marked_label
    from avgzsl.reports.pretraining import met_before
    from avgzsl.reports.relabelled_tables import relabelled_sheets
    from avgzsl.reports.tables import sheets as sheets_of

    method = marked_label(method, evaluation.provenance["settings"])
    rows = [*evaluation.results, *(beside.results if beside else [])]
    again, generated = evaluation.relabelled, evaluation.dataset.generated
    sheets([*sheets_of(rows, method, generated), *(relabelled_sheets(again, method, generated) if again else [])])
    met = met_before(evaluation.dataset.encoders)
    more = [*(again.notes if again else []), *(beside.notes if beside else [])]
    notes([*evaluation.provenance["notes"], *met, *more])


def sheets(made: "Iterable[Sheet]") -> None:
    """Print tables, drawn as wide as the terminal is."""
    from avgzsl.reports.sheet import drawn
    from avgzsl.reports.terminal_table import terminal_width

    for sheet in made:
        for part in drawn(sheet, terminal_width()):
            print(plain(part))


def table(columns: "Sequence[Column]", breaks: Collection[int] = (), rule: str = "") -> None:
    """Print a table, drawn as wide as the terminal is."""
    from avgzsl.reports.terminal_table import table as drawn
    from avgzsl.reports.terminal_table import terminal_width

    print(plain(drawn(columns, terminal_width(), breaks, rule)), end="")


def plain(text: str) -> str:
    """Text with rules that the terminal knows: one that writes ASCII alone has dashes."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    return text if "utf" in encoding else text.replace("─", "-").replace("–", "-")


def json(result: "Shown") -> None:
    """Print a result as JSON."""
    from json import dumps

    print(dumps(result.json(), indent=2, allow_nan=False))


def notes(told: Iterable[str], aside: bool = False) -> None:
    """Print what the reader should know of the data, or of the answer; `aside`, on stderr."""
    for one in told:
        said(f"note: {printable(one)}", aside)


def note(text: str) -> None:
    """Print what the reader should know, beside the bars."""
    notes([text], aside=True)


def said(text: str, aside: bool = False) -> None:
    """Print a sentence: on a terminal broken between words, for a file or another program on one line."""
    from avgzsl.reports.terminal_table import terminal_width, wrapped

    stream = sys.stderr if aside else sys.stdout
    lines = wrapped(text, terminal_width(), "  ") if stream.isatty() else [text]
    print("\n".join(lines), file=stream)


def files(paths: Iterable[Path]) -> None:
    """Name the files that were written, a line each."""
    print("wrote:")
    for path in paths:
        print(f"  {printable(as_typed(path))}")
