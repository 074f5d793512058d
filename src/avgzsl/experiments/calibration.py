"""What recognition takes from validation clips: each test mode's penalty gamma, and how far off a right class may be.

The penalty is that of calibrated stacking (paper eq. 13). The threshold of a mode is the score that all but REJECTED of
the clips reach whose class is found, each clip's score being that of the class found, without its penalty: a clip
whose best class scores lower is probably of none of the classes.
"""

from pathlib import Path
from typing import Literal

from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, FiniteFloat
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet, Dataset
from avgzsl.errors import DataError, RunError
from avgzsl.experiments.protocol import Gammas, Mode, modes, penalties, take
from avgzsl.methods import Method
from avgzsl.scores.scoring import predict
from avgzsl.support import records
from avgzsl.support.files import write_json

RECOGNITION = "recognition.json"
FORMAT = 1
REJECTED = 0.05
_REMEDY = "restore it, or remove it and make it anew with `avgzsl train … --resume`"
ModeName = Literal["audio", "video", "both-equal", "both-attention"]


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
        return {_mode(name): one.gamma for name, one in self.modes.items() if one.gamma is not None}

    def thresholds(self) -> dict[Mode, float]:
        """The thresholds there are, by mode."""
        return {_mode(name): one.threshold for name, one in self.modes.items() if one.threshold is not None}


def calibrate_recognition(method: Method, dataset: Dataset) -> Recognition | None:
    """Penalties and thresholds from the validation clips; None without such clips, or without finite scores for them.

    Penalties need validation clips of seen and of unseen classes; thresholds a clip whose class is found.
    """
    val, classes = dataset.splits.get("val"), dataset.classes
    if val is None or not len(val):
        return None
    wanted = modes(method, val)
    both_groups = 0 < int(classes.seen[val.labels].sum()) < len(val)
    try:
        gammas = penalties(method, val, classes, wanted) if both_groups else {}
        thresholds = reject_thresholds(method, val, classes, wanted, gammas)
    except DataError:  # the training diverged: there is nothing to recognise by, and evaluation says so
        return None
    found = {str(mode): ModeRecord(gamma=gammas.get(mode), threshold=thresholds.get(mode)) for mode in wanted}
    return Recognition(modes=found)


def reject_thresholds(
    method: Method, clips: ClipSet, classes: ClassTable, wanted: list[Mode], gammas: Gammas
) -> dict[Mode, float]:
    """The threshold of each mode, on the clips that have all of its modalities; none where no class is found."""
    embeddings, text = method.embed_clips(clips), method.embed_text(classes.text)
    audio, video = embeddings.has_audio, embeddings.has_video
    full = {"audio": audio, "video": video, "both": audio & video}
    thresholds = {}
    for mode in wanted:
        labels = clips.labels[full[mode.modality]]
        scores = method.compare(take(embeddings, full[mode.modality]), text, *mode)
        right = predict(scores, classes.seen, gammas.get(mode, 0.0)) == labels
        if bool(right.any()):
            thresholds[mode] = reject_threshold(scores[right].gather(1, labels[right][:, None]).squeeze(1))
    return thresholds


def reject_threshold(scores: Float[Tensor, " n"]) -> float:
    """The highest of the scores (n >= 1) below which at most the share REJECTED of them lies."""
    return float(scores.double().sort().values[int(REJECTED * len(scores))])


def write_recognition(folder: Path, recognition: Recognition) -> None:
    """Write `recognition.json`."""
    write_json(folder / RECOGNITION, recognition.model_dump(mode="json"))


def read_recognition(folder: Path) -> Recognition | None:
    """The record of a run; None where its validation clips gave none. Raises RunError for one that is damaged."""
    try:
        return records.read_record(
            folder / RECOGNITION, Recognition, "the record of a calibration", _REMEDY, RunError, FORMAT
        )
    except FileNotFoundError:
        return None


def _mode(name: ModeName) -> Mode:
    modality, _, fusion = name.partition("-")
    return Mode(modality, fusion or "equal")  # type: ignore[arg-type]
