"""What a data set of any layout turns out to hold when it is read, class split by class split."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from avgzsl.data.clips import Dataset
from avgzsl.errors import AvgzslError
from avgzsl.text.spellings import class_notes
from avgzsl.types import MODALITIES, DataChoice, Modality

Read = Callable[[Path, DataChoice], Dataset]


def inspect_by_reading(
    path: Path, layout: str, class_splits: Callable[[Path], list[str]], read: Read
) -> dict[str, Any]:
    """The keys of `avgzsl.data.inspection.inspect`; clips and their ranges are those of the first class split read."""
    datasets, problems, remarks = read_class_splits(path, class_splits(path) or [None], read)
    first = next(iter(datasets.values()), None)
    return {
        "path": str(path),
        "layout": layout,
        "modalities": {} if first is None else _ranges(first),
        "text": [] if first is None else [_text(path, first)],
        "class_splits": {name: seen_and_unseen(dataset) for name, dataset in datasets.items()},
        "clips": {} if first is None else _clips(first),
        "problems": problems,
        "remarks": remarks,
    }


def read_class_splits(
    path: Path, names: Sequence[str | None], read: Read
) -> tuple[dict[str, Dataset], list[str], list[str]]:
    """The class splits that can be read, without bad rows; the problems of these and of the others; remarks.

    A name of None stands for the usual class split.
    """
    datasets: dict[str, Dataset] = {}
    problems: list[str] = []
    remarks: list[str] = []
    for name in names:
        try:
            dataset = read(path, DataChoice(class_split=name, drop_bad_rows=True))
        except AvgzslError as problem:
            problems.append(str(problem))
            continue
        title, classes = name or dataset.class_split, dataset.classes
        datasets[title] = dataset
        notes = class_notes(classes.names, classes.text.numpy(), classes.seen.numpy())
        problems += [f"{title}: {note}" for note in notes]
        remarks += [f"{title}: {note}" for note in dataset.notes]
    return datasets, problems, remarks


def range_of(rows: Float[np.ndarray, "n d"]) -> dict[str, Any]:
    """`dimension`, `min`, `max` and `mean_norm` of rows, without those that are not finite; None without rows."""
    finite_rows = rows[np.isfinite(rows).all(axis=1)]
    return {
        "dimension": rows.shape[1],
        "min": float(finite_rows.min()) if len(finite_rows) else None,
        "max": float(finite_rows.max()) if len(finite_rows) else None,
        "mean_norm": float(np.linalg.norm(finite_rows.astype(np.float64), axis=1).mean()) if len(finite_rows) else None,
    }


def seen_and_unseen(dataset: Dataset) -> dict[str, list[str]]:
    """The names of the seen and of the unseen classes, in the order of the classes."""
    marks = list(zip(dataset.classes.names, dataset.classes.seen.tolist(), strict=True))
    return {"seen": [name for name, seen in marks if seen], "unseen": [name for name, seen in marks if not seen]}


def _ranges(dataset: Dataset) -> dict[str, Any]:
    rows: dict[Modality, list[np.ndarray]] = {modality: [] for modality in MODALITIES}
    for clips in dataset.splits.values():
        for modality in MODALITIES:
            feature = clips.feature(modality)
            if feature is not None:
                rows[modality].append(feature[clips.has(modality)].numpy())
    return {modality: range_of(np.concatenate(parts)) for modality, parts in rows.items() if parts}


def _text(path: Path, dataset: Dataset) -> dict[str, Any]:
    classes, dimension = dataset.classes.text.shape
    return {"file": path.name, "dimension": dimension, "classes": classes}


def _clips(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Clips by class and split."""
    counts = {split: Counter(clips.labels.tolist()) for split, clips in dataset.splits.items()}
    return {
        name: {split: of_class[label] for split, of_class in counts.items()}
        for label, name in enumerate(dataset.classes.names)
    }
