"""What the published order of text vectors does to AVGZSLNet: both orders, on generated features for UCF's real lists.

    python -m benchmarks.text_order --splits DIR/UCF --w2v DIR/w2v --document docs/text-order.md

Both orders see the same features, seeds and settings; epoch and penalties come from stage 1 (`two_stage`). A seed is
one of the features and of the training. HM is computed per run, then averaged; the spread is the standard deviation
over seeds.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from avgzsl.data.layouts._avca_text import wrong_classes
from avgzsl.experiments.two_stage import two_stage
from avgzsl.generators import generate
from avgzsl.types import TEXT_ORDERS, DataChoice
from benchmarks.tables import put

SEEDS = (0, 1, 2)
# the optimiser of the published training; smaller batches, as there are fewer clips
SETTINGS = {"optimiser": "adam", "lr": 1e-3, "batch_size": 64, "epochs": 50, "milestones": [], "attention": "none"}
FIGURES = ("S", "U", "HM", "ZSL", "AUSUC")
SCALE = 0.2

Row = dict[str, Any]


def measured(data: Path, order: str, seed: int, out: Path) -> Row:
    """The test figures of mode both."""
    found = two_stage(data, out=out, settings=SETTINGS, seed=seed, choice=DataChoice(text_order=order))
    (row,) = [row for row in found.results if row["task"] == "classification" and row["modality"] == "both"]
    about = f"epochs {found.provenance['epochs']}, gamma {row['gamma']:.3f}"
    print(f"{order}, seed {seed}: HM {100 * row['HM']:.1f}, ZSL {100 * row['ZSL']:.1f}, {about}", flush=True)
    return row


def line(order: str, rows: list[Row], groups: list[list[str]]) -> str:
    """A line of the table: the figures, then the accuracy over each group of classes."""
    values = [[row[figure] for row in rows] for figure in FIGURES]
    values += [[statistics.fmean(row["per_class"][name] for name in group) for row in rows] for group in groups]
    cells = [f"{100 * statistics.fmean(each):.1f} ± {100 * statistics.stdev(each):.1f}" for each in values]
    return f"| {order} | " + " | ".join(cells) + " |"


def table(splits: Path, w2v: Path, folder: Path) -> str:
    """Generate, train and test everything; gives the table with its caption, in Markdown."""
    wrong, unseen = wrong_classes(splits), wrong_classes(splits, "main_split")
    results: dict[str, list[Row]] = {order: [] for order in TEXT_ORDERS}
    for seed in SEEDS:
        data = generate("avca", folder / str(seed), SCALE, seed, splits=splits, w2v=w2v)
        for order, rows in results.items():
            rows.append(measured(data, order, seed, folder / f"{order}-{seed}"))
    mislabelled = [name for name, bad in unseen.items() if bad]
    others = [name for name in unseen if name not in mislabelled]
    header = [*FIGURES, f"U of the {len(mislabelled)} mislabelled", f"U of the {len(others)} others"]
    return "\n".join(
        [
            f"| text order | {' | '.join(header)} |",
            "|---|" + "---:|" * len(header),
            *(line(order, rows, [mislabelled, others]) for order, rows in results.items()),
            "",
            f"**Generated features**, real lists and word vectors of {splits.name} (main split) at scale {SCALE}; "
            f"AVGZSLNet, test clips, audio and video with equal weights, mean class accuracy in %, mean ± standard "
            f"deviation over {len(SEEDS)} seeds; epoch and penalty from stage 1. "
            f"{sum(wrong.values())} of {len(wrong)} classes have another class's vector in the "
            f"published order, among them of the unseen test classes: {', '.join(mislabelled)}. "
            f"Chance of ZSL is {100 / len(unseen):.1f} %.",
        ]
    )


def main() -> None:
    """Put the table into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--w2v", type=Path, required=True)
    parser.add_argument("--document", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = table(options.splits, options.w2v, Path(folder))
    print(made)
    put(options.document, "text-order", made)


if __name__ == "__main__":
    main()
