"""What each part of `kernel-exemplars` brings, on pseudo-unseen folds of the real set: no test clip is looked at.

    python -m benchmarks.own DATA --descriptions FILE.csv --document docs/results.md

Three folds of each class split, drawn twice, hold out seen classes as if unseen; HM at the penalty that is best for the
fold's validation clips, and AUSUC, as means over all folds.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from avgzsl.experiments.benchmark import open_splits
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.jobs import job_of
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.pseudo_unseen import FOLDS, pseudo_unseen_folds
from avgzsl.methods import build
from avgzsl.types import DataChoice
from benchmarks.results import SENTENCE, texts
from benchmarks.tables import put

SEEDS = 2  # of the folds
MODES = (Mode("audio", "equal"), Mode("video", "equal"), Mode("both", "equal"))
VARIANTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "exemplars": ("exemplars", {}),
    "kernel-exemplars": ("kernel-exemplars", {}),
    "… features not bent (power=1)": ("kernel-exemplars", {"power": 1.0}),
    "… clips trusted alike (trust=0)": ("kernel-exemplars", {"trust": 0.0}),
    "… neither": ("kernel-exemplars", {"power": 1.0, "trust": 0.0}),
}


def table(data: Path, choice: DataChoice) -> str:
    """HM / AUSUC of each variant in each mode, in %."""
    found: dict[str, dict[Mode, list[tuple[float, float]]]] = {name: {mode: [] for mode in MODES} for name in VARIANTS}
    for dataset in open_splits(data, choice).values():
        train, val = dataset.split("train"), dataset.split("val")
        for seed in range(SEEDS):
            for fold in pseudo_unseen_folds(train, val, dataset.classes, FOLDS, seed):
                for name, (method, settings) in VARIANTS.items():
                    fitted = build(method, settings=settings).fit(fold.train, fold.train_classes, job_of(dataset, seed))
                    gallery = gallery_of(fitted, fold.val, fold.val_classes)
                    numbers = choose_numbers([gallery], MODES, energy=False)
                    for mode in MODES:
                        figures = gallery.classify(gallery.score(mode, numbers))
                        found[name][mode].append((100 * figures.HM, 100 * figures.AUSUC))
    lines = ["| HM / AUSUC on folds | audio | video | both |", "|---|---:|---:|---:|"]
    for name, by_mode in found.items():
        cells = (
            " / ".join(f"{fmean(figure):.1f}" for figure in zip(*values, strict=True)) for values in by_mode.values()
        )
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Put the table into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--descriptions", type=Path, required=True)
    parser.add_argument("--document", type=Path, required=True)
    options = parser.parse_args()
    put(options.document, "results-own", table(options.data, DataChoice(text=texts(options.descriptions)[SENTENCE])))


if __name__ == "__main__":
    main()
