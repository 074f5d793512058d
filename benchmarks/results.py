"""Every method on a data set: tuned without any unseen label and tuned with `val`, all class splits, three seeds.

    python -m benchmarks.results DATA --work out/results --document docs/results.md [--judge pseudo-unseen]
    python -m benchmarks.results DATA --work out/results --document docs/results.md --preset realset

The second tunes nothing: methods that have the preset use it, the others their defaults; calibration `val`.
Each method is tuned on each class split by itself (a class that is unseen in one split is seen in another), then all
cells run. Methods trained over epochs get --trained-trials, the others, which cost next to nothing, --trials. Trials
and cells are kept in --work, so that an interrupted run goes on.
"""

import argparse
from pathlib import Path
from typing import get_args

from avgzsl.experiments.benchmark import Entry, benchmark, open_splits
from avgzsl.experiments.trial import Judge
from avgzsl.experiments.tuning import tune
from avgzsl.methods import method_class, methods
from avgzsl.reports.entries import paper_entry
from avgzsl.reports.summary import summary_markdown
from avgzsl.types import Calibration
from benchmarks.tables import put

SEEDS = 3
# what is held in every trial: the family of AVGZSLNet is searched around the preset for about a thousand clips
AROUND, SEARCHED = "realset", ("dropout", "margin", "weight_decay")


def tune_all(data: Path, work: Path, judge: Judge, trials: int, trained_trials: int, folds: int) -> Path:
    """Presets of every method with ranges on every class split, as METHOD/CLASS-SPLIT/preset.yaml."""
    tuned = work / f"tuned-{judge}"
    for split, dataset in open_splits(data).items():
        for method in methods():
            kind = method_class(method)
            if not kind.ranges:
                continue
            count = trained_trials if "epochs" in {name for name, _, _ in kind.settings()} else trials
            preset = kind.presets.get(AROUND, {})
            search = {
                "trials": count,
                "folds": None if judge == "val" else folds,
                "preset": AROUND if preset else None,
                "fixed": {key: value for key, value in preset.items() if key not in SEARCHED},
            }
            best = tune(dataset, method, tuned / method / split, judge=judge, **search).settings
            print(f"tuned by {judge}: {method}, {split}: {best}", flush=True)
    return tuned


def table(data: Path, entries: list[Entry], work: Path, calibration: Calibration, processes: int | None) -> str:
    """The comparison, and what failed."""
    results = benchmark(data, entries, work, seeds=range(SEEDS), calibration=calibration, processes=processes)
    failed = [f"- failed: {r.label}, {r.cell.class_split}, seed {r.cell.seed}: {r.error}" for r in results if r.error]
    return "\n".join([summary_markdown(results, calibration, "avgzslnet"), *failed])


def main() -> None:
    """Put one table for each way of tuning into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--document", type=Path, required=True)
    parser.add_argument("--judge", choices=get_args(Judge), help="only this way of tuning")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--trained-trials", type=int, default=4)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--preset")
    options = parser.parse_args()
    splits = open_splits(options.data)
    if options.preset:
        entries = [paper_entry(name, splits, options.preset, None) for name in methods()]
        put(options.document, "results-preset", table(options.data, entries, options.work, "val", options.processes))
        return
    counts = options.trials, options.trained_trials, options.folds
    for judge in [options.judge] if options.judge else get_args(Judge):
        tuned = tune_all(options.data, options.work, judge, *counts)
        calibration: Calibration = "val" if judge == "val" else "pseudo-unseen"
        entries = [paper_entry(name, splits, None, tuned) for name in methods()]
        found = table(options.data, entries, options.work, calibration, options.processes)
        folds = "" if judge == "val" else f", {counts[2]} folds"
        budget = f"Tuned with {counts[0]} trials ({counts[1]} for methods trained over epochs){folds}."
        put(options.document, f"results-{judge}", f"{found}\n\n{budget}")


if __name__ == "__main__":
    main()
