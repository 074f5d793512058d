"""A gallery: clips that a method has embedded once, and the classes that they are compared with.

A penalty belongs to a test mode (modality and fusion), as does a reject threshold; both are found on the clips that
have all of its modalities. In mode `both`, a clip that lacks a modality has the penalty of the one it has.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import ModalityError
from avgzsl.experiments.protocol import Gammas, Mode, choose_modes, served_modes
from avgzsl.methods import Embeddings, Method, TextEmbeddings
from avgzsl.scores.metrics import Classification, Retrieval, classification, retrieval
from avgzsl.scores.scoring import Curve, calibrate, predict, sweep
from avgzsl.types import MODALITIES

REJECTED = 0.05  # the share of rightly recognised clips that a reject threshold gives up


@dataclass(frozen=True, eq=False)
class Scored:
    """The clips of a mode: their rows in the gallery, scores, labels, and the penalty of each."""

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


@dataclass(frozen=True, eq=False)
class Gallery:
    """The embeddings of clips (n), their labels, which count in `classes`, and the embedded `text` of these (c)."""

    method: Method
    embeddings: Embeddings
    labels: Int[Tensor, " n"]
    classes: ClassTable
    text: TextEmbeddings

    @property
    def modes(self) -> list[Mode]:
        """Every test mode that the method serves and some clip can be tested in."""
        return served_modes(self.method, [m for m in MODALITIES if bool(self.embeddings.has(m).any())])

    def penalties(self, modes: Sequence[Mode]) -> dict[Mode, float]:
        """The penalty with the best HM of each mode that some clip has in full (calibrated stacking).

        The single modalities' penalties come along where mode `both` is asked for, for clips that lack one. Raises
        DataError when there are no clips of seen, or none of unseen classes.
        """
        alone = [mode for mode in self.modes if mode.modality != "both"]
        both = any(mode.modality == "both" for mode in modes)
        gammas = {}
        for mode, scores, labels in self._complete(dict.fromkeys([*modes, *(alone if both else [])])):
            gammas[mode] = calibrate(scores, labels, self.classes.seen)
        return gammas

    def thresholds(self, modes: Sequence[Mode], gammas: Gammas) -> dict[Mode, float]:
        """The reject threshold of each mode; none where no clip's class is found."""
        thresholds = {}
        for mode, scores, labels in self._complete(modes):
            right = predict(scores, self.classes.seen, gammas.get(mode, 0.0)) == labels
            if bool(right.any()):
                thresholds[mode] = reject_threshold(scores[right].gather(1, labels[right][:, None]).squeeze(1))
        return thresholds

    def score(self, mode: Mode, gammas: Gammas) -> Scored:
        """Score the clips that can be tested in the mode. Raises ModalityError where there is none."""
        usable = self.embeddings.scorable(mode.modality)
        if not bool(usable.any()):
            raise ModalityError(f"no clip to test on {mode.modality}: none of {len(self.labels)} has that modality")
        clips = self.embeddings.where(usable)
        gamma = torch.full((len(clips),), gammas.get(mode, 0.0), dtype=torch.float64)
        if mode.modality == "both":
            for modality in MODALITIES:
                gamma[clips.has(modality) & ~clips.has("both")] = gammas.get(Mode(modality, "equal"), 0.0)
        scores = self.method.compare(clips, self.text, *mode)
        return Scored(mode, usable.nonzero().squeeze(1), scores, self.labels[usable], gamma)

    def measure(self, modes: Sequence[Mode], gammas: Gammas, seed: int = 0) -> list[Measured]:
        """Classification and retrieval in each mode; `seed` orders ties in retrieval. Raises as `score`."""
        seen = self.classes.seen
        return [
            Measured(
                scored,
                gammas.get(scored.mode, 0.0),
                classification(scored.scores, scored.labels, seen, scored.gamma),
                retrieval(scored.scores, scored.labels, seen, seed),
                sweep(scored.scores, scored.labels, seen, scored.gamma) if 0 < int(seen.sum()) < len(seen) else None,
            )
            for scored in (self.score(mode, gammas) for mode in modes)
        ]

    def _complete(self, modes: Iterable[Mode]) -> Iterator[tuple[Mode, Float[Tensor, "m c"], Int[Tensor, " m"]]]:
        """Each mode with the scores and labels of the clips that have all of its modalities, if there are any."""
        for mode in modes:
            complete = self.embeddings.has(mode.modality)
            if bool(complete.any()):
                clips = self.embeddings.where(complete)
                yield mode, self.method.compare(clips, self.text, *mode), self.labels[complete]


def gallery_of(method: Method, clips: ClipSet, classes: ClassTable) -> Gallery:
    """Embed clips and the classes in which their labels count."""
    return Gallery(method, method.embed_clips(clips), clips.labels, classes, method.embed_text(classes.text))


def validate(method: Method, clips: ClipSet, classes: ClassTable) -> Classification:
    """How well clips are classified in the fullest mode with equal weights, at the penalty that is best for them.

    Raises DataError as `penalties`, ModalityError when the clips can be tested in no mode.
    """
    gallery = gallery_of(method, clips, classes)
    modes = choose_modes(method, gallery.modes, None, None, "validation clips")
    mode = [mode for mode in modes if mode.fusion == "equal"][-1]
    (measured,) = gallery.measure([mode], gallery.penalties([mode]))
    return measured.classification


def reject_threshold(scores: Float[Tensor, " n"]) -> float:
    """The highest of the scores (n >= 1) below which at most the share REJECTED of them lies."""
    return float(scores.double().sort().values[int(REJECTED * len(scores))])
