"""One fit of a method and what it is worth: a cell of the benchmark, a trial of the tuning.

What is computed here hangs on this module and on what it imports (`code_version`), so nothing else belongs here.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from avgzsl.data.clips import Dataset
from avgzsl.errors import DataError
from avgzsl.experiments.gallery import Gallery, Measured, gallery_of
from avgzsl.experiments.jobs import job_of, with_looks
from avgzsl.experiments.numbers import choose_numbers, validate
from avgzsl.experiments.protocol import Mode, ModeNumbers
from avgzsl.experiments.pseudo_unseen import FOLDS, Fold, pseudo_unseen_folds, pseudo_unseen_galleries
from avgzsl.methods import MethodChoice, build
from avgzsl.scores.metrics import Classification, Retrieval
from avgzsl.support.progress import Progress
from avgzsl.types import Calibration, RetrievalKind

Judge = Literal["pseudo-unseen", "val"]


def tested(
    dataset: Dataset,
    method: MethodChoice,
    settings: Mapping[str, Any],
    seed: int,
    calibration: Calibration,
    stretch: bool,
    device: str = "auto",  # noqa: PT028, it is no test
) -> list[dict[str, Any]]:
    """Fit the method and test it in every mode that it and the clips allow; rows as in `results.json`.

    With calibration `val`, rows of classification have `both_ways`, too: the mean of their HM and of that of the
    validation clips with the penalty that is best on the tested ones, where these are of seen and unseen classes. It
    tells a lucky division from a good method, and chooses nothing. With `pseudo-unseen` no label of an unseen class is
    looked at, so the rate of a method with a `plateau` stays.
    """
    built, job = build(method, settings=settings), job_of(dataset, seed, device)
    if calibration != "pseudo-unseen":
        job = with_looks(job, built, dataset.splits.get("val"), dataset.classes)
    fitted = built.fit(*dataset.training(), job)
    gallery = gallery_of(fitted, dataset.split("test"), dataset.classes)
    known = calibration_galleries(gallery, dataset, calibration, seed, device)
    measured, _ = measured_with(gallery, known, gallery.modes, stretch)
    rows = result_rows(measured, dataset.classes.names, calibration)
    if calibration == "val" and dataset.classes.both_groups(gallery.labels):
        add_both_ways(rows, gallery, known[0])
    return rows


def add_both_ways(rows: Sequence[dict[str, Any]], tested: Gallery, val: Gallery) -> None:
    """The mean of HM on tested clips by validation's penalty, which the rows have, and on val by that of tested."""
    modes = [mode for mode in val.modes if mode in tested.modes]
    swapped = choose_numbers([tested], modes, energy=False)
    back = {(*mode,): val.classify(val.score(mode, swapped)) for mode in modes}
    for row in rows:
        figures = back.get((row["modality"], row["fusion"] or "equal"))
        if row["task"] == "classification" and row["stretch"] is None and figures is not None:
            row["both_ways"] = (row["HM"] + figures.HM) / 2


def measured_with(
    tested: Gallery, known: Sequence[Gallery], modes: Sequence[Mode], stretch: bool = False
) -> tuple[list[Measured], ModeNumbers]:
    """What the tested clips come to with the numbers chosen on the `known` ones, and these numbers.

    With `stretch`, every mode comes once more, with a stretch of the scores of seen classes beside the penalty, unless
    there is nothing to choose it on. The numbers are those without. Raises as `choose_numbers` and `Gallery.score`.
    """
    numbers = choose_numbers(known, modes)
    measured = tested.measure(modes, numbers)
    if stretch and known:
        stretched = choose_numbers([gallery.to_stretch() for gallery in known], modes, energy=False)
        measured += tested.to_stretch().measure(modes, stretched)
    return measured, numbers


def validation_hm(
    dataset: Dataset, method: MethodChoice, settings: Mapping[str, Any], judge: Judge, folds: int, seed: int
) -> float:
    """Best HM over penalties, on validation clips, of the method's fullest equal-weight mode; mean over folds."""
    values = []
    for fold in _judged_on(dataset, judge, folds, seed):
        built, job = build(method, settings=settings), job_of(dataset, seed)
        if judge == "val":  # as in `tested`
            job = with_looks(job, built, fold.val, fold.val_classes)
        fitted = built.fit(fold.train, fold.train_classes, job)
        values.append(validate(fitted, fold.val, fold.val_classes).HM)
    return fmean(values)


def _judged_on(dataset: Dataset, judge: Judge, folds: int, seed: int) -> Iterator[Fold]:
    if judge == "val":
        yield Fold(*dataset.training(), dataset.split("val"), dataset.classes)
    else:
        yield from pseudo_unseen_folds(dataset.split("train"), dataset.split("val"), dataset.classes, folds, seed)


def calibration_galleries(
    tested: Gallery,
    dataset: Dataset,
    calibration: Calibration,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> list[Gallery]:
    """The clips on which the numbers of a calibration are chosen, for clips of the data set; none for `none`.

    `oracle` looks at the tested clips: an upper bound. `progress` hears of the folds of `pseudo-unseen`. Raises
    DataError where the calibration lacks clips.
    """
    if calibration == "none":
        return []
    if calibration == "oracle":
        return [tested]
    if "val" not in dataset.splits:
        raise DataError(
            f"{dataset.source} ({dataset.class_split}): no validation clips to calibrate on; evaluate with "
            "the calibration none (avgzsl evaluate RUN --calibration none), or train in two stages (avgzsl two-stage) "
            "where the class split has a first stage"
        )
    val = dataset.split("val")
    if calibration == "val":
        return [gallery_of(tested.method, val, dataset.classes)]
    folds = list(pseudo_unseen_folds(dataset.split("train"), val, dataset.classes, FOLDS, seed))
    return pseudo_unseen_galleries(tested.method, folds, job_of(dataset, seed, device), progress)


def result_rows(measured: Sequence[Measured], names: Sequence[str], calibration: str) -> list[dict[str, Any]]:
    """Classification and retrieval of each mode as rows; `names` are those of the classes.

    Retrieval comes plain, as in the paper, and corrected where a calibration chose how; a stretch has nothing to do
    with it.
    """
    rows = []
    for one in measured:
        mode, clips = one.scored.mode, len(one.scored.rows)
        stretch = one.numbers.stretch if one.stretched else None
        rows.append(result_row(mode, clips, names, one.classification, calibration, one.numbers.gamma, stretch))
        if not one.stretched:
            rows.append(result_row(mode, clips, names, one.retrieval))
            if one.corrected is not None:
                rows.append(result_row(mode, clips, names, one.corrected, calibration, retrieval="corrected"))
    return rows


def result_row(
    mode: Mode,
    clips: int,
    names: Sequence[str],
    figures: Classification | Retrieval,
    calibration: str | None = None,
    gamma: float | None = None,
    stretch: float | None = None,
    retrieval: RetrievalKind = "plain",
) -> dict[str, Any]:
    """The figures (fractions) of a mode on so many clips, as a row; what does not exist is None."""
    classified = isinstance(figures, Classification)
    return {
        "task": "classification" if classified else "retrieval",
        "retrieval": None if classified else retrieval,
        "modality": mode.modality,
        "fusion": mode.fusion if mode.modality == "both" else None,
        "calibration": calibration,
        "gamma": gamma,
        "stretch": stretch,
        **{key: _number(getattr(figures, key, None)) for key in ("S", "U", "HM", "ZSL", "AUSUC")},
        "clips": clips,
        "per_class": dict(zip(names, map(_number, figures.per_class.tolist()), strict=True)),
    }


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)
