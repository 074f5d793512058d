"""AVGZSLNet on real features, with its controls: the table of docs/real-set.md.

    python -m benchmarks.realset DATA --document docs/real-set.md

Five class splits x three seeds; calibration `val`; every setting chosen on validation clips alone. Controls: word
vectors permuted among the classes (ZSL must fall to chance), and a linear least-squares map, its ridge and similarity
chosen by the same validation HM. HM is computed per run, then averaged; the spread is the standard deviation over
class splits of the means over seeds.
"""

import argparse
import itertools
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import class_splits, open_dataset
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import Mode
from avgzsl.learning.training import Job
from avgzsl.methods import Method, build
from avgzsl.scores.metrics import Classification, spread
from benchmarks.tables import put

BOTH = Mode("both", "equal")
SEEDS = (0, 1, 2)
RIDGES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
FIGURES = ("S", "U", "HM", "ZSL", "AUSUC")

Results = dict[tuple[str, int], dict[Mode, Classification]]


def test_results(method: Method, data: Dataset, seed: int) -> dict[Mode, Classification]:
    """Fit, calibrate on val, measure on test."""
    method.fit(*data.training(), Job(seed=seed))
    tested = gallery_of(method, data.split("test"), data.classes)
    numbers = choose_numbers([gallery_of(method, data.split("val"), data.classes)], tested.modes)
    return {measured.scored.mode: measured.classification for measured in tested.measure(tested.modes, numbers)}


def permuted(data: Dataset, seed: int) -> Dataset:
    """Word vectors dealt out anew among the classes, none keeping its own."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data.classes), generator=generator)
    text = torch.empty_like(data.classes.text)
    text[order] = data.classes.text[order.roll(1)]
    return replace(data, classes=replace(data.classes, text=text))


def validation_hm(settings: dict[str, object], sets: dict[str, Dataset]) -> float:
    """Mean over class splits of the best validation HM of mode both."""

    def one(data: Dataset) -> float:
        method = build("least-squares", settings=settings).fit(*data.training())
        gallery = gallery_of(method, data.split("val"), data.classes)
        return gallery.measure([BOTH], choose_numbers([gallery], [BOTH], energy=False))[0].classification.HM

    return statistics.fmean(map(one, sets.values()))


def tuned_least_squares(sets: dict[str, Dataset]) -> dict[str, object]:
    """The control's settings, by validation HM."""
    grid = [
        {"ridge": ridge, "compare_by": by, "balanced": balanced}
        for ridge, by, balanced in itertools.product(RIDGES, ("cosine", "euclidean"), (True, False))
    ]
    return max(grid, key=lambda settings: validation_hm(settings, sets))


def lines_of(model: str, results: Results) -> Iterator[str]:
    """A line of the table for each test mode."""
    for mode in next(iter(results.values())):
        cells = []
        for figure in FIGURES:
            values: dict[str, list[float]] = {}
            for (split, _), found in results.items():
                values.setdefault(split, []).append(100 * getattr(found[mode], figure))
            mean, deviation = spread(values)
            cells.append(f"{mean:.1f} ± {deviation:.1f}")
        name = {"both-equal": "both (eq wt)", "both-attention": "both (w/ attn)"}.get(str(mode), str(mode))
        yield f"| {model} | {name} | " + " | ".join(cells) + " |"


def run_all(path: Path) -> str:
    """Train everything; gives the table with its caption, in Markdown."""
    sets = {name: open_dataset(path, class_split=name) for name in class_splits(path)}
    chance = statistics.fmean(1 / int((~data.classes.seen).sum()) for data in sets.values())
    control = tuned_least_squares(sets)
    print("least squares, chosen on validation:", control, flush=True)
    table: list[str] = []
    by_model: dict[str, Results] = {}
    for model in ("AVGZSLNet", "least squares", "AVGZSLNet, word vectors permuted"):
        results: Results = {}
        for cell, ((name, data), seed) in enumerate(itertools.product(sets.items(), SEEDS)):
            least = model == "least squares"
            method = build("least-squares", settings=control) if least else build("avgzslnet", "realset")
            results[name, seed] = test_results(method, permuted(data, cell) if "permuted" in model else data, seed)
            found = results[name, seed][BOTH]
            print(f"{model}: {name}, seed {seed}: HM {100 * found.HM:.1f}, ZSL {100 * found.ZSL:.1f}", flush=True)
        by_model[model] = results
        table += lines_of(model, results)
    ours, theirs = by_model["AVGZSLNet"], by_model["least squares"]
    gaps: dict[str, list[float]] = {}
    for cell in ours:
        gaps.setdefault(cell[0], []).append(100 * (ours[cell][BOTH].HM - theirs[cell][BOTH].HM))
    mean, deviation = spread(gaps)
    won = sum(gap > 0 for values in gaps.values() for gap in values)
    settings = ", ".join(f"{key} {value}" for key, value in control.items())
    return "\n".join(
        [
            "| model | test | " + " | ".join(FIGURES) + " |",
            "|---|---|" + "---:|" * len(FIGURES),
            *table,
            "",
            f"Mean class accuracy in %, mean ± standard deviation over {len(sets)} class splits of the means over "
            f"{len(SEEDS)} seeds; test clips; calibration `val`; preset `realset`. Chance: ZSL {100 * chance:.1f} %. "
            f"Paired with the least-squares map (chosen on the same validation: {settings}), HM of `both` is "
            f"{mean:+.1f} ± {deviation:.1f} points, ahead in {won} of {len(ours)} pairs.",
        ]
    )


def renewed(page: str, table: str) -> str:
    """A page that shows some rows of the table, with those rows as they are now: a row is known by its two names."""
    rows = {tuple(line.split("|")[1:3]): line for line in table.splitlines() if " ± " in line and line.startswith("|")}
    return "\n".join(rows.get(tuple(line.split("|")[1:3]), line) for line in page.split("\n"))


def main() -> None:
    """Put the table into --document, and its rows into --excerpt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--document", type=Path, required=True)
    parser.add_argument("--excerpt", type=Path, help="a page that shows some of the rows")
    options = parser.parse_args()
    table = run_all(options.data)
    print(table)
    put(options.document, "realset", table)
    if options.excerpt:
        options.excerpt.write_text(renewed(options.excerpt.read_text(), table))


if __name__ == "__main__":
    main()
