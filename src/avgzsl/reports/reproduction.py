"""The paper's Tables 1 to 4 and Figures 5 to 7 on a data set, published beside measured, and one report of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import class_splits as splits_of
from avgzsl.errors import DataError, UnknownNameError
from avgzsl.experiments.benchmark import Entry, Result, Told, benchmark, left_aside, open_splits
from avgzsl.experiments.code_version import code_version
from avgzsl.experiments.protocol import modes, score
from avgzsl.learning.training import Job
from avgzsl.methods import Method, build
from avgzsl.reports.cd_figure import cd_figure
from avgzsl.reports.comparison import as_csv, as_latex, as_markdown, measured_lines
from avgzsl.reports.entries import check_preset, needed, paper_entry
from avgzsl.reports.html import Page, write_page
from avgzsl.reports.published import COMPARED, FIGURES, PAPER, TABLES
from avgzsl.reports.retrieval_figure import retrieval_figure, top_retrieved
from avgzsl.reports.significance import compare_methods
from avgzsl.reports.tsne_figure import choose_clips, tsne_figure
from avgzsl.support.files import write_text
from avgzsl.support.registry import unknown
from avgzsl.types import Calibration

_FIGURE5 = "Figure 5: for some class names, the ten clips that two methods retrieve first, in every test mode"
_FIGURE6 = (
    "Figure 6: t-SNE of embeddings of test clips of five seen classes and of their names (stars). The number of a "
    "panel, taken in the space itself: mean distance to the own name over mean distance to the nearest other name; "
    "lower is better"
)
ALL = (*TABLES, *FIGURES)
_QUERIES = 4


@dataclass(frozen=True)
class Reproduction:
    """What came of it: the files, cells that failed, and cells of other code or data that were left aside."""

    files: list[Path]
    failed: list[Result]
    aside: int


def reproduce(
    what: str,
    data: str | Path,
    out: str | Path,
    *,
    seeds: int = 5,
    class_split: str | None = None,
    calibration: Calibration = "val",
    preset: str | None = None,
    tuned: str | Path | None = None,
    layout: str | None = None,
    processes: int | None = None,
    told: Told | None = None,
) -> Reproduction:
    """Make one of ALL, or `all`, in the folder `out`; cells are kept in `out/cells` and only missing ones run.

    `class_split` is one by name, `all`, or by default the first. Raises UnknownNameError, ConfigError, DataError.
    """
    if what not in ("all", *ALL):
        raise UnknownNameError(unknown("table or figure", what, ("all", *ALL)))
    chosen = ALL if what == "all" else (what,)
    out = Path(out)
    datasets = open_splits(data, class_split or splits_of(data, layout)[0], layout)
    names = needed(chosen)
    check_preset(preset, names)
    entries = [paper_entry(name, datasets, preset, None if tuned is None else Path(tuned)) for name in names]
    results = benchmark(
        data, entries, out, class_split=class_split or next(iter(datasets)), seeds=range(seeds),
        calibration=calibration, layout=layout, processes=processes, told=told,
    )  # fmt: skip
    failed = [result for result in results if result.error is not None]
    page = Page(f"{PAPER} reproduced", _about(datasets, entries, seeds, calibration, preset, tuned, failed))
    files = [file for name in chosen if name in TABLES for file in _write_table(name, results, out, page)]
    if any(name in FIGURES for name in chosen):
        files += _write_figures(chosen, results, next(iter(datasets.values())), entries, out, page)
    files.append(out / "report.html")
    write_page(files[-1], page)
    return Reproduction(files, failed, left_aside(out, results))


def _write_table(name: str, results: Sequence[Result], out: Path, page: Page) -> list[Path]:
    table = TABLES[name]
    lines = measured_lines(table, results)
    page.add_table(table, lines)
    files = [out / f"{name}.{ending}" for ending in ("md", "csv", "tex")]
    for file, text in zip(files, (as_markdown, as_csv, as_latex), strict=True):
        write_text(file, text(table, lines))
    return files


def _write_figures(
    chosen: Sequence[str], results: Sequence[Result], data: Dataset, entries: Sequence[Entry], out: Path, page: Page
) -> list[Path]:
    files: list[Path] = []

    def both(name: str, caption: str) -> list[Path]:
        made = [out / f"{name}.png", out / f"{name}.svg"]
        page.add_figure(made[0], caption)
        files.extend(made)
        return made

    if "figure7" in chosen:
        scores, labels = _per_class(results)
        comparison = compare_methods(scores, labels)
        for file in both("figure7", comparison.sentence()):
            cd_figure(file, comparison)
    if "figure5" in chosen or "figure6" in chosen:
        fitted = {}
        for entry in entries:
            if entry.label in COMPARED:
                method = build(entry.method, settings=entry.settings_for(data.class_split))
                fitted[COMPARED[entry.label]] = method.fit(*data.training(), Job(seed=0))
        where = f"{data.class_split}, seed 0"
        if "figure5" in chosen:
            _figure5(fitted, data, both("figure5", f"{_FIGURE5} ({where})."))
        if "figure6" in chosen:
            _figure6(fitted, data, both("figure6", f"{_FIGURE6} ({where})."))
    return files


def _per_class(results: Sequence[Result]) -> tuple[torch.Tensor, list[str]]:
    """Test accuracy per class, mean over seeds and class splits: classes x methods, mode both, equal weights."""
    table: dict[str, dict[str, list[float]]] = {name: {} for name in COMPARED}
    for result in results:
        for row in result.rows if result.label in COMPARED else []:
            if (row["task"], row["modality"], row["fusion"]) == ("classification", "both", "equal"):
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


def _figure5(fitted: dict[str, Method], data: Dataset, paths: Sequence[Path]) -> None:
    test, classes = data.split("test"), data.classes
    there = torch.bincount(test.labels, minlength=len(classes)) > 0
    unseen, seen = (
        (group & there).nonzero().squeeze(1)[: _QUERIES // 2].tolist() for group in (~classes.seen, classes.seen)
    )
    queries = [classes.names[c] for c in [*seen, *unseen]]
    columns: dict[str, dict[str, list[list[tuple[str, str, bool]]]]] = {}
    for label, method in fitted.items():
        embeddings, text = method.embed_clips(test), method.embed_text(classes.text)
        columns[label] = {}
        for mode in [mode for mode in modes(method, test) if mode.fusion == "equal"]:
            scored = score(method, embeddings, text, test.labels, mode, {})
            ids = test.ids[scored.rows.numpy()]
            columns[label][str(mode)] = top_retrieved(scored.scores, scored.labels, ids, classes.names, queries)
    for path in paths:
        retrieval_figure(path, queries, columns)


def _figure6(fitted: dict[str, Method], data: Dataset, paths: Sequence[Path]) -> None:
    test, classes = data.split("test"), data.classes
    full = test.where(test.has_audio & test.has_video)
    rows = choose_clips(full.labels, classes.seen, seed=0)
    clips = full.take(rows)
    shown, labels = torch.unique(clips.labels, return_inverse=True)
    names = [classes.names[c] for c in shown.tolist()]
    panels = {}
    for label, method in fitted.items():
        embeddings = method.embed_clips(clips)
        text = method.embed_text(classes.text[shown])
        for modality, z in (("audio", embeddings.audio), ("video", embeddings.video)):
            if z is not None:
                panels[f"{label}, {modality}"] = (z, text, labels, names)
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
    """What a reader has to know before any number."""
    first = next(iter(datasets.values()))
    settings = "tuned settings" if tuned is not None else "the preset " + preset if preset else "each method's defaults"
    rest = " (methods without them: their defaults)" if tuned is not None or preset else ""
    over = "class splits of the means over seeds" if len(datasets) > 1 else "seeds"
    return [
        f"Data: {Path(first.source).name}, layout {first.layout}; class splits: {', '.join(datasets)}; "
        f"fingerprints {', '.join(data.fingerprint[:12] for data in datasets.values())}.",
        f"Settings: {settings}{rest}. Calibration: {calibration}. {seeds} seeds. "
        f"Code version {code_version(*sorted({entry.method for entry in entries}))}.",
        f"Measured: mean ± standard deviation over {over}. Published: from the paper, on the authors' AudioSetZSL "
        "features; the two compare only on those features.",
        *(f"Note: {note}" for note in first.notes),
        *(f"Failed: {r.label}, {r.cell.class_split}, seed {r.cell.seed}: {r.error}" for r in failed),
    ]
