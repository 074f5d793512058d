"""The paper's Tables 1 to 4 and Figures 5 to 7 on a data set, published beside measured, and one report of all."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import class_splits
from avgzsl.errors import DataError, UnknownNameError
from avgzsl.experiments.benchmark import Entry, benchmark, open_splits
from avgzsl.experiments.cells import Comparison, Result
from avgzsl.experiments.code_version import code_version
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.grid_baselines import Grid, grid_baselines, write_grid_baselines
from avgzsl.experiments.jobs import job_of
from avgzsl.methods import Method, build, marked
from avgzsl.reports.benchmark_report import generated_of
from avgzsl.reports.citing import cite
from avgzsl.reports.comparison import as_csv, as_sheet, measured_lines, with_baselines
from avgzsl.reports.entries import check_preset, needed, paper_entry
from avgzsl.reports.html import Page, write_page
from avgzsl.reports.plots import ENDINGS
from avgzsl.reports.pretraining import met_before_any
from avgzsl.reports.published import COMPARED, FIGURES, PAPER, TABLES
from avgzsl.reports.rank_figure import rank_figure
from avgzsl.reports.retrieval_figure import retrieval_csv, retrieval_figure, top_retrieved
from avgzsl.reports.sheet import Sheet, as_latex, as_markdown, explained, titled
from avgzsl.reports.significance import compare_methods
from avgzsl.reports.summary import counted
from avgzsl.reports.tables import CORRECTED
from avgzsl.reports.tsne_figure import choose_clips, tsne_figure
from avgzsl.support.arguments import check_arguments, seeds_of
from avgzsl.support.files import write_text
from avgzsl.support.progress import Progress
from avgzsl.support.registry import require, unknown
from avgzsl.support.showing import Shown
from avgzsl.types import MODALITIES, Calibration, DataChoice

_FIGURE5 = (
    "Figure 5: for some class names, the ten clips that two methods retrieve first, in every test mode; under them the "
    "classes of the wrong ones, with how many there are. figure5.csv has the ids"
)
_FIGURE6 = (
    "Figure 6: t-SNE of embeddings of test clips of five seen classes and of their names (stars). The number of a "
    "panel, taken in the space itself: mean distance to the own name over mean distance to the nearest other name; "
    "lower is better"
)
_FIGURE7 = ("classification", "both", "equal", None)  # task, modality, fusion, stretch of the rows it compares
ALL = (*TABLES, *FIGURES)
_QUERIES = 4


@dataclass(frozen=True, eq=False)
class Reproduction(Shown):
    """The files that were made, the tables among them, and the cells that all is made of.

    `notes` say what the baselines do; `references` are BibTeX entries of the methods and the data.
    """

    files: tuple[Path, ...]
    comparison: Comparison
    notes: tuple[str, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    references: str = ""

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row a file."""
        return [{"file": str(file)} for file in self.files]

    def json(self) -> dict[str, Any]:
        """The files, and every cell with its rows."""
        return {"files": [str(file) for file in self.files], "cells": self.comparison.json()}


