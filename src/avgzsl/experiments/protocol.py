"""The generalized zero-shot protocol: which clips are scored on which modality, with which penalty gamma.

A penalty belongs to a test mode (modality and fusion). A clip that lacks a modality is scored, in mode `both`, by the
one it has and with that one's penalty; in mode `audio` or `video` only the clips that have it are tested.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from avgzsl.data.clips import ClassTable, ClipSet, restrict
from avgzsl.errors import DataError, ModalityError
from avgzsl.learning.training import Job
from avgzsl.methods import Embeddings, Method
from avgzsl.scores.metrics import Classification, Retrieval, classification, retrieval
from avgzsl.scores.scoring import Curve, calibrate, sweep
from avgzsl.types import MODALITIES, Fusion, TestModality


class Mode(NamedTuple):
    """How clips are tested."""

    modality: TestModality
    fusion: Fusion

    def __str__(self) -> str:
        return f"{self.modality}-{self.fusion}" if self.modality == "both" else self.modality


Gammas = Mapping[Mode, float]


@dataclass(frozen=True, eq=False)
class Scored:
    """The clips of a mode: their rows in the tested set, scores, labels, and the penalty of each."""

    mode: Mode
    rows: Int[Tensor, " m"]
    scores: Float[Tensor, "m c"]
    labels: Int[Tensor, " m"]
    gamma: Float[Tensor, " m"]


@dataclass(frozen=True, eq=False)
class Measured:
    """What a mode comes to on a set of clips; `gamma` is the mode's own penalty."""

    scored: Scored
    gamma: float
    classification: Classification
    retrieval: Retrieval
    curve: Curve | None


def modes(method: Method, clips: ClipSet) -> list[Mode]:
    """Every test mode that the method serves and some clip can be tested in."""
    there = {m for m in MODALITIES if bool(clips.has(m).any())}
    found = [Mode(m, "equal") for m in MODALITIES if m in method.modalities and m in there]
    if "both" in method.modalities and len(there) == 2:
        found += [Mode("both", fusion) for fusion in method.fusions]
    return found


def penalties(method: Method, clips: ClipSet, classes: ClassTable, wanted: list[Mode]) -> dict[Mode, float]:
    """The best-HM penalty of each mode, on the clips that have all of its modalities (calibrated stacking).

    The single modalities' penalties come along where mode `both` is wanted, for clips that lack one. Raises DataError
    when there are no labelled clips of seen and of unseen classes.
    """
    embeddings, text = method.embed_clips(clips), method.embed_text(classes.text)
    alone = [Mode(m, "equal") for m in MODALITIES if m in method.modalities]
    both = any(mode.modality == "both" for mode in wanted)
    gammas = {}
    for mode in dict.fromkeys([*wanted, *(alone if both else [])]):
        full = _full(embeddings, mode)
        if bool(full.any()):
            scores = method.compare(take(embeddings, full), text, *mode)
            gammas[mode] = calibrate(scores, clips.labels[full], classes.seen)
    return gammas


def measure(
    method: Method, clips: ClipSet, classes: ClassTable, wanted: list[Mode], gammas: Gammas, seed: int = 0
) -> list[Measured]:
    """Classification and retrieval in each mode; `seed` orders ties in retrieval."""
    embeddings, text = method.embed_clips(clips), method.embed_text(classes.text)
    return [
        _measure(score(method, embeddings, text, clips.labels, mode, gammas), classes, gammas, seed) for mode in wanted
    ]


def score(
    method: Method,
    embeddings: Embeddings,
    text: Float[Tensor, "c d"],
    labels: Int[Tensor, " n"],
    mode: Mode,
    gammas: Gammas,
) -> Scored:
    """Score the clips that can be tested in the mode. Raises ModalityError where there is none."""
    usable = _full(embeddings, mode) if mode.modality != "both" else embeddings.has_audio | embeddings.has_video
    if not bool(usable.any()):
        raise ModalityError(f"no clip to test on {mode.modality}: none of {len(labels)} has that modality")
    part = take(embeddings, usable)
    gamma = torch.full((len(part.has_audio),), gammas.get(mode, 0.0), dtype=torch.float64)
    if mode.modality == "both":
        for lacking, other in ((~part.has_video, "audio"), (~part.has_audio, "video")):
            gamma[lacking] = gammas.get(Mode(other, "equal"), 0.0)  # type: ignore[arg-type]
    return Scored(mode, usable.nonzero().squeeze(1), method.compare(part, text, *mode), labels[usable], gamma)


