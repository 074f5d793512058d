"""What recognition takes from validation clips: the numbers of each test mode, and how far off a right class may be.

The penalty gamma is that of calibrated stacking (paper eq. 13); the energy is for retrieval by name. The threshold of a
mode is the score that all but REJECTED of the clips reach whose class is found, each clip's score being that of the
class found, without its penalty: a clip whose best class scores lower is probably of none of the classes.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from avgzsl.data.clips import Dataset
from avgzsl.errors import DataError, RunError
from avgzsl.experiments.gallery import REJECTED, gallery_of
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import NOTHING, Mode, Numbers
from avgzsl.methods import Method
from avgzsl.support.files import write_json
from avgzsl.support.records import read_record

RECOGNITION = "recognition.json"
FORMAT = 1
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


class Recognition(BaseModel):
    """The record `recognition.json`: `rejected` is the share of rightly recognised clips beyond the thresholds."""

    model_config = ConfigDict(extra="forbid")
    format: int = FORMAT
    rejected: float = REJECTED
    modes: dict[ModeName, ModeRecord]

    def numbers(self) -> dict[Mode, Numbers]:
        """The numbers there are, by mode."""
        return {_mode(name): one for name, record in self.modes.items() if (one := record.numbers) is not None}

    def thresholds(self) -> dict[Mode, float]:
        """The thresholds there are, by mode."""
        return {_mode(name): record.threshold for name, record in self.modes.items() if record.threshold is not None}


def calibrate_recognition(method: Method, dataset: Dataset) -> Recognition | None:
    """Numbers and thresholds from the validation clips; None without such clips, or without finite scores for them.

    Numbers need validation clips of seen and of unseen classes; thresholds a clip whose class is found.
    """
    val, classes = dataset.splits.get("val"), dataset.classes
    if val is None or not len(val):
        return None
    both_groups = 0 < int(classes.seen[val.labels].sum()) < len(val)
    gallery = gallery_of(method, val, classes)
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


def write_recognition(folder: Path, recognition: Recognition) -> None:
    """Write `recognition.json`."""
    write_json(folder / RECOGNITION, recognition.model_dump(mode="json"))


def read_recognition(folder: Path) -> Recognition | None:
    """The record of a run; None where its validation clips gave none. Raises RunError for one that is damaged."""
    try:
        return read_record(folder / RECOGNITION, Recognition, "the record of a calibration", _REMEDY, RunError, FORMAT)
    except FileNotFoundError:
        return None


def _mode(name: ModeName) -> Mode:
    modality, _, fusion = name.partition("-")
    return Mode(modality, fusion or "equal")  # type: ignore[arg-type]