def reproduce(
    what: str,
    data: str | Path | Dataset,
    out: str | Path,
    *,
    choice: DataChoice | None = None,
    preset: str | None = None,
    tuned: str | Path | None = None,
    seeds: int | Iterable[int] = 5,
    calibration: Calibration = "val",
    stretch: bool = False,
    processes: int | None = None,
    baselines: bool | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Make one of ALL, or `all`, in the folder `out`; cells are kept in `out/cells` and only missing ones run.

    The report of all is `report.html`, that of table1 alone `report-table1.html`.

    Of a folder the first class split is taken, or that of `choice`, which can also be `all`. `tuned` is a
    folder of presets as `avgzsl tune` writes them; methods without one take the `preset`, if they have it. Tables have
    lines of frozen encoders and of least squares: None those that cost little (`grid_baselines`). Parameters
    are those of `benchmark`, which it runs, with what to make and the presets in place of the entries. Raises
    UnknownNameError, ConfigError, DataError.
    """
    check_arguments(choice=choice, processes=processes, progress=progress)
    seeds = seeds_of(seeds)
    if what not in ("all", *ALL):
        raise UnknownNameError(unknown("table or figure", what, ("all", *ALL)))
    chosen = ALL if what == "all" else (what,)
    if "figure6" in chosen:
        require("sklearn.manifold", "tsne")  # before hours of training
    out = Path(out)
    choice = _first_split(data, choice)
    datasets = open_splits(data, choice)
    names = needed(chosen)
    check_preset(preset, names)
    entries = [paper_entry(name, datasets, preset, None if tuned is None else Path(tuned)) for name in names]
    started = time.monotonic()
    comparison = benchmark(
        data, entries, out, choice=choice, seeds=seeds, calibration=calibration, stretch=stretch,
        processes=processes, progress=progress,
    )  # fmt: skip
    seconds = time.monotonic() - started
    grid = Grid(data, datasets, out, choice, seeds, calibration, processes, seconds)
    beside = grid_baselines(grid, comparison, baselines if any(name in TABLES for name in chosen) else False, progress)
    about = _about(datasets, entries, len(seeds), calibration, preset, tuned, comparison.failed)
    about += [f"{line[0].upper()}{line[1:]}." for line in met_before_any(d.encoders for d in datasets.values())]
    about += [f"{sentence[0].upper()}{sentence[1:]}." for sentence in beside.verdict]
    generated = generated_of(datasets)
    page = Page(titled(f"{PAPER} reproduced", generated), about)
    files: list[Path] = []
    sheets = [
        _write_table(name, [*comparison, *beside.results], out, page, files, generated)
        for name in chosen
        if name in TABLES
    ]
    files += write_grid_baselines(out, beside)
    if any(name in FIGURES for name in chosen):
        files += _write_figures(chosen, comparison, next(iter(datasets.values())), entries, out, page)
    files.append(out / ("report.html" if what == "all" else f"report-{what}.html"))  # the report of all stays
    write_page(files[-1], page)
    used = sorted({result.cell.method for result in [*comparison, *beside.results]})
    notes = (*beside.notes, *beside.verdict)
    return Reproduction(tuple(files), comparison, notes, tuple(sheets), cite(used, datasets.values()))


def _first_split(data: str | Path | Dataset, choice: DataChoice | None) -> DataChoice | None:
    """The choice, with the first class split of a folder where it names none."""
    if isinstance(data, Dataset) or (choice is not None and choice.class_split is not None):
        return choice
    choice = choice or DataChoice()
    names = class_splits(data, choice.layout)
    return replace(choice, class_split=names[0]) if names else choice


def _write_table(
    name: str, results: Sequence[Result], out: Path, page: Page, files: list[Path], generated: str
) -> Sheet:
    """A table of the paper in all its forms; its files are put to the others."""
    table = with_baselines(TABLES[name], [marked("yardstick")[0], marked("untrained")[0]], results)
    lines = measured_lines(table, results)
    sheet = as_sheet(table, lines, name, generated)
    page.add_table(lines, sheet.title, sheet.caption)
    for ending, text in (("md", as_markdown(sheet)), ("csv", as_csv(table, lines)), ("tex", as_latex(sheet))):
        files.append(out / f"{name}.{ending}")
        write_text(files[-1], text)
    return sheet


def _write_figures(
    chosen: Sequence[str], results: Sequence[Result], data: Dataset, entries: Sequence[Entry], out: Path, page: Page
) -> list[Path]:
    files: list[Path] = []

    def every(name: str, caption: str) -> list[Path]:
        paths = [out / f"{name}{ending}" for ending in ENDINGS]
        page.add_figure(paths[0], explained(caption, data.generated))
        files.extend(paths)
        return paths

    if "figure7" in chosen:
        scores, labels = _per_class(results)
        comparison = compare_methods(scores, labels)
        for file in every("figure7", comparison.sentence()):
            rank_figure(file, comparison, 100 * scores)
    if "figure5" in chosen or "figure6" in chosen:
        fitted = {}
        for entry in entries:
            if entry.label in COMPARED:
                method = build(entry.method, settings=entry.settings_for(data.class_split))
                fitted[COMPARED[entry.label]] = method.fit(*data.training(), job_of(data))
        where = f"{data.class_split}, seed 0"
        if "figure5" in chosen:
            files.append(_figure5(fitted, data, every("figure5", f"{_FIGURE5} ({where})")))
        if "figure6" in chosen:
            _figure6(fitted, data, every("figure6", f"{_FIGURE6} ({where})."))
    return files


def _per_class(results: Sequence[Result]) -> tuple[torch.Tensor, list[str]]:
    """Test accuracy per class, mean over seeds and class splits: classes x methods, mode both, equal weights."""
    table: dict[str, dict[str, list[float]]] = {name: {} for name in COMPARED}
    for result in results:
        for row in result.rows if result.label in COMPARED else []:
            if (row["task"], row["modality"], row["fusion"], row["stretch"]) == _FIGURE7:
                for name, value in row["per_class"].items():
                    if value is not None:
                        table[result.label].setdefault(name, []).append(value)
    first, *others = table.values()
    classes = [name for name in first if all(name in other for other in others)]
    if not classes:
        raise DataError(
            f"Figure 7 compares {' and '.join(COMPARED.values())} per class, but one of them has no result; see the "
            "failures"
        )
    rows = [[fmean(table[method][name]) for method in COMPARED] for name in classes]
    return torch.tensor(rows, dtype=torch.float64), list(COMPARED.values())


def _figure5(fitted: dict[str, Method], data: Dataset, paths: Sequence[Path]) -> Path:
    """Draws the figure; gives the table of its clips, which it wrote beside it."""
    test, classes = data.split("test"), data.classes
    tested = torch.bincount(test.labels, minlength=len(classes)) > 0
    unseen, seen = (
        (group & tested).nonzero().squeeze(1)[: _QUERIES // 2].tolist() for group in (~classes.seen, classes.seen)
    )
    queries = [classes.names[c] for c in [*seen, *unseen]]
    columns: dict[str, dict[str, list[list[tuple[str, str, bool]]]]] = {}
    for label, method in fitted.items():
        gallery = gallery_of(method, test, classes)
        columns[label] = {}
        for mode in [mode for mode in gallery.modes if mode.fusion == "equal"]:
            scored = gallery.score(mode, {})
            ids = test.ids[scored.rows.numpy()]
            columns[label][str(mode)] = top_retrieved(scored.scores, scored.labels, ids, classes.names, queries)
    for path in paths:
        retrieval_figure(path, queries, columns)
    table = paths[0].with_suffix(".csv")
    write_text(table, retrieval_csv(queries, columns))
    return table


def _figure6(fitted: dict[str, Method], data: Dataset, paths: Sequence[Path]) -> None:
    test, classes = data.split("test"), data.classes
    full = test.where(test.has_audio & test.has_video)
    rows = choose_clips(full.labels, classes.seen, seed=0)
    clips = full.take(rows)
    class_numbers, labels = torch.unique(clips.labels, return_inverse=True)
    names = [classes.names[c] for c in class_numbers.tolist()]
    panels = {}
    for label, method in fitted.items():
        embeddings = method.embed_clips(clips)
        text = method.embed_text(classes.text).take(class_numbers)  # a list of names is embedded whole
        for modality in MODALITIES:
            z, t = embeddings.of(modality), text.of(modality)
            if z is not None and t is not None:
                panels[f"{label}, {modality}"] = (z, t, labels, names)
    for path in paths:
        tsne_figure(path, panels)


def _about(
    datasets: dict[str, Dataset],
    entries: Sequence[Entry],
    seeds: int,
    calibration: str,
    preset: str | None,
    tuned: object,
    failed: Sequence[Result],
) -> list[str]:
    """The paragraphs before any number: data, settings, calibration, what is measured, and what failed."""
    first = next(iter(datasets.values()))
    settings = "tuned settings" if tuned is not None else "the preset " + preset if preset else "each method's defaults"
    rest = " (methods without them: their defaults)" if tuned is not None or preset else ""
    over = "class splits of the means over seeds" if len(datasets) > 1 else "seeds"
    return [
        explained(
            f"Data: {Path(first.source).name}, layout {first.layout}; class splits: {', '.join(datasets)}; "
            f"fingerprints {', '.join(data.fingerprint[:12] for data in datasets.values())}.",
            first.generated,
        ),
        f"Settings: {settings}{rest}. Calibration: {calibration}. {counted(seeds, 'seed')}. "
        f"Code version {code_version(*dict.fromkeys(entry.method for entry in entries))}.",
        f"Measured: mean ± standard deviation over {over}. Published: from the paper, on the authors' AudioSetZSL "
        "features; the two compare only on those features. A model without published figures is not in the paper.",
        CORRECTED,
        *(f"Note: {note}" for note in first.notes),
        *(f"Failed: {r.label}, {r.cell.class_split}, seed {r.cell.seed}: {r.error}" for r in failed),
    ]
