"""The call behind `avgzsl index-evaluate`: how well the clips of an index are found by the names of their classes."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int, Int64
from torch import Tensor

from avgzsl.archive import clip_selection
from avgzsl.archive.addends import is_corrected
from avgzsl.archive.collection import Collection, View, open_index, view
from avgzsl.archive.results import IndexEvaluation
from avgzsl.data.clips import ClassTable
from avgzsl.errors import DataError, UnknownNameError
from avgzsl.experiments.gallery import Gallery
from avgzsl.experiments.protocol import Mode, choose_modes
from avgzsl.experiments.run import read_classes
from avgzsl.experiments.trial import result_row
from avgzsl.scores.metrics import retrieval as retrieved
from avgzsl.support.registry import unknown
from avgzsl.types import RetrievalKind


def index_evaluate(
    index: str | Path | Collection,
    split: str | None = None,
    *,
    retrieval: RetrievalKind | None = None,
    url: str | None = None,
) -> IndexEvaluation:
    """Retrieval by class name over an index, or over one of its splits, in every mode that its clips can be tested in.

    It is measured as by `evaluate`: ties come in its seeded random order, drawn over the clips in the order in which
    they were indexed. `retrieval` is as in `search`. The classes are those of the index's own run: no data set is
    needed. Raises RunError when the run does not tell them, ModalityError where no mode can be tested, and as
    `index_gallery`.
    """
    collection = open_index(index, url)
    corrected = is_corrected(collection.record, retrieval, collection.folder)
    classes = read_classes(collection.run)
    by: RetrievalKind = "corrected" if corrected else "plain"
    results = []
    with view(collection) as seen:
        gallery = index_gallery(seen, classes, split)
        positions = clip_selection.labelled(seen.db, split)
        unlabelled = clip_selection.count_unlabelled(seen.db, split)
        for mode in choose_modes(gallery.method, gallery.modes, None, None, collection.folder):
            scores, labels = _scored(seen, gallery, mode, positions, corrected)
            figures = retrieved(scores, labels, classes.seen)
            results.append(result_row(mode, len(labels), classes.names, figures, retrieval=by))
    return IndexEvaluation(collection.record.method, collection.record.run, split, unlabelled, results, by)


def _scored(
    seen: View, gallery: Gallery, mode: Mode, positions: Int64[np.ndarray, " n"], corrected: bool
) -> tuple[Float64[Tensor, "m c"], Int[Tensor, " m"]]:
    """Scores, with their addends if asked, and labels of the clips that can be scored in a mode."""
    keep, weight = gallery.embeddings.scorable(mode.modality), seen.collection.record.weight
    scores = gallery.method.compare(gallery.embeddings.where(keep), gallery.text, *mode, weight).double()
    if corrected:
        scores = scores + torch.from_numpy(seen.addends(positions[keep.numpy()], mode))[:, None]
    return scores, gallery.labels[keep]


def index_gallery(seen: View, classes: ClassTable, split: str | None = None) -> Gallery:
    """The labelled clips of an index, or of one of its splits, in the order in which they were indexed.

    Raises DataError for a clip of none of the classes, or where no clip has a label, UnknownNameError for the split.
    """
    folder, method = seen.collection.folder, seen.collection.run.method
    positions = clip_selection.labelled(seen.db, split)
    if not len(positions):
        splits = clip_selection.splits(seen.db)
        if split is not None and split not in splits:
            raise UnknownNameError(f"{folder}: {unknown('split', split, splits)}")
        raise DataError(f"{folder}: no clip has a label to be found by; index clips with a manifest that has labels")
    names = [str(clip.label) for clip in seen.clips(positions)]
    number = {name: c for c, name in enumerate(classes.names)}
    if strange := sorted({name for name in names if name not in number}):
        raise DataError(
            f"{folder}: holds clips of {', '.join(strange[:5])}, which is none of the {len(classes)} classes; "
            "test one split of it, or make an index of clips of these classes alone"
        )
    labels = torch.tensor([number[name] for name in names])
    return Gallery(method, seen.embeddings(positions), labels, classes, method.embed_text(classes.text))
