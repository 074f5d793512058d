"""The call behind `avgzsl index-evaluate`: how well the clips of an index are found by the names of their classes."""

from pathlib import Path

import torch
from torch import Tensor

from avgzsl.archive import clip_selection
from avgzsl.archive.addends import is_corrected
from avgzsl.archive.collection import Collection, View, open_index, view
from avgzsl.archive.results import IndexEvaluation
from avgzsl.data.clips import ClassTable
from avgzsl.errors import DataError, UnknownNameError
from avgzsl.experiments.gallery import Gallery
from avgzsl.experiments.protocol import Mode, Numbers, choose_modes
from avgzsl.experiments.run import read_classes
from avgzsl.experiments.trial import result_row
from avgzsl.scores.energy import corrected as moved
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
        unlabelled = clip_selection.count_unlabelled(seen.db, split)
    numbers = numbers_of(collection)
    for mode in choose_modes(gallery.method, gallery.modes, None, None, collection.folder):
        scored, chosen = gallery.score(mode, numbers), None
        scores: Tensor = scored.scores
        if corrected:
            chosen = "val"  # the clips on which the energy term was chosen
            scores = moved(scores, classes.seen, scored.energy_share, scored.energy_temperature)
        figures = retrieved(scores, scored.labels, classes.seen)
        results.append(result_row(mode, len(scored.rows), classes.names, figures, chosen, retrieval=by))
    return IndexEvaluation(collection.record.method, collection.record.run, split, unlabelled, results, by)


def numbers_of(collection: Collection) -> dict[Mode, Numbers]:
    """What the index keeps of its run's calibration, by mode."""
    record, numbers = collection.record, {}
    for mode in collection.modes:
        energy = record.energy.get(str(mode))
        share, warmth = (0.0, 1.0) if energy is None else (energy.share, energy.temperature)
        numbers[mode] = Numbers(weight=record.weight, energy_share=share, energy_temperature=warmth)
    return numbers


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
