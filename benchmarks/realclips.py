"""Real clips the whole way: YAMNet and MobileNetV2 on files, then every class split and three seeds.

    python -m benchmarks.realclips CLIPS --realset DIR --models DIR --work out/realclips --document docs/real-clips.md
        [--only-agreement]

CLIPS has a manifest.csv (path, label, split, realset_id); --realset lends its class splits and its dict of word
vectors to what is trained; its features are only held against ours (the table `agreement`, which needs no training).
Methods: AVGZSLNet with the preset `realset`, least squares with its defaults. Nothing is tuned on these clips; but the
preset was chosen on the validation clips of the feature set, recordings that these clips show again.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.data.layouts import class_splits, open_dataset
from avgzsl.data.splitting import split
from avgzsl.experiments.benchmark import Entry, benchmark
from avgzsl.experiments.cells import Comparison
from avgzsl.features.extract import extract
from avgzsl.features.feature_store import open_store
from avgzsl.methods import method_class
from avgzsl.reports.summary import summary_markdown
from avgzsl.scores.metrics import spread
from avgzsl.scores.similarity import cosine
from avgzsl.types import MODALITIES, EncoderChoice
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
        encoders=EncoderChoice(audio="yamnet", video="mobilenet-v2", text=f"dict:{words}", models=models),
    )
    for name in class_splits(features):
        if name not in class_splits(out):
            split(out, name=name, unseen=features / name)


def agreement(store: Path, features: Path) -> str:
    """How near our rows are to those of the same recordings in `features`, which other code made; in Markdown."""
    ours, published = open_store(store), open_dataset(features).splits.values()
    ids = np.concatenate([clips.ids for clips in published]).tolist()
    own = torch.tensor([ids.index(name) for name in ours.clips["realset_id"]])
    lines = [
        "| modality | cosine with the own row, median | lowest | with the nearest other, median | own row is nearest |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    about = []
    for modality in MODALITIES:
        rows = torch.cat([clips.feature(modality) for clips in published]).float()  # type: ignore[misc]
        mine, others = nearest(torch.from_numpy(np.array(ours.feature(modality))), rows, own)
        hits = int((mine > others).sum())
        lines.append(
            f"| {modality} | {mine.median():.3f} | {mine.min():.3f} | {others.median():.3f} | "
            f"{hits} of {len(own)}, {100 * hits / len(own):.1f} % |"
        )
        about.append(f"{len(rows) - len(torch.unique(rows, dim=0))} of {modality}")
    return "\n".join([*lines, "", f"Rows among the {len(ids)} that repeat another: {', '.join(about)}."])


def nearest(
    clips: Float[Tensor, "n d"], rows: Float[Tensor, "k d"], own: Tensor
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Each clip's cosine with its own row, and with the nearest row that is not equal to that one."""
    found = cosine(clips, rows)
    mine = found.gather(1, own[:, None]).squeeze(1)
    copies = torch.stack([(rows == row).all(1) for row in rows[own]])
    return mine, found.masked_fill(copies, -1.0).amax(1)


def zsl(results: Comparison, label: str) -> tuple[float, float]:
    """ZSL of the mode both, equal weights: mean and standard deviation over class splits."""
    values: dict[str, list[float]] = {}
    for result in results:
        for row in result.rows:
            if result.label == label and row["task"] == "classification" and row["fusion"] == "equal":
                values.setdefault(result.cell.class_split, []).append(100 * row["ZSL"])
    return spread(values)


def train_and_test(store: Path, work: Path) -> str:
    """Every class split and seed of every method, in Markdown."""
    splits = class_splits(store)
    sets = [open_dataset(store, class_split=name) for name in splits]
    entries = [
        Entry(name, name, dict.fromkeys(splits, method_class(name).preset(preset))) for name, preset in ENTRIES.items()
    ]
    results = benchmark(store, entries, work, seeds=range(SEEDS), calibration="val")
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
    return "\n".join([summary_markdown(results, "val", "least-squares"), "", about, *failed])


def main() -> None:
    """Put the tables into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--realset", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--document", type=Path, required=True)
    parser.add_argument("--only-agreement", action="store_true")
    options = parser.parse_args()
    store = options.work / "store"
    make_store(options.clips, options.realset, options.models, store)
    put(options.document, "agreement", agreement(store, options.realset))
    if not options.only_agreement:
        put(options.document, "real-clips", train_and_test(store, options.work / "bench"))


if __name__ == "__main__":
    main()
