"""A table of the paper beside what was measured: as Markdown, CSV and LaTeX. Published is never shown as measured."""

import csv
import io
import math
from collections.abc import Sequence
from typing import NamedTuple

from avgzsl.experiments.cells import Result
from avgzsl.reports.published import Line, PaperTable
from avgzsl.scores.metrics import spread
from avgzsl.support.spreadsheet import escaped

FIGURES = ("S", "U", "HM")
COLUMNS = ("model", "modality", *FIGURES, *(f"{f}_sd" for f in FIGURES), *(f"published_{f}" for f in FIGURES))
_TEST = {"audio": "audio", "video": "video", "both": "both"}
_QUERY = {"audio": "T→A", "video": "T→V", "both": "T→AV"}


class Measured(NamedTuple):
    """A line with mean and spread of S, U, HM in %; None where nothing was measured, a spread NaN if it has none."""

    line: Line
    figures: tuple[tuple[float, float], ...] | None
    runs: int


def measured_lines(table: PaperTable, results: Sequence[Result]) -> list[Measured]:
    """Mean over class splits of means over seeds, and the standard deviation over class splits of these means.

    With a single class split the spread is the standard deviation over its seeds.
    """
    return [_measure(table, line, results) for line in table.lines]


def _measure(table: PaperTable, line: Line, results: Sequence[Result]) -> Measured:
    values: dict[str, dict[str, list[float]]] = {figure: {} for figure in FIGURES}
    for result in results:
        if result.label != line.entry:
            continue
        for row in result.rows:
            if (row["task"], row["modality"], row["fusion"] or "equal") == (table.task, line.modality, line.fusion):
                for figure in FIGURES:
                    value = row[figure]
                    values[figure].setdefault(result.cell.class_split, []).append(
                        math.nan if value is None else 100 * value
                    )
    runs = sum(map(len, values["S"].values()))
    if not runs:
        return Measured(line, None, 0)
    return Measured(line, tuple(spread_of(values[figure]) for figure in FIGURES), runs)


def spread_of(values: dict[str, list[float]]) -> tuple[float, float]:
    """Mean and spread, over class splits if there are several, else over seeds."""
    if len(values) == 1:
        (seeds,) = values.values()
        return spread({str(i): [value] for i, value in enumerate(seeds)})
    return spread(values)


def as_csv(table: PaperTable, lines: Sequence[Measured]) -> str:
    """One row a line, figures in %; empty where not measured."""
    rows = []
    for one in lines:
        means = ["", "", ""] if one.figures is None else [_plain(mean) for mean, _ in one.figures]
        spreads = ["", "", ""] if one.figures is None else [_plain(sd) for _, sd in one.figures]
        names = [escaped(one.line.model), escaped(_mode(table, one.line))]
        rows.append([*names, *means, *spreads, *map(_plain, one.line.published)])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, *rows])
    return out.getvalue()


def as_markdown(table: PaperTable, lines: Sequence[Measured]) -> str:
    """Measured mean ± spread, then the published figures under their own heading."""
    head = ["model", "test", *FIGURES, *(f"{figure} published" for figure in FIGURES)]
    rows = [
        [one.line.model, _mode(table, one.line), *_cells(one, "±"), *map(_plain, one.line.published)] for one in lines
    ]
    text = ["| " + " | ".join(cells) + " |" for cells in [head, ["---", "---", *["---:"] * 6], *rows]]
    return f"**{table.title}**\n\n" + "\n".join(text) + "\n"


def as_latex(table: PaperTable, lines: Sequence[Measured]) -> str:
    """A booktabs table."""
    body = []
    for one in lines:
        cells = [one.line.model, _mode(table, one.line), *_cells(one, r"$\pm$"), *map(_plain, one.line.published)]
        body.append(" & ".join(cell.replace("→", r"$\to$").replace("_", r"\_") for cell in cells) + r" \\")
    return "\n".join(
        [
            r"\begin{tabular}{llrrrrrr}",
            r"\toprule",
            r" & & \multicolumn{3}{c}{measured} & \multicolumn{3}{c}{published} \\",
            r"model & test & S & U & HM & S & U & HM \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _mode(table: PaperTable, line: Line) -> str:
    return (_QUERY if table.task == "retrieval" else _TEST)[line.modality]


def _cells(one: Measured, sign: str) -> list[str]:
    if one.figures is None:
        return ["–"] * len(FIGURES)
    return [_plain(mean) + ("" if math.isnan(sd) else f" {sign} {sd:.2f}") for mean, sd in one.figures]


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
