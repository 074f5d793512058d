"""A gallery: clips that a method has embedded once, and the classes that they are compared with.

The numbers of a calibration belong to a test mode (modality and fusion), as does a reject threshold; all are found on
the clips that have all of its modalities. In mode `both`, a clip that lacks a modality has those of the one it has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import ModalityError
from avgzsl.experiments.protocol import NOTHING, Mode, ModeNumbers, Numbers, served_modes
from avgzsl.methods import Embeddings, Method, TextEmbeddings
from avgzsl.scores.choosing import Problem
from avgzsl.scores.energy import corrected
from avgzsl.scores.metrics import Classification, Retrieval, classification, retrieval
from avgzsl.scores.scoring import Curve, predict, sweep
from avgzsl.types import MODALITIES

REJECTED = 0.05  # the share of rightly recognised clips that a reject threshold gives up


@dataclass(frozen=True, eq=False)
class Scored:
    """The clips of a mode: their rows in the gallery, scores, labels, and the numbers of a calibration of each."""

    mode: Mode
    rows: Int[Tensor, " m"]
    scores: Float[Tensor, "m c"]
    labels: Int[Tensor, " m"]
    gamma: Float64[Tensor, " m"]
    stretch: Float64[Tensor, " m"]
    energy_share: Float64[Tensor, " m"]
    energy_temperature: Float64[Tensor, " m"]


@dataclass(frozen=True, eq=False)
class Measured:
    """What a mode comes to on a set of clips; `numbers` are the mode's own.

    `corrected` is retrieval less the energy over seen classes; None where no calibration chose how much. `stretched`
    says whether a stretch was asked for, and seen classes were as the method knows them.
    """

    scored: Scored
    numbers: Numbers
    classification: Classification
    retrieval: Retrieval
    corrected: Retrieval | None
    curve: Curve | None
    stretched: bool = False

    @property
    def name(self) -> str:
        """The mode, and the stretch where there is one, as in names of files."""
        return f"{self.scored.mode}-stretched" if self.stretched else str(self.scored.mode)


@dataclass(frozen=True, eq=False)
class Gallery:
    """The embeddings of clips (n), their labels, which count in `classes`, and the embedded `text` of these (c)."""

    method: Method
    embeddings: Embeddings
    labels: Int[Tensor, " n"]
    classes: ClassTable
    text: TextEmbeddings
    stretched: bool = False

    @property
    def modes(self) -> list[Mode]:
        """Every test mode that the method serves and some clip can be tested in."""
        return served_modes(self.method, [m for m in MODALITIES if bool(self.embeddings.has(m).any())])

    def to_stretch(self) -> "Gallery":
        """The same clips, and seen classes as the method knows them, which may be more than their text."""
        text = self.method.embed_classes(self.classes.text, self.classes.seen.cpu()).to(self.labels.device)
        return replace(self, text=text, stretched=True)

    def complete(self, mode: Mode, weight: float | None = None) -> Problem | None:
        """Scores and labels of the clips that have all of the mode's modalities; None where no clip has."""
        has = self.embeddings.has(mode.modality)
        if not bool(has.any()):
            return None
        scores = self.method.compare(self.embeddings.where(has), self.text, *mode, weight)
        return Problem(scores, self.labels[has], self.classes.seen)

    def thresholds(self, modes: Sequence[Mode], numbers: ModeNumbers) -> dict[Mode, float]:
        """The reject threshold of each mode; none where no clip's class is found."""
        thresholds = {}
        for mode, chosen, (scores, labels, seen) in self._completes(modes, numbers):
            right = predict(scores, seen, chosen.gamma, chosen.stretch) == labels
            if bool(right.any()):
                thresholds[mode] = reject_threshold(scores[right].gather(1, labels[right][:, None]).squeeze(1))
        return thresholds

    def score(self, mode: Mode, numbers: ModeNumbers) -> Scored:
        """Score the clips that can be tested in the mode. Raises ModalityError where there is none."""
        usable = self.embeddings.scorable(mode.modality)
        if not bool(usable.any()):
            raise ModalityError(f"no clip to test on {mode.modality}: none of {len(self.labels)} has that modality")
        clips, own = self.embeddings.where(usable), numbers.get(mode, NOTHING)
        scores = self.method.compare(clips, self.text, *mode, own.weight)

        def of_clips(name: str) -> Float64[Tensor, " m"]:
            values = torch.full((len(clips),), getattr(own, name), dtype=torch.float64, device=scores.device)
            if mode.modality == "both":
                for modality in MODALITIES:
                    alone = clips.has(modality) & ~clips.has("both")
                    values[alone] = getattr(numbers.get(Mode(modality, "equal"), NOTHING), name)
            return values

        each = (of_clips(name) for name in ("gamma", "stretch", "energy_share", "energy_temperature"))
        return Scored(mode, usable.nonzero().squeeze(1), scores, self.labels[usable], *each)

    def measure(self, modes: Sequence[Mode], numbers: ModeNumbers, seed: int = 0) -> list[Measured]:
        """Classification and retrieval in each mode; `seed` orders ties in retrieval. Raises as `score`."""
        return [self.measured(self.score(mode, numbers), numbers.get(mode), seed) for mode in modes]

    def classify(self, scored: Scored) -> Classification:
        """Classification alone."""
        return classification(scored.scores, scored.labels, self.classes.seen, scored.gamma, scored.stretch)

    def measured(self, scored: Scored, numbers: Numbers | None, seed: int = 0) -> Measured:
        """What scored clips come to; `numbers` are those of their mode, None where no calibration chose any."""
        seen, (scores, labels) = self.classes.seen, (scored.scores, scored.labels)
        two_groups = 0 < int(seen.sum()) < len(seen)
        moved = corrected(scores, seen, scored.energy_share, scored.energy_temperature)
        return Measured(
            scored,
            numbers or NOTHING,
            self.classify(scored),
            retrieval(scores, labels, seen, seed),
            None if numbers is None else retrieval(moved, labels, seen, seed),
            sweep(scores, labels, seen, scored.gamma, scored.stretch) if two_groups else None,
            self.stretched,
        )

    def _completes(self, modes: Sequence[Mode], numbers: ModeNumbers) -> Iterator[tuple[Mode, Numbers, Problem]]:
        for mode in modes:
            own = numbers.get(mode, NOTHING)
            problem = self.complete(mode, own.weight)
            if problem is not None:
                yield mode, own, problem


def gallery_of(method: Method, clips: ClipSet, classes: ClassTable) -> Gallery:
    """Embed clips and the classes in which their labels count; scores are then made where the embeddings lie."""
    embeddings, text = method.embed_clips(clips), method.embed_text(classes.text)
    at = embeddings.has_audio.device
    marked = replace(classes, seen=classes.seen.to(at))
    return Gallery(method, embeddings, clips.labels.to(at), marked, text.to(at))


def reject_threshold(scores: Float[Tensor, " n"]) -> float:
    """The highest of the scores (n >= 1) below which at most the share REJECTED of them lies."""
    return float(scores.double().sort().values[int(REJECTED * len(scores))])
