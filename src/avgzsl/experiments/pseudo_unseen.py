"""Calibration without a label of an unseen class: some seen classes are held out, fold by fold, as if unseen."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Generator

from avgzsl.data.clips import ClassTable, ClipSet, restrict
from avgzsl.errors import DataError
from avgzsl.experiments.gallery import Gallery, gallery_of
from avgzsl.learning.training import Job
from avgzsl.methods import Method
from avgzsl.support.progress import Progress, Step

FOLDS = 3


class Fold(NamedTuple):
    """Clips and classes to train on, and clips and classes to validate on."""

    train: ClipSet
    train_classes: ClassTable
    val: ClipSet
    val_classes: ClassTable


def pseudo_unseen_folds(train: ClipSet, val: ClipSet, classes: ClassTable, folds: int, seed: int) -> Iterator[Fold]:
    """Folds whose training lacks some held-out seen classes; these are marked as unseen in their validation.

    Each fold holds out as many other seen classes as keeps the proportion of unseen ones. `train`, `val` and `classes`
    hold all classes; only seen ones are used. Raises DataError when too few classes are seen.
    """
    seen = classes.seen.nonzero().squeeze(1)
    held_out = max(1, round(len(seen) * (len(classes) - len(seen)) / len(classes)))
    if len(seen) - held_out < 2:
        raise DataError(f"pseudo-unseen classes need at least 3 seen classes, there are {len(seen)}; use val or none")
    order = seen[torch.randperm(len(seen), generator=Generator().manual_seed(seed))]
    val_clips, val_classes = restrict(val, classes, classes.seen)
    for chunk in [chunk for chunk in order.split(held_out) if len(chunk) == held_out][:folds]:
        kept = classes.seen.clone()
        kept[chunk] = False
        yield Fold(*restrict(train, classes, kept), val_clips, dataclasses.replace(val_classes, seen=kept[seen]))


def pseudo_unseen_galleries(
    method: Method, folds: Sequence[Fold], job: Job, progress: Progress | None = None
) -> list[Gallery]:
    """The validation clips of each fold, embedded by a copy of the method that was fitted on the fold.

    `progress` hears of every fold. Raises DataError.
    """
    galleries = []
    for done, fold in enumerate(folds, 1):
        copy = dataclasses.replace(method).fit(fold.train, fold.train_classes, job)
        galleries.append(gallery_of(copy, fold.val, fold.val_classes))
        if progress is not None:
            progress(Step("pseudo-unseen folds", done, len(folds)))
    return galleries
