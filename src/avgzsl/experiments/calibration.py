"""What recognition takes from validation clips: each test mode's penalty gamma, and how far off a right class may be.

The penalty is that of calibrated stacking (paper eq. 13). The threshold of a mode is the score that all but REJECTED of
the clips reach whose class is found, each clip's score being that of the class found, without its penalty: a clip
whose best class scores lower is probably of none of the classes.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

from avgzsl.data.clips import Dataset
from avgzsl.errors import DataError, RunError
from avgzsl.experiments.gallery import REJECTED, gallery_of
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import Method
from avgzsl.support.files import write_json
from avgzsl.support.records import read_record

RECOGNITION = "recognition.json"
FORMAT = 1
_REMEDY = "restore it, or remove it and make it anew with `avgzsl train … --resume`"
ModeName = Literal["audio", "video", "both-equal", "both-attention", "both-weighted"]


class ModeRecord(BaseModel):
    """A mode's penalty and threshold, in units of score (higher is nearer); None for what validation could not tell."""

    model_config = ConfigDict(extra="forbid")
    gamma: FiniteFloat | None
    threshold: FiniteFloat | None


class Recognition(BaseModel):
    """The record `recognition.json`: `rejected` is the share of rightly recognised clips beyond the thresholds."""

    model_config = ConfigDict(extra="forbid")
    format: int = FORMAT
    rejected: float = REJECTED
    modes: dict[ModeName, ModeRecord]

    def gammas(self) -> dict[Mode, float]:
        """The penalties there are, by mode."""
        return {_mode(name): record.gamma for name, record in self.modes.items() if record.gamma is not None}

    def thresholds(self) -> dict[Mode, float]:
        """The thresholds there are, by mode."""
        return {_mode(name): record.threshold for name, record in self.modes.items() if record.threshold is not None}


def calibrate_recognition(method: Method, dataset: Dataset) -> Recognition | None:
    """Penalties and thresholds from the validation clips; None without such clips, or without finite scores for them.

    Penalties need validation clips of seen and of unseen classes; thresholds a clip whose class is found.
    """
    val, classes = dataset.splits.get("val"), dataset.classes
    if val is None or not len(val):
        return None
    both_groups = 0 < int(classes.seen[val.labels].sum()) < len(val)
    gallery = gallery_of(method, val, classes)
    modes = gallery.modes
    try:
        gammas = gallery.penalties(modes) if both_groups else {}
        thresholds = gallery.thresholds(modes, gammas)
    except DataError:  # the training diverged: there is nothing to recognise by, and evaluation says so
        return None
    records = {str(mode): ModeRecord(gamma=gammas.get(mode), threshold=thresholds.get(mode)) for mode in modes}
    return Recognition(modes=records)


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
