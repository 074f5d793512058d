"""Real clips the whole way: YAMNet and MobileNetV2 on files, then every class split and three seeds.

    python -m benchmarks.realclips CLIPS --realset DIR --models DIR --work out/realclips --document docs/real-clips.md

CLIPS has a manifest.csv (path, label, split); --realset lends its class splits and its dict of word vectors, nothing
else. Methods: AVGZSLNet with the preset `realset`, least squares with its defaults. Nothing is tuned on these clips;
but the preset was chosen on the validation clips of the feature set, recordings that these clips show again.
"""

import argparse
import statistics
from pathlib import Path

from avgzsl.benchmark import Entry, Result, benchmark
from avgzsl.datasets import class_splits, open_dataset
from avgzsl.datasets.splitting import split
from avgzsl.evaluation import spread
from avgzsl.features.extract import extract
from avgzsl.methods import method_class
from avgzsl.reports.summary import summary_markdown
from benchmarks.tables import put

SEEDS = 3
ENTRIES = {"avgzslnet": "realset", "least-squares": None}


def make_store(clips: Path, features: Path, models: Path, out: Path) -> None:
    """The store, with the class splits of `features`. What is there already is kept."""
    words = features / "features" / "text" / "word_embeddings-dict.npy"
    extract(
        clips,
        out,
        manifest=clips / "manifest.csv",
        audio="yamnet",
        video="mobilenet-v2",
        text=f"dict:{words}",
        models=models,
    )
    for name in class_splits(features):
        if name not in class_splits(out):
            split(out, name=name, like=features / name)


def zsl(results: list[Result], label: str) -> tuple[float, float]:
    """ZSL of the mode both, equal weights: mean and standard deviation over class splits."""
    values: dict[str, list[float]] = {}
    for result in results:
        for row in result.rows:
            if result.label == label and row["task"] == "classification" and row["fusion"] == "equal":
                values.setdefault(result.cell.class_split, []).append(100 * row["ZSL"])
    return spread(values)


def main() -> None:
    """Put the table into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--realset", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--document", type=Path, required=True)
    options = parser.parse_args()
    store = options.work / "store"
    make_store(options.clips, options.realset, options.models, store)
    splits = class_splits(store)
    sets = [open_dataset(store, class_split=name) for name in splits]
    entries = [
        Entry(name, name, dict.fromkeys(splits, method_class(name).preset(preset))) for name, preset in ENTRIES.items()
    ]
    results = benchmark(store, entries, options.work / "bench", seeds=range(SEEDS), calibration="val")
    chance = 100 * statistics.fmean(1 / int((~data.classes.seen).sum()) for data in sets)
    mean, deviation = zsl(results, "avgzslnet")
    sizes = ", ".join(
        f"{name} {statistics.fmean(len(data.splits[name]) for data in sets):.0f}" for name in sets[0].splits
    )
    about = (
        f"ZSL of both (equal weights): {mean:.1f} ± {deviation:.1f} against chance {chance:.1f}, "
        f"{mean / chance:.1f} times. Clips a class split, on average: {sizes}."
    )
    failed = [f"- failed: {r.label}, {r.cell.class_split}, seed {r.cell.seed}: {r.error}" for r in results if r.error]
    put(
        options.document,
        "real-clips",
        "\n".join([summary_markdown(results, "val", "least-squares"), "", about, *failed]),
    )


if __name__ == "__main__":
    main()
