"""Every method on a data set, from settings that were tuned before: two calibrations, three texts, all class splits.

    python -m benchmarks.results DATA --settings benchmarks/settings/realset.yaml --descriptions FILE.csv
        --work out/results --document docs/results.md --mark realset

Settings come from `benchmarks.tuning` (`make tune`), which searched with the text of --descriptions beside the word
vectors of the data; they serve the other texts, too. Tuned and calibrated by pseudo-unseen folds, which use no label of
an unseen class, and by `val`, which does. --seeds by `val` with sentences; one with the other texts, one by
pseudo-unseen folds, of which each cell is four trainings, and one where chance plays no part. Cells are kept in
--work, so that an interrupted run goes on. Prompts and sentences are encoded by MiniLM (extra `minilm`).
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from avgzsl.experiments.benchmark import Entry, benchmark, open_splits
from avgzsl.experiments.cells import Result
from avgzsl.learning.training import Schedule
from avgzsl.methods import method_class, methods
from avgzsl.reports.summary import summary_markdown
from avgzsl.types import Calibration, DataChoice
from benchmarks.search import read_tuned, start_of
from benchmarks.tables import put

SEEDS = 3  # by val, with sentences; else one
BASE = "avgzslnet"
CALIBRATIONS: tuple[Calibration, ...] = ("pseudo-unseen", "val")
SENTENCE = "+ sentence"


def texts(descriptions: Path) -> dict[str, tuple[str, ...]]:
    """The texts of classes, by what they are called in the tables."""
    return {
        "word2vec": (),
        "+ prompts": ("own", "minilm+prompts=video"),
        SENTENCE: ("own", f"minilm+descriptions={descriptions}"),
    }


def entries_of(names: Sequence[str], settings: Mapping[str, Any], splits: Sequence[str]) -> list[Entry]:
    """Each method with its tuned settings on each class split, or as it starts where it was not tuned."""
    entries = []
    for name in names:
        start = start_of(method_class(name))
        tuned = settings.get(name, {})
        entries.append(Entry(name, name, {split: {**start, **tuned.get(split, {})} for split in splits}))
    return entries


def measure(
    data: Path,
    entries: Sequence[Entry],
    choice: DataChoice,
    calibration: Calibration,
    seeds: int,
    work: Path,
    processes: int | None,
) -> list[Result]:
    """All cells; one seed where chance plays no part."""
    results: list[Result] = []
    for trained, count in ((True, seeds), (False, 1)):
        chosen = [entry for entry in entries if issubclass(method_class(str(entry.method)), Schedule) == trained]
        if chosen:
            how = {"choice": choice, "seeds": count, "calibration": calibration, "processes": processes}
            results += benchmark(data, chosen, work, **how)
    order = [entry.label for entry in entries]
    return sorted(results, key=lambda result: order.index(result.label))


def spread(results: Sequence[Result], label: str, test: tuple[str, str | None], figure: str) -> str:
    """Mean over class splits of the means over seeds, and their deviation, in %; `–` where there are none."""
    by_split: dict[str, list[float]] = {}
    for result in results:
        for row in result.rows if result.label == label else ():
            plain = row["task"] == "classification" and row["stretch"] is None
            if plain and (row["modality"], row["fusion"]) == test and row.get(figure) is not None:
                by_split.setdefault(result.cell.class_split, []).append(100 * row[figure])
    means = [fmean(values) for values in by_split.values()]
    if not means:
        return "–"
    return f"{fmean(means):.1f}" + (f" ± {stdev(means):.1f}" if len(means) > 1 else "")


def overview(by_text: Mapping[str, Sequence[Result]], calibration: str) -> str:
    """HM of every method and test mode by text; AUSUC, ZSL and the check both ways with sentences."""
    rich = by_text[SENTENCE]
    modes = {
        (result.label, row["modality"], row["fusion"]): None
        for result in rich
        for row in result.rows
        if row["task"] == "classification" and row["fusion"] in (None, "equal")
    }
    figures = {"AUSUC": "AUSUC", "ZSL": "ZSL"} | ({"both_ways": "HM both ways"} if calibration == "val" else {})
    head = ["method", "test", *(f"HM, {text}" for text in by_text), *figures.values()]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for label, modality, fusion in modes:
        test = modality, fusion
        cells = [spread(results, label, test, "HM") for results in by_text.values()]
        cells += [spread(rich, label, test, figure) for figure in figures]
        lines.append("| " + " | ".join([label, modality, *cells]) + " |")
    return "\n".join(lines)


def report(
    data: Path,
    settings: Mapping[str, Any],
    asked: Mapping[Calibration, Mapping[str, tuple[str, ...]]],
    models: Path | None,
    only: Sequence[str],
    seeds: int,
    work: Path,
    processes: int | None,
) -> str:
    """All tables of a data set, as Markdown; `asked` are the texts of classes, by calibration."""
    datasets = open_splits(data)
    splits = list(datasets)
    told = any("video" in dataset.encoders for dataset in datasets.values())  # else `frozen` knows no text encoder
    names = [name for name in only or methods() if told or not method_class(name).untrained]
    parts: list[str] = []
    for calibration in asked:
        entries = entries_of(names, settings.get(calibration, {}), splits)
        by_text: dict[str, list[Result]] = {}
        for text, chosen in asked[calibration].items():
            count = seeds if (text, calibration) == (SENTENCE, "val") else 1
            choice = DataChoice(text=chosen, models=models)
            by_text[text] = measure(data, entries, choice, calibration, count, work, processes)
        how = "no label of an unseen class" if calibration == "pseudo-unseen" else "labels of validation clips"
        parts += [f"### Tuned and calibrated by {calibration} ({how})", "", overview(by_text, calibration), ""]
        parts += [f"With {SENTENCE.removeprefix('+ ')}s, in full:", ""]
        parts += [summary_markdown(by_text[SENTENCE], calibration, BASE), ""]
        failed = {(r.label, str(r.error)): None for results in by_text.values() for r in results if r.error}
        parts += [f"- {label}: {error}" for label, error in failed]
    folds, trials = settings["folds"], settings["trials"]
    fewer = "".join(f"; {name} with {count} on some" for name, count in settings.get("fewer", {}).items())
    parts += [
        f"Mean class accuracy in %, mean ± standard deviation over {len(splits)} class splits of the means over seeds "
        f"({seeds} by val with sentences, else one). "
        f"Tuned with {trials} trials a method and class split, the first of them the preset for a thousand clips or "
        f"the defaults ({folds} pseudo-unseen folds{fewer}). AUSUC, ZSL, both ways: with sentences. Both ways: the "
        "penalty from val for test and from test for val, averaged, a guard against a lucky division."
    ]
    return "\n".join(parts)


def main() -> None:
    """Put the tables into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--descriptions", type=Path, required=True)
    parser.add_argument("--methods", nargs="*", default=(), help="of all of them only these")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--calibrations", nargs="*", choices=CALIBRATIONS, default=CALIBRATIONS)
    parser.add_argument("--only-sentences", nargs="*", choices=CALIBRATIONS, default=[], help="by these calibrations")
    parser.add_argument("--models", type=Path, help="folder of the weights of what made the features, for `frozen`")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--document", type=Path, required=True)
    parser.add_argument("--mark", required=True)
    parser.add_argument("--processes", type=int)
    options = parser.parse_args()
    settings = read_tuned(options.settings)
    by_name = texts(options.descriptions)
    asked = {
        by: {SENTENCE: by_name[SENTENCE]} if by in options.only_sentences else by_name for by in options.calibrations
    }
    made = report(
        options.data, settings, asked, options.models, options.methods, options.seeds, options.work, options.processes
    )
    put(options.document, f"results-{options.mark}", made)


if __name__ == "__main__":
    main()
