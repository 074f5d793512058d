"""The call behind `avgzsl index-evaluate`: how well the clips of an index are found by the names of their classes."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from avgzsl.archive import clip_selection
from avgzsl.archive.collection import Collection, View, open_collection, view
from avgzsl.archive.fused import usable
from avgzsl.archive.results import IndexEvaluation
from avgzsl.data.clips import ClassTable
from avgzsl.errors import DataError, ModalityError, UnknownNameError
from avgzsl.experiments.protocol import Mode, take
from avgzsl.experiments.run import read_classes
from avgzsl.scores.metrics import Retrieval, retrieval
from avgzsl.support.registry import unknown
from avgzsl.types import MODALITIES


def index_evaluate(
    index: str | Path | Collection, split: str | None = None, *, url: str | None = None
) -> IndexEvaluation:
    """Retrieval by class name over an index, or over one of its splits, in every mode that its clips can be tested in.

    The classes are those of the index's own run: no data set is needed. Raises RunError when the run does
    not tell them, ModalityError where no mode can be tested, and as `index_retrieval`.
    """
    collection = open_collection(index, url)
    classes = read_classes(collection.run)
    with view(collection) as seen:
        _labelled(seen, split)
        present = [m for m in MODALITIES if len(clip_selection.labelled(seen.db, split, m))]
        unlabelled = clip_selection.count_unlabelled(seen.db, split)
    modes = [m for m in collection.modes if m.modality in present or (m.modality == "both" and len(present) == 2)]
    if not modes:
        raise ModalityError(
            f"{collection.folder}: its clips have {' and '.join(present) or 'neither sound nor picture'}, and "
            f"{collection.record.method} is tested on {', '.join(collection.run.method.modalities)}"
        )
    results = [_row(mode, classes, *index_retrieval(collection, classes, mode, split=split)) for mode in modes]
    return IndexEvaluation(collection.record.method, collection.record.run, split, unlabelled, results)


def index_retrieval(
    collection: Collection, classes: ClassTable, mode: Mode, seed: int = 0, *, split: str | None = None
) -> tuple[Retrieval, Int[Tensor, " n"]]:
    """Retrieval by class name over the labelled clips of an index, or of one of its splits, and their labels.

    It is measured as by `train_evaluate.evaluate`: ties come in its seeded random order, drawn over the clips in the
    order in which they were indexed. Raises DataError for a clip of none of the classes, or where no clip has a label,
    UnknownNameError for the split, ModalityError where no clip can be tested in the mode.
    """
    with view(collection) as seen:
        positions = _labelled(seen, split)
        embedded = seen.embeddings(positions)
        keep = usable(embedded, mode)
        names = [str(clip.label) for clip in seen.clips(positions[keep.numpy()])]
    if not names:
        raise ModalityError(
            f"{collection.folder}: none of {len(positions)} labelled clips can be tested on {mode.modality}"
        )
    known = {name: c for c, name in enumerate(classes.names)}
    if strange := sorted({name for name in names if name not in known}):
        raise DataError(
            f"{collection.folder}: holds clips of {', '.join(strange[:5])}, which is none of the {len(known)} classes; "
            "test one split of it, or make an index of clips of these classes alone"
        )
    labels = torch.tensor([known[name] for name in names])
    scores = collection.run.method.compare(take(embedded, keep), collection.run.method.embed_text(classes.text), *mode)
    return retrieval(scores, labels, classes.seen, seed), labels


def _labelled(seen: View, split: str | None) -> Int64[np.ndarray, " n"]:
    """Positions of the clips that have a label. Raises UnknownNameError for the split, DataError where none has."""
    positions = clip_selection.labelled(seen.db, split)
    if len(positions):
        return positions
    folder, splits = seen.collection.folder, clip_selection.splits(seen.db)
    if split is not None and split not in splits:
        raise UnknownNameError(f"{folder}: {unknown('split', split, splits)}")
    raise DataError(f"{folder}: no clip has a label to be found by; index clips with a manifest that has labels")


def _row(mode: Mode, classes: ClassTable, measured: Retrieval, labels: Int[Tensor, " n"]) -> dict[str, Any]:
    """A row of figures as in the results of an evaluation; what does not exist is None."""

    def number(value: float) -> float | None:
        return None if value != value else value

    return {
        "task": "retrieval",
        "modality": mode.modality,
        "fusion": mode.fusion if mode.modality == "both" else None,
        **dict.fromkeys(("calibration", "gamma", "ZSL", "AUSUC")),  # of classification
        **{name: number(getattr(measured, name)) for name in ("S", "U", "HM")},
        "clips": len(labels),
        "per_class": dict(zip(classes.names, map(number, measured.per_class.tolist()), strict=True)),
    }
