"""Settings of every method, chosen on validation, class split by class split; kept as data, for `benchmarks.results`.

    python -m benchmarks.tuning DATA --work out/tune/realset --settings benchmarks/settings/realset.yaml [--text PART …]

Twice: by pseudo-unseen folds, which use no label of an unseen class, and by `val`, which does. Every method has the
same number of trials; the first is its preset for a thousand clips where it has one, else its defaults. What the preset
says of the schedule and of sizes is held; what is searched is what a few trials can tell apart (SEARCHED, and the scale
of the text). Trials are kept in --work, so that an interrupted search goes on. Hours. Where these are not to be had,
--gather takes the trials that are in --work, the first so many of each search.

The file says of itself how it was made: `data`, `text`, `trials` and `folds`, `made` (searched to the end, or
gathered), and `fewer`: methods of which some search had fewer trials, with the number of the shortest.
"""

import argparse
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any, get_args

import yaml

from avgzsl.experiments.benchmark import open_splits
from avgzsl.experiments.trial import Judge
from avgzsl.methods import method_class, methods
from avgzsl.support.children import Children
from avgzsl.support.files import write_text
from avgzsl.types import DataChoice
from benchmarks.search import Tuned, gathered, read_tuned, tune_split

HEAD = "# Written by `python -m benchmarks.tuning`, which says what `made` and `fewer` are; not to be edited.\n"


def tune_all(
    data: Path, names: list[str], text: tuple[str, ...], work: Path, trials: int, folds: int, processes: int
) -> dict[str, Tuned]:
    """Every judge, class split and method; one process a judge and class split."""
    found: dict[str, Tuned] = {judge: {} for judge in get_args(Judge)}
    with Children(processes) as children:
        running = {}
        for split in open_splits(data):
            for judge in get_args(Judge):
                choice = DataChoice(class_split=split, text=text)
                running[children.submit(tune_split, data, choice, names, judge, work / judge, trials, folds)] = (
                    judge,
                    split,
                )
        for future in as_completed(running):
            judge, split = running[future]
            for name, settings in future.result().items():
                found[judge].setdefault(name, {})[split] = settings
    return found


def main() -> None:
    """Search, and write --settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--text", action="append", default=[])
    parser.add_argument("--methods", nargs="*")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--gather", action="store_true", help="try nothing: take the trials that --work has")
    options = parser.parse_args()
    names = options.methods or [name for name in methods() if not method_class(name).untrained]
    origin = {"data": options.data.name, "text": options.text, "trials": options.trials, "folds": options.folds}
    kept: dict[str, Any] = dict(read_tuned(options.settings)) if options.methods and options.settings.exists() else {}
    if other := {key: kept[key] for key, value in origin.items() if kept.get(key, value) != value}:
        parser.error(f"{options.settings} was made with {other}; give the same, or leave out --methods")
    text, work, fewer = tuple(options.text), options.work, {}
    if options.gather:
        found, fewer = gathered(work, names, options.trials)
    else:
        found = tune_all(options.data, names, text, work, options.trials, options.folds, options.processes)
    for judge, of_judge in found.items():
        of_all = {**kept.get(judge, {}), **of_judge}
        kept[judge] = {name: dict(sorted(of_all[name].items())) for name in sorted(of_all)}
    made = "gathered" if options.gather or kept.get("made") == "gathered" else "searched"
    others = {name: count for name, count in kept.get("fewer", {}).items() if name not in names}
    kept |= {**origin, "made": made, "fewer": {**others, **fewer}}
    write_text(options.settings, HEAD + yaml.safe_dump(kept, sort_keys=True, width=116))


if __name__ == "__main__":
    main()
