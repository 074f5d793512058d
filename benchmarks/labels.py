"""Search without training on real clips: two taggers and a sentence encoder, names as queries, and what is not there.

    python -m benchmarks.labels CLIPS --models DIR [--work out/labels] [--document docs/real-clips.md]

CLIPS has a manifest.csv; its labels are the queries, and say which clips are right: no label takes part in a score. The
stores are kept in --work. --document gets the tables between the marks `label-search` and `label-evidence`. The phrases
that are not there were written down before any of them was tried.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from sklearn.metrics import roc_auc_score
from torch import Tensor

from avgzsl import backbones
from avgzsl.features.extract import extract
from avgzsl.features.feature_store import Store, open_store
from avgzsl.scores.label_mix import (
    FEW_LABELS,
    FOUND,
    PERHAPS,
    LabelWeights,
    clip_roots,
    clip_scores,
    fused_scores,
    label_weights,
    video_share,
)
from avgzsl.scores.metrics import average_precision
from avgzsl.text import encoders
from avgzsl.text.base import TextEncoder
from avgzsl.text.labels import LabelText, encode_labels
from avgzsl.types import MODALITIES, EncoderChoice, Modality, TestModality
from benchmarks.tables import put

TAGGERS = {
    "the stored features through the last layer": ("yamnet", "mobilenet-v2"),
    "the mean of the probabilities": ("yamnet-labels", "mobilenet-v2-labels"),
}
WORDS = {"audio": "sound", "video": "picture", "both": "both"}
ABSENT = (
    *("church bell", "telephone ringing", "thunderstorm", "train passing", "knocking on a door", "vacuum cleaner"),
    *("typing on a keyboard", "baby crying", "people laughing", "crowd applauding", "fireworks", "chainsaw"),
    *("toilet flushing", "police siren", "rain falling", "glass breaking", "clock ticking", "footsteps on gravel"),
    *("frying food", "hammering nails", "motorcycle", "coughing", "brushing teeth"),
)
NEAR = (
    *("goat bleating", "waterfall", "horse neighing", "wolf howling", "duck quacking", "owl hooting"),
    *("bee buzzing", "airplane", "playing cello", "playing trumpet", "playing harp", "tiger roaring"),
)
NONSENSE = ("xyzzy", "asdf qwer", "blorptang", "lorem ipsum", "zzz 42", "quarterly tax return")


class Tagged(NamedTuple):
    """Clips of one modality: roots of their probabilities, which clips have it, and the labels in words."""

    roots: Float[Tensor, "n k"]
    has: Bool[Tensor, " n"]
    labels: LabelText


class Found(NamedTuple):
    """Scores of clips for phrases, by what is looked at, and how well the best label of all fits each phrase."""

    scores: dict[TestModality, Float[Tensor, "n q"]]
    fit: Float[Tensor, " q"]


def make_store(clips: Path, models: Path, work: Path, audio: str, video: str) -> Store:
    """The store of two taggers; what is there already is kept."""
    out = work / f"{audio}+{video}"
    choice = EncoderChoice(audio=audio, video=video, models=models)
    extract(clips, out, manifest=clips / "manifest.csv", encoders=choice)
    return open_store(out)


def tag(store: Store, models: Path, encoder: TextEncoder) -> dict[Modality, Tagged]:
    """The clips of a store by the labels of its own backbones."""
    tagged: dict[Modality, Tagged] = {}
    for modality in MODALITIES:
        record, features = store.record.encoders[modality], store.feature(modality)
        tagger = backbones.load_tagger(record.spec, modality, models=models)
        if tagger is None or features is None:
            raise ValueError(f"{store.folder}: its {modality} is of {record.spec}, which has no labels")
        has = torch.tensor(store.clips[f"has_{modality}"])
        roots = clip_roots(tagger.probabilities(torch.tensor(features)))
        tagged[modality] = Tagged(roots, has, encode_labels(tagger.labels, encoder))
    return tagged


def search(phrases: Sequence[str], tagged: Mapping[Modality, Tagged], encoder: TextEncoder) -> Found:
    """S of every clip for every phrase: of sound alone, of the picture alone, of both."""
    vectors = encoder.encode(phrases)
    weights: dict[Modality, LabelWeights] = {
        modality: label_weights(vectors, *clips.labels) for modality, clips in tagged.items()
    }
    alone = {modality: clip_scores(clips.roots, weights[modality].weights) for modality, clips in tagged.items()}
    both = fused_scores(
        alone["audio"],
        alone["video"],
        tagged["audio"].has,
        tagged["video"].has,
        video_share(weights["audio"].kappa, weights["video"].kappa),
    )
    fit = torch.maximum(weights["audio"].kappa, weights["video"].kappa)
    return Found({"audio": alone["audio"], "video": alone["video"], "both": both}, fit)


def precision_at_5(scores: Float[Tensor, "n q"], labels: Int[Tensor, " n"]) -> float:
    """The share of right clips among the first five, a mean over the queries."""
    first = labels[scores.topk(5, dim=0).indices]
    return float((first == torch.arange(scores.shape[1])).double().mean())


def quality(found: Mapping[str, Found], labels: Int[Tensor, " n"]) -> str:
    """Mean average precision and P@5 of the names as queries, in Markdown."""
    lines = ["| a clip's probabilities | sound | picture | both |", "| --- | ---: | ---: | ---: |"]
    for name, one in found.items():
        cells = [
            f"{float(average_precision(scores, labels).mean()):.3f} / {precision_at_5(scores, labels):.2f}"
            for scores in one.scores.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def evidence(there: Found, groups: Mapping[str, tuple[Sequence[str], Found]]) -> str:
    """The score of the first hit of phrases that are there against those of others, in Markdown."""
    lines = [
        f"| phrases | number | area under ROC: {', '.join(WORDS.values())} | first hit, median | "
        f"found (from {FOUND:.2f}) | ... and a label fits (from {FEW_LABELS:.2f}) | perhaps (from {PERHAPS:.2f}) |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    own = {modality: scores.amax(0) for modality, scores in there.scores.items()}
    for name, (phrases, one) in {"the names that are there": ((), there), **groups}.items():
        first = {modality: scores.amax(0) for modality, scores in one.scores.items()}
        areas = ", ".join(f"{area(own[modality], first[modality]):.3f}" for modality in first) if phrases else "–"
        both = first["both"]
        is_found, is_perhaps = both >= FOUND, (both >= PERHAPS) & (both < FOUND)
        lines.append(
            f"| {name} | {len(both)} | {areas} | {both.median():.2f} | "
            f"{100 * is_found.double().mean():.0f} % | "
            f"{100 * (is_found & (one.fit >= FEW_LABELS)).double().mean():.0f} % | "
            f"{100 * is_perhaps.double().mean():.0f} % |"
        )
    for name, (phrases, one) in groups.items():
        wrong = [f"{p} {float(e):.2f}" for p, e in zip(phrases, one.scores["both"].amax(0), strict=True) if e >= FOUND]
        lines += ["", f"Found of {name}: {', '.join(wrong) or 'none'}."]
    return "\n".join(lines)


def area(there: Float[Tensor, " p"], others: Float[Tensor, " a"]) -> float:
    """The area under the ROC curve: how often a phrase that is there has more evidence than another one."""
    truth = [1] * len(there) + [0] * len(others)
    return float(roc_auc_score(truth, torch.cat([there, others]).tolist()))


def main() -> None:
    """Print the tables, and put them into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("out/labels"))
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    encoder = encoders.load("minilm")
    stores = {name: make_store(options.clips, options.models, options.work, *pair) for name, pair in TAGGERS.items()}
    tagged = {name: tag(store, options.models, encoder) for name, store in stores.items()}
    # the order of the rows is that of the manifest, the same in both stores
    of_clips = next(iter(stores.values())).clips["label"]
    names = sorted(set(of_clips))
    labels = torch.tensor([names.index(label) for label in of_clips])
    found = {name: search(names, clips, encoder) for name, clips in tagged.items()}
    first = next(iter(tagged))
    groups = {
        name: (phrases, search(phrases, tagged[first], encoder))
        for name, phrases in (("names that are not", ABSENT), ("near misses", NEAR), ("nonsense", NONSENSE))
    }
    tables = {"label-search": quality(found, labels), "label-evidence": evidence(found[first], groups)}
    for mark, table in tables.items():
        print(f"{table}\n")
        if options.document:
            put(options.document, mark, table)


if __name__ == "__main__":
    main()
