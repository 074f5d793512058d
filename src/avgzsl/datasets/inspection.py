"""Everything that is in a data set, and everything that is wrong with it, also when it cannot be read."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from avgzsl.datasets import find_layout
from avgzsl.datasets.class_lists import ClassLists
from avgzsl.datasets.class_table import class_table
from avgzsl.datasets.class_vectors import read_class_vectors
from avgzsl.datasets.source import Source, missing_files
from avgzsl.datasets.survey import Survey, remarks, shared_ids, survey
from avgzsl.errors import AvgzslError

IMBALANCE = 10  # largest over smallest seen class, from which on sampling per class matters

Result = TypeVar("Result")


def inspect(path: Path | str, *, layout: str | None = None) -> dict[str, Any]:
    """Look at the data set in `path`; the answer can be written as JSON.

    Keys: path, layout, modalities (dimension, min, max, mean_norm each), text (file, dimension, classes), class_splits
    (seen, unseen), clips (class -> split -> count), problems (all that stops reading or spoils results) and remarks
    (what one should know). Raises DataError only when there is no data set to look at.
    """
    root, module = find_layout(path, layout)
    problems: list[str] = []
    names = module.class_splits(root)
    lists = {name: _try(problems, module.class_lists, root, name) for name in names}
    if not names:
        _try(problems, module.class_lists, root, None)
    text = _text(root, module, lists, problems)
    source: Source | None = _try(problems, module.source, root)
    listed = sorted({name for split in lists.values() if split is not None for name in split.names})
    found = Survey()
    odd: list[str] = []
    if source is not None:
        problems += missing_files(source, listed)
        found = survey(source, listed)
        problems += [*found.problems, *shared_ids(found)]
        if unlisted := source.unlisted(listed):
            odd.append(f"files of classes that no class split lists: {', '.join(unlisted)}")
    for name, split in lists.items():
        if split is not None:
            _balance(name, split, found, problems, odd)
    return {
        "path": str(root),
        "layout": module.__name__.rpartition(".")[2].replace("_", "-"),
        "modalities": {modality: span.summary() for modality, span in found.ranges.items()},
        "text": text,
        "class_splits": {name: _names(split) for name, split in lists.items()},
        "clips": found.clips,
        "problems": list(dict.fromkeys(problems)),
        "remarks": [*odd, *remarks(found)],
    }


def _names(lists: ClassLists | None) -> dict[str, list[str]]:
    return {"seen": list(lists.seen) if lists else [], "unseen": list(lists.unseen) if lists else []}


def _try(problems: list[str], call: Callable[..., Result], *arguments: object) -> Result | None:
    try:
        return call(*arguments)
    except AvgzslError as problem:
        problems.append(str(problem))
        return None


def _text(
    root: Path, module: ModuleType, lists: dict[str, ClassLists | None], problems: list[str]
) -> list[dict[str, Any]]:
    """The files of text vectors; for each class split, whether one of them serves."""
    files: list[Path] = _try(problems, module.vector_files, root) or []
    readable = []
    described = []
    for file in files:
        vectors = _try(problems, read_class_vectors, file)
        if vectors is None:
            continue
        readable.append(file)
        described.append({"file": file.name, "dimension": len(next(iter(vectors.values()))), "classes": len(vectors)})
        problems += [f"{file}: {one}" for one in _same_vectors(vectors)]
    for split in lists.values():
        if split is not None and readable:
            _try(problems, class_table, split, readable)
    return described


def _same_vectors(vectors: dict[str, np.ndarray]) -> list[str]:
    names: dict[bytes, list[str]] = {}
    for name, vector in vectors.items():
        names.setdefault(vector.tobytes(), []).append(name)
    return [
        f"the same vector for {', '.join(group)}; they cannot be told apart" for group in names.values() if group[1:]
    ]


def _balance(name: str, lists: ClassLists, found: Survey, problems: list[str], odd: list[str]) -> None:
    """Empty classes, and how unequal the seen ones are."""
    train = {cls: found.clips.get(cls, {}).get("train", 0) for cls in lists.seen}
    if empty := [cls for cls, count in train.items() if not count]:
        problems.append(f"{name}: no clips to train on for the seen classes {', '.join(empty)}")
    for split in ("val", "test"):
        bare = [cls for cls in lists.names if found.clips.get(cls, {}).get(split) == 0]
        if bare:
            odd.append(f"{name}: no clips in {split} for {', '.join(bare)}")
    counts = [count for count in train.values() if count]
    if counts and max(counts) >= IMBALANCE * min(counts):
        odd.append(
            f"{name}: the largest seen class has {max(counts) / min(counts):.0f} times the clips of the smallest"
        )