def pseudo_unseen_folds(
    train: ClipSet, val: ClipSet, classes: ClassTable, folds: int, seed: int
) -> Iterator[tuple[ClipSet, ClassTable, ClipSet, ClassTable]]:
    """Per fold: training clips and classes without some held-out seen classes, validation clips of all seen classes,
    and these classes with the held-out ones marked as unseen.

    Each fold holds out as many other seen classes as keeps the proportion of unseen ones. `train`, `val` and `classes`
    hold all classes; only seen ones are used. Raises DataError when too few classes are seen.
    """
    seen = classes.seen.nonzero().squeeze(1)
    held = max(1, round(len(seen) * (len(classes) - len(seen)) / len(classes)))
    if len(seen) - held < 2:
        raise DataError(f"pseudo-unseen classes need at least 3 seen classes, there are {len(seen)}; use val or none")
    order = seen[torch.randperm(len(seen), generator=Generator().manual_seed(seed))]
    val_clips, val_classes = restrict(val, classes, classes.seen)
    for chunk in [chunk for chunk in order.split(held) if len(chunk) == held][:folds]:
        kept = classes.seen.clone()
        kept[chunk] = False
        yield *restrict(train, classes, kept), val_clips, dataclasses.replace(val_classes, seen=kept[seen])


def pseudo_unseen_penalties(
    method: Method,
    train: ClipSet,
    val: ClipSet,
    classes: ClassTable,
    wanted: list[Mode],
    job: Job,
    folds: int = 3,
    told: Callable[[int, int], None] | None = None,
) -> dict[Mode, float]:
    """Penalties that use no label of an unseen class: the mean over `pseudo_unseen_folds`.

    In each a copy of the method is fitted and calibrated. `told` hears folds done and in all. Raises DataError.
    """
    divisions = list(pseudo_unseen_folds(train, val, classes, folds, job.seed))
    found: dict[Mode, list[float]] = {}
    for done, (train_clips, train_classes, val_clips, val_classes) in enumerate(divisions):
        copy = dataclasses.replace(method).fit(train_clips, train_classes, job)  # type: ignore[type-var]
        for mode, gamma in penalties(copy, val_clips, val_classes, wanted).items():
            found.setdefault(mode, []).append(gamma)
        if told is not None:
            told(done + 1, len(divisions))
    return {mode: sum(values) / len(values) for mode, values in found.items()}


def take(embeddings: Embeddings, keep: Bool[Tensor, " n"]) -> Embeddings:
    """The embeddings of the clips in `keep`."""
    if bool(keep.all()):
        return embeddings
    values = {field.name: getattr(embeddings, field.name) for field in dataclasses.fields(embeddings)}
    kept: dict[str, Any] = {name: None if value is None else value[keep] for name, value in values.items()}
    return Embeddings(**kept)


def _full(embeddings: Embeddings, mode: Mode) -> Bool[Tensor, " n"]:
    """Clips that have every modality of the mode."""
    if mode.modality == "both":
        return embeddings.has_audio & embeddings.has_video
    return embeddings.has_audio if mode.modality == "audio" else embeddings.has_video


def _measure(scored: Scored, classes: ClassTable, gammas: Gammas, seed: int) -> Measured:
    seen = classes.seen
    return Measured(
        scored,
        gammas.get(scored.mode, 0.0),
        classification(scored.scores, scored.labels, seen, scored.gamma),
        retrieval(scored.scores, scored.labels, seen, seed),
        sweep(scored.scores, scored.labels, seen, scored.gamma) if 0 < int(seen.sum()) < len(seen) else None,
    )
