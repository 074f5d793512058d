"""One fit of a method and what it is worth: a cell of the benchmark, a trial of the tuning.

What is computed here hangs on this module and on what it imports (`code_version`), so nothing else belongs here.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from avgzsl.data.clips import Dataset
from avgzsl.errors import DataError
from avgzsl.experiments.gallery import Gallery, Measured, gallery_of, validate
from avgzsl.experiments.jobs import job_of
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.pseudo_unseen import FOLDS, Fold, pseudo_unseen_folds, pseudo_unseen_penalties
from avgzsl.methods import MethodChoice, build
from avgzsl.scores.metrics import Classification, Retrieval
from avgzsl.support.progress import Progress
from avgzsl.types import Calibration

Judge = Literal["pseudo-unseen", "val"]


def tested(
    dataset: Dataset, method: MethodChoice, settings: Mapping[str, Any], seed: int, calibration: Calibration
) -> list[dict[str, Any]]:
    """Fit the method and test it in every mode that it and the clips allow; rows as in `results.json`."""
    fitted = build(method, settings=settings).fit(*dataset.training(), job_of(dataset, seed))
    gallery = gallery_of(fitted, dataset.split("test"), dataset.classes)
    gammas = find_penalties(gallery, dataset, gallery.modes, calibration, seed)
    return result_rows(gallery.measure(gallery.modes, gammas), dataset.classes.names, calibration)


def validation_hm(
    dataset: Dataset, method: MethodChoice, settings: Mapping[str, Any], judge: Judge, folds: int, seed: int
) -> float:
    """Best HM over penalties, on validation clips, of the method's fullest equal-weight mode; mean over folds."""
    values = []
    for fold in _judged_on(dataset, judge, folds, seed):
        fitted = build(method, settings=settings).fit(fold.train, fold.train_classes, job_of(dataset, seed))
        values.append(validate(fitted, fold.val, fold.val_classes).HM)
    return fmean(values)


def _judged_on(dataset: Dataset, judge: Judge, folds: int, seed: int) -> Iterator[Fold]:
    if judge == "val":
        yield Fold(*dataset.training(), dataset.split("val"), dataset.classes)
    else:
        yield from pseudo_unseen_folds(dataset.split("train"), dataset.split("val"), dataset.classes, folds, seed)


def find_penalties(
    tested: Gallery,
    dataset: Dataset,
    modes: Sequence[Mode],
    calibration: Calibration,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[Mode, float]:
    """The penalty of each mode in which clips of the data set are tested, by the calibration asked for.

    `oracle` looks at the tested clips: an upper bound. `progress` hears of the folds of `pseudo-unseen`. Raises
    DataError where the calibration lacks clips.
    """
    if calibration == "none":
        return dict.fromkeys(modes, 0.0)
    if calibration == "oracle":
        return tested.penalties(modes)
    if "val" not in dataset.splits:
        raise DataError(
            f"{dataset.source} ({dataset.class_split}): no validation clips to calibrate on; choose the calibration "
            "none, or two-stage training, where the class split has a first stage"
        )
    val = dataset.split("val")
    if calibration == "val":
        return gallery_of(tested.method, val, dataset.classes).penalties(modes)
    folds = list(pseudo_unseen_folds(dataset.split("train"), val, dataset.classes, FOLDS, seed))
    return pseudo_unseen_penalties(tested.method, folds, modes, job_of(dataset, seed, device), progress)


def result_rows(measured: Sequence[Measured], names: Sequence[str], calibration: str) -> list[dict[str, Any]]:
    """Classification and retrieval of each mode as rows; `names` are those of the classes."""
    rows = []
    for figures in measured:
        mode, clips = figures.scored.mode, len(figures.scored.rows)
        rows.append(result_row(mode, clips, names, figures.classification, calibration, figures.gamma))
        rows.append(result_row(mode, clips, names, figures.retrieval))
    return rows


def result_row(
    mode: Mode,
    clips: int,
    names: Sequence[str],
    figures: Classification | Retrieval,
    calibration: str | None = None,
    gamma: float | None = None,
) -> dict[str, Any]:
    """The figures (fractions) of a mode on so many clips, as a row; what does not exist is None."""
    return {
        "task": "classification" if isinstance(figures, Classification) else "retrieval",
        "modality": mode.modality,
        "fusion": mode.fusion if mode.modality == "both" else None,
        "calibration": calibration,
        "gamma": gamma,
        **{key: _number(getattr(figures, key, None)) for key in ("S", "U", "HM", "ZSL", "AUSUC")},
        "clips": clips,
        "per_class": dict(zip(names, map(_number, figures.per_class.tolist()), strict=True)),
    }


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)
