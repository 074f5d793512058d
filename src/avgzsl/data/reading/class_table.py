"""Class names and their text vectors put together into a ClassTable, with errors that name the file."""

from pathlib import Path

import numpy as np
import torch

from avgzsl.data.clips import ClassTable
from avgzsl.data.reading.class_lists import ClassLists
from avgzsl.errors import DataError
from avgzsl.support.registry import unknown
from avgzsl.text.class_vectors import read_class_vectors


def class_table(lists: ClassLists, files: list[Path]) -> tuple[ClassTable, Path]:
    """The classes of `lists`, with the vectors of the first of `files` that has all of them, and that file.

    Raises DataError for a class without a vector, or with a zero or non-finite one.
    """
    text_names = tuple(lists.called.get(name, name) for name in lists.names)
    path, vectors = _choose(text_names, files)
    if missing := [name for name in text_names if name not in vectors]:
        hints = "; ".join(unknown("class", name, vectors) for name in missing[:5])
        raise DataError(
            f"{path}: no text vector for {len(missing)} of {len(lists.names)} classes: {hints} "
            "Add the vectors under exactly the listed names, or rename the classes."
        )
    if unusable := _unusable(text_names, vectors):
        raise DataError(
            f"{path}: text vectors that are zero or not finite: {', '.join(unusable)}; give each a real one"
        )
    text = torch.from_numpy(np.stack([vectors[name] for name in text_names]))
    seen = torch.tensor([name in lists.seen for name in lists.names])
    return ClassTable(lists.names, text, seen), path


def _unusable(names: tuple[str, ...], vectors: dict[str, np.ndarray]) -> list[str]:
    """Those of `names` whose vector is zero or not finite."""
    return [name for name in names if not np.isfinite(vectors[name]).all() or not vectors[name].any()]


def _choose(names: tuple[str, ...], files: list[Path]) -> tuple[Path, dict[str, np.ndarray]]:
    candidates = [(path, read_class_vectors(path)) for path in files]
    return next(((path, vectors) for path, vectors in candidates if set(names) <= vectors.keys()), candidates[0])
