"""A table of the paper beside what was measured, as a sheet and as CSV. Published is never shown as measured."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from avgzsl.experiments.cells import Result
from avgzsl.reports.published import UNPUBLISHED, PaperTable, TableLine
from avgzsl.reports.sheet import MISSING, Sheet, explained, titled
from avgzsl.scores.metrics import spread
from avgzsl.support.spreadsheet import escaped
from avgzsl.types import TEST_MODALITIES, Fusion

FIGURES = ("S", "U", "HM")
COLUMNS = ("model", "modality", *FIGURES, *(f"{f}_sd" for f in FIGURES), *(f"published_{f}" for f in FIGURES))
MARKS = {"classification": "stretched", "retrieval": "corrected"}
_TEST = {"audio": "audio", "video": "video", "both": "both"}
_QUERY = {"audio": "T→A", "video": "T→V", "both": "T→AV"}


class MeasuredLine(NamedTuple):
    """A line of a table with what was measured: mean and spread of S, U, HM in %, over `runs` runs.

    None where nothing was measured; a spread is NaN where there is only one value.
    """

    line: TableLine
    figures: tuple[tuple[float, float], ...] | None
    runs: int


def with_baselines(table: PaperTable, names: Sequence[str], results: Sequence[Result]) -> PaperTable:
    """The table with lines of methods, entries of that name, that it has not yet; in the fullest mode of each test."""
    lines = list(table.lines)
    for name in names:
        rows = [row for result in results if result.label == name for row in result.rows if row["task"] == table.task]
        if any(line.entry == name for line in table.lines):
            continue
        for modality in TEST_MODALITIES:
            fusions: list[Fusion] = [row["fusion"] or "equal" for row in rows if row["modality"] == modality]
            if fusions:
                lines.append(TableLine(name, name, modality, fusions[-1], UNPUBLISHED))
    return table._replace(lines=tuple(lines))


def measured_lines(table: PaperTable, results: Sequence[Result]) -> list[MeasuredLine]:
    """Mean over class splits of means over seeds, and the standard deviation over class splits of these means.

    With a single class split the spread is the standard deviation over its seeds. A line whose rows come once more,
    corrected or stretched, is followed by one of these, which nobody has published.
    """
    lines = []
    for line in table.lines:
        lines.append(_measure(table, line, results, None))
        marked = _measure(table, line, results, MARKS[table.task])
        if marked.runs:
            unpublished = line._replace(model=f"{line.model}, {MARKS[table.task]}", published=UNPUBLISHED)
            lines.append(marked._replace(line=unpublished))
    return lines


def mark_of(row: Mapping[str, Any]) -> str | None:
    """What sets a row apart from the plain one of its mode: it is corrected or stretched."""
    if row["task"] == "retrieval":
        return "corrected" if row["retrieval"] == "corrected" else None
    return None if row["stretch"] is None else "stretched"


def _measure(table: PaperTable, line: TableLine, results: Sequence[Result], mark: str | None) -> MeasuredLine:
    values: dict[str, dict[str, list[float]]] = {figure: {} for figure in FIGURES}
    for result in results:
        if result.label != line.entry:
            continue
        for row in result.rows:
            tested = row["task"], row["modality"], row["fusion"] or "equal"
            if tested == (table.task, line.modality, line.fusion) and mark_of(row) == mark:
                for figure in FIGURES:
                    value = row[figure]
                    values[figure].setdefault(result.cell.class_split, []).append(
                        math.nan if value is None else 100 * value
                    )
    runs = sum(map(len, values["S"].values()))
    if not runs:
        return MeasuredLine(line, None, 0)
    return MeasuredLine(line, tuple(spread_of(values[figure]) for figure in FIGURES), runs)


def spread_of(values: dict[str, list[float]]) -> tuple[float, float]:
    """Mean and spread, over class splits if there are several, else over seeds.

    Seeds that change nothing, of a method without chance, are one value: they have no spread (NaN).
    """
    if len(values) == 1:
        (seeds,) = values.values()
        return spread({str(i): [value] for i, value in enumerate(seeds[:1] if all_same(seeds) else seeds)})
    return spread(values)


def all_same(values: Sequence[float]) -> bool:
    """Whether figures differ by rounding at most."""
    return max(values) - min(values) < 1e-9


def as_csv(table: PaperTable, lines: Sequence[MeasuredLine]) -> str:
    """One row a line, figures in %; empty where not measured."""
    rows = []
    for line in lines:
        means = ["", "", ""] if line.figures is None else [_plain(mean) for mean, _ in line.figures]
        spreads = ["", "", ""] if line.figures is None else [_plain(sd) for _, sd in line.figures]
        names = [escaped(name) for name in _names(table, line.line)]
        rows.append([*names, *means, *spreads, *map(_plain, line.line.published)])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, *rows])
    return out.getvalue()


def as_sheet(table: PaperTable, lines: Sequence[MeasuredLine], label: str = "", generated: str = "") -> Sheet:
    """Measured mean ± spread, then the published figures under their own heading."""
    header = ("model", "test", *FIGURES, *(f"{figure} published" for figure in FIGURES))
    rows = [
        (
            *_names(table, measured.line),
            *_cells(measured),
            *(with_spread(value, None) for value in measured.line.published),
        )
        for measured in lines
    ]
    runs = sorted({line.runs for line in lines if line.runs})
    caption = (
        "In %. Measured: mean ± standard deviation over class splits of the means over seeds, of one class split over "
        f"seeds ({' or '.join(map(str, runs)) or 'no'} runs a line); {MISSING} where there is none. Published: by the "
        "paper's authors on their features."
    )
    return Sheet(titled(table.title, generated), header, rows, explained(caption, generated), label)


def _names(table: PaperTable, line: TableLine) -> tuple[str, str]:
    """The first two cells of a line: the model, and the modality it is tested with."""
    return line.model, (_QUERY if table.task == "retrieval" else _TEST)[line.modality]


def _cells(line: MeasuredLine) -> list[str]:
    return [MISSING] * len(FIGURES) if line.figures is None else [with_spread(*figure) for figure in line.figures]


def with_spread(mean: float, sd: float | None, digits: int = 2) -> str:
    """A figure and its spread, if it is one that has a spread; what is NaN is not there."""
    if math.isnan(mean):
        return MISSING
    if sd is None:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± " + (MISSING if math.isnan(sd) else f"{sd:.{digits}f}")


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
