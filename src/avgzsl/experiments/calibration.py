"""What recognition takes from validation clips: the numbers of each test mode, and how far off a right class may be.

The penalty gamma is that of calibrated stacking (paper eq. 13); the energy is for retrieval by name. The threshold of a
mode is the score that all but REJECTED of the clips reach whose class is found, each clip's score being that of the
class found, without its penalty: a clip whose best class scores lower is probably of none of the classes.

The lines of likely hits (`scores.evidence`) are chosen with names as phrases that are there, each asked of all
validation clips. Phrases that are not there are the bank's, and, as near misses, the same names asked of the clips of
all other classes.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt
from torch import Tensor

from avgzsl.data.clips import Dataset
from avgzsl.errors import DataError, RunError
from avgzsl.experiments.gallery import REJECTED, Gallery, gallery_of
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import NOTHING, Mode, ModeNumbers, Numbers
from avgzsl.methods import Method, TextEmbeddings
from avgzsl.scores.evidence import Lines, choose_found, choose_share, first_evidence, z_evidence
from avgzsl.support.files import write_json
from avgzsl.support.records import read_record

RECOGNITION = "recognition.json"
FORMAT = 1
LEAST_CLASSES = 5  # with validation clips: fewer names say little of where a line belongs
_REMEDY = "restore it, or remove it and make it anew with `avgzsl train … --resume`"
ModeName = Literal["audio", "video", "both-equal", "both-attention", "both-weighted"]


class ModeRecord(BaseModel):
    """A mode's numbers and threshold, gamma, threshold and temperature in units of score (higher is nearer).

    Gamma or threshold is None where validation could not tell. Records from before there were more have these two.
    """

    model_config = ConfigDict(extra="forbid")
    gamma: FiniteFloat | None
    threshold: FiniteFloat | None
    stretch: FiniteFloat = Field(default=NOTHING.stretch, gt=-1)
    weight: float | None = Field(default=NOTHING.weight, ge=0, le=1)
    energy_share: float = Field(default=NOTHING.energy_share, ge=0, le=1)
    energy_temperature: FiniteFloat = Field(default=NOTHING.energy_temperature, gt=0)

    @property
    def numbers(self) -> Numbers | None:
        """None where validation could not tell."""
        if self.gamma is None:
            return None
        return Numbers(self.gamma, self.stretch, self.weight, self.energy_share, self.energy_temperature)


class LinesRecord(BaseModel):
    """The lines of likely hits in a mode, as chosen on so many clips; what else they are is the method's."""

    model_config = ConfigDict(extra="forbid")
    found: FiniteFloat
    share: FiniteFloat
    clips: PositiveInt


class Recognition(BaseModel):
    """The record `recognition.json`: `rejected` is the share of rightly recognised clips beyond the thresholds.

    `lines` has the modes in which lines of likely hits could be chosen.
    """

    model_config = ConfigDict(extra="forbid")
    format: int = FORMAT
    rejected: float = REJECTED
    modes: dict[ModeName, ModeRecord]
    lines: dict[ModeName, LinesRecord] = {}

    def numbers(self) -> dict[Mode, Numbers]:
        """The numbers there are, by mode."""
        return {_mode(name): one for name, record in self.modes.items() if (one := record.numbers) is not None}

    def thresholds(self) -> dict[Mode, float]:
        """The thresholds there are, by mode."""
        return {_mode(name): record.threshold for name, record in self.modes.items() if record.threshold is not None}

    def lines_of(self, mode: Mode, method: Method) -> Lines:
        """The lines of a mode, by default those of the method."""
        chosen = {_mode(name): record for name, record in self.lines.items()}.get(mode)
        return method.lines if chosen is None else replace(method.lines, **chosen.model_dump())


def calibrate_recognition(method: Method, dataset: Dataset, gallery: Gallery | None = None) -> Recognition | None:
    """Numbers and thresholds from the validation clips; None without such clips, or without finite scores for them.

    Numbers need validation clips of seen and of unseen classes; thresholds a clip whose class is found. `gallery` has
    these clips as the method embeds them, where they are at hand.
    """
    val, classes = dataset.splits.get("val"), dataset.classes
    if val is None or not len(val):
        return None
    both_groups = classes.both_groups(val.labels)
    gallery = gallery or gallery_of(method, val, classes)
    modes = gallery.modes
    try:
        numbers = choose_numbers([gallery] if both_groups else [], modes)
        thresholds = gallery.thresholds(modes, numbers)
    except DataError:  # the training diverged: there is nothing to recognise by, and evaluation says so
        return None
    return Recognition(modes={str(mode): _record(numbers.get(mode), thresholds.get(mode)) for mode in modes})


def _record(numbers: Numbers | None, threshold: float | None) -> ModeRecord:
    if numbers is None:
        return ModeRecord(gamma=None, threshold=threshold)
    return ModeRecord(threshold=threshold, **asdict(numbers))


def lines_by_mode(gallery: Gallery, bank: TextEmbeddings, numbers: ModeNumbers) -> dict[ModeName, LinesRecord]:
    """The lines of each mode in which clips of at least LEAST_CLASSES can be scored."""
    lines: dict[ModeName, LinesRecord] = {}
    for mode in gallery.modes:
        scored = gallery.score(mode, numbers)
        there = scored.labels.unique()
        if len(there) >= LEAST_CLASSES and bool(scored.scores.isfinite().all()):
            clips = gallery.embeddings.where(gallery.embeddings.scorable(mode.modality))
            of_bank = gallery.method.compare(clips, bank, *mode, numbers.get(mode, NOTHING).weight)
            right = scored.labels[:, None] == there
            found, share = _choose(scored.scores[:, there], right, of_bank, gallery.method.absolute)
            lines[str(mode)] = LinesRecord(found=found, share=share, clips=len(clips))  # type: ignore[index]
    return lines


def _choose(
    names: Float[Tensor, "n q"], right: Bool[Tensor, "n q"], bank: Float[Tensor, "n b"], absolute: bool
) -> tuple[float, float]:
    """The line found and the share, from scores of names that are there, with which clips are theirs, and the bank's.

    Of scores that are evidence themselves nothing is held against the bank.
    """

    def first(scores: Float[Tensor, "m q"], against: Float[Tensor, "m b"]) -> Float[Tensor, " q"]:
        return scores.amax(0).double() if absolute else first_evidence(scores, against)

    others = [(names[~right[:, q], q : q + 1], bank[~right[:, q]]) for q in range(names.shape[1])]
    near = torch.cat([first(*clips) for clips in others])
    found = choose_found(first(names, bank), first(bank, bank), near)
    evidence = [
        column.double() if absolute else z_evidence(column, bank[int(column.argmax())]) for column in names.unbind(1)
    ]
    return found, choose_share(list(zip(evidence, right.unbind(1), strict=True)))


def write_recognition(folder: Path, recognition: Recognition) -> None:
    """Write `recognition.json`."""
    without: set[str] = set() if recognition.lines else {"lines"}
    write_json(folder / RECOGNITION, recognition.model_dump(mode="json", exclude=without))


def read_recognition(folder: Path) -> Recognition | None:
    """The record of a run; None where its validation clips gave none. Raises RunError for one that is damaged."""
    try:
        return read_record(folder / RECOGNITION, Recognition, "the record of a calibration", _REMEDY, RunError, FORMAT)
    except FileNotFoundError:
        return None


def _mode(name: ModeName) -> Mode:
    modality, _, fusion = name.partition("-")
    return Mode(modality, fusion or "equal")  # type: ignore[arg-type]
