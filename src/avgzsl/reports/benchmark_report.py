"""What a benchmark leaves for a reader: tables as Markdown, CSV and LaTeX, figures as PDF and PNG, one HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from avgzsl.data.clips import Dataset
from avgzsl.experiments.cells import Comparison, Result
from avgzsl.reports.gain_figure import gain_figure
from avgzsl.reports.html import Page, write_page
from avgzsl.reports.latex import latex_figure
from avgzsl.reports.per_class import PerClass, best_but, gain_sentence, per_class, per_class_csv
from avgzsl.reports.plots import ENDINGS
from avgzsl.reports.rank_figure import rank_figure
from avgzsl.reports.rankings import rankings
from avgzsl.reports.sheet import as_latex, as_markdown, explained, titled
from avgzsl.reports.summary import summary_csv, summary_sheets
from avgzsl.support.files import write_json, write_text


def generated_of(datasets: Mapping[str, Dataset]) -> str:
    """What is made up of a data set under its class splits; empty where nothing is."""
    return next((data.generated for data in datasets.values() if data.generated), "")


def write_benchmark(
    out: Path,
    comparison: Comparison,
    datasets: Mapping[str, Dataset],
    calibration: str,
    against: str,
    beside: Sequence[Result] = (),
    about: Sequence[str] = (),
) -> tuple[list[Path], list[str]]:
    """Write everything to `out`, with the cells `beside` in its tables; gives the files, and why a figure is missing.

    `about` are sentences for the page, before its tables. `results.json` has every cell's own rows.
    """
    results, generated = [*comparison, *beside], generated_of(datasets)
    table, first = per_class(results, datasets), next(iter(datasets.values()))
    page = Page(titled(f"Methods compared on {Path(first.source).name}", generated), ())
    files = _write_tables(out, page, comparison, results, table, (calibration, against, generated))
    figures, missing = _figures(out, page, results, table, against, generated)
    failed = [f"failed: {r.label}, {r.cell.class_split}, seed {r.cell.seed}: {r.error}" for r in comparison.failed]
    said = [f"{line[0].upper()}{line[1:]}." for line in (*about, *missing, *failed)]
    page.about = [_about(datasets, generated), *said]
    files += [*figures, out / "report.html"]
    write_page(files[-1], page)
    return files, missing


def _write_tables(
    out: Path, page: Page, comparison: Comparison, results: Sequence[Result], table: PerClass, how: tuple[str, str, str]
) -> list[Path]:
    """The tables of the summary and of the classes; `how` they are made: calibration, against, generated."""
    sheets = summary_sheets(results, *how)
    for sheet in sheets:
        page.add_sheet(sheet)
    against = how[1]
    texts = {
        "summary.md": "\n".join(map(as_markdown, sheets)),
        "summary.csv": summary_csv(results, against),
        "summary.tex": "\n".join(map(as_latex, sheets)),
        "per-class.csv": per_class_csv(table, against),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    write_json(out / "results.json", comparison.json())
    return [*(out / name for name in texts), out / "results.json"]


def _about(datasets: Mapping[str, Dataset], generated: str) -> str:
    first = next(iter(datasets.values()))
    prints = ", ".join(data.fingerprint[:12] for data in datasets.values())
    data = f"Data: {Path(first.source).name}, layout {first.layout}; class splits {', '.join(datasets)} ({prints})."
    return explained(data, generated)


def _figures(
    out: Path, page: Page, results: Sequence[Result], table: PerClass, against: str, generated: str
) -> tuple[list[Path], list[str]]:
    """Critical differences over classes and over class splits, and what the best method gains, class by class."""
    drawn: dict[str, str] = {}  # name of the figure -> its caption
    missing: list[str] = []
    one_sided = ", ".join(table.left_out)
    left_out = f" Left out, for they are not tested on both: {one_sided}." if one_sided else ""
    lacking = f" (not tested on both: {one_sided})" if one_sided and len(table.methods) < 2 else ""
    for ranking in rankings(results, table):
        if ranking.comparison is None:
            missing.append(f"no critical difference over {ranking.units}: {ranking.why_not}{lacking}")
            continue
        name = f"critical-difference-{ranking.units.replace(' ', '-')}"
        drawn[name] = explained(ranking.comparison.sentence() + left_out, generated)
        for form in ENDINGS:
            title = titled("Critical difference of mean ranks", generated)
            rank_figure(out / (name + form), ranking.comparison, ranking.percent, title)
    other = best_but(table, against)
    if other is None:
        missing.append(
            f"no comparison by class: it takes {against} and another method, tested on both and on two classes"
        )
    else:
        drawn["per-class"] = explained(gain_sentence(table, other, against), generated)
        for form in ENDINGS:
            gain_figure(out / ("per-class" + form), table, other, against, titled("Gain by class", generated))
    for name, caption in drawn.items():
        page.add_figure(out / f"{name}.png", caption)
    if drawn:
        blocks = [latex_figure(f"{name}.pdf", caption, name) for name, caption in drawn.items()]
        write_text(out / "figures.tex", "\n".join(blocks))
    written = [out / (name + form) for name in drawn for form in ENDINGS]
    return [*written, *([out / "figures.tex"] if drawn else [])], missing
