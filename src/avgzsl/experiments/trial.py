"""One fit of a method and what it is worth: a cell of the benchmark, a trial of the tuning.

What is computed here hangs on this module and on what it imports (`code_version`), so nothing else belongs here.
"""

from collections.abc import Callable, Iterator, Mapping
from statistics import fmean
from typing import Any, Literal

from avgzsl.data.clips import Dataset
from avgzsl.errors import DataError
from avgzsl.experiments.protocol import (
    Measured,
    Mode,
    measure,
    modes,
    penalties,
    pseudo_unseen_folds,
    pseudo_unseen_penalties,
)
from avgzsl.learning.training import Job
from avgzsl.methods import Method, MethodChoice, build
from avgzsl.types import Calibration

Judge = Literal["pseudo-unseen", "val"]
Told = Callable[[int, int], None]


def tested(
    dataset: Dataset, method: MethodChoice, settings: Mapping[str, Any], seed: int, calibration: Calibration
) -> list[dict[str, Any]]:
    """Fit the method and test it in every mode that it and the clips allow; rows as in `results.json`."""
    fitted = build(method, settings=settings).fit(*dataset.training(), Job(seed=seed))
    test = dataset.split("test")
    wanted = modes(fitted, test)
    gammas = find_penalties(fitted, dataset, "test", wanted, calibration, seed)
    measured = measure(fitted, test, dataset.classes, wanted, gammas)
    return [row for one in measured for row in result_rows(one, dataset, calibration)]


def validation_hm(
    dataset: Dataset, method: MethodChoice, settings: Mapping[str, Any], judge: Judge, folds: int, seed: int
) -> float:
    """Best HM over penalties, on validation clips, of the method's last equal-weight mode; mean over folds."""
    found = []
    for train, train_classes, val, val_classes in _divisions(dataset, judge, folds, seed):
        fitted = build(method, settings=settings).fit(train, train_classes, Job(seed=seed))
        mode = [mode for mode in modes(fitted, val) if mode.fusion == "equal"][-1]
        gammas = penalties(fitted, val, val_classes, [mode])
        found.append(measure(fitted, val, val_classes, [mode], gammas)[0].classification.HM)
    return fmean(found)


def _divisions(dataset: Dataset, judge: Judge, folds: int, seed: int) -> Iterator[Any]:
    if judge == "val":
        yield *dataset.training(), dataset.split("val"), dataset.classes
    else:
        yield from pseudo_unseen_folds(dataset.split("train"), dataset.split("val"), dataset.classes, folds, seed)


def find_penalties(
    method: Method,
    dataset: Dataset,
    split: str,
    wanted: list[Mode],
    calibration: Calibration,
    seed: int = 0,
    device: str = "auto",
    told: Told | None = None,
) -> dict[Mode, float]:
    """The penalty of each mode, by the calibration asked for (`oracle` looks at the tested clips: an upper bound)."""
    if calibration == "none":
        return dict.fromkeys(wanted, 0.0)
    if calibration != "oracle" and "val" not in dataset.splits:
        raise DataError(
            f"{dataset.source} ({dataset.class_split}): no validation clips to calibrate on; choose the calibration "
            "none, or two-stage training, where the class split has a first stage"
        )
    if calibration == "pseudo-unseen":
        parts = dataset.split("train"), dataset.split("val")
        return pseudo_unseen_penalties(
            method, *parts, dataset.classes, wanted, Job(seed=seed, device=device), told=told
        )
    return penalties(method, dataset.split("val" if calibration == "val" else split), dataset.classes, wanted)


def result_rows(one: Measured, dataset: Dataset, calibration: str) -> list[dict[str, Any]]:
    """A mode's classification and retrieval as rows of fractions; what does not exist is None."""
    mode = one.scored.mode
    rows = []
    for task, found in (("classification", one.classification), ("retrieval", one.retrieval)):
        calibrated = task == "classification"
        rows.append(
            {
                "task": task,
                "modality": mode.modality,
                "fusion": mode.fusion if mode.modality == "both" else None,
                "calibration": calibration if calibrated else None,
                "gamma": one.gamma if calibrated else None,
                **{key: _number(getattr(found, key, None)) for key in ("S", "U", "HM", "ZSL", "AUSUC")},
                "clips": len(one.scored.rows),
                "per_class": dict(zip(dataset.classes.names, map(_number, found.per_class.tolist()), strict=True)),
            }
        )
    return rows


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)
