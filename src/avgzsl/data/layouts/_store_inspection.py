"""What is in a store of features, and what is wrong with it."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from avgzsl.data.clips import Dataset
from avgzsl.data.reading.stored_splits import SPLITS, not_finite
from avgzsl.errors import AvgzslError
from avgzsl.features.class_splits import class_splits
from avgzsl.features.feature_store import TEXT, Store, open_store, verify
from avgzsl.text.spellings import class_notes, spelling_notes, vector_notes
from avgzsl.types import MODALITIES, Modality

Counts = dict[str, dict[str, int]]


def inspect_store(path: Path, layout: str, read: Callable[..., Dataset]) -> dict[str, Any]:
    """The keys of `avgzsl.data.inspection.inspect`; `read` is the layout's. Raises DataError."""
    store = open_store(path)
    problems = list(_problems(store))
    remarks = list(_remarks(store))
    splits = {}
    for name in class_splits(path):
        try:
            dataset = read(path, name, drop_bad_rows=True)
        except AvgzslError as problem:
            problems.append(str(problem))
            continue
        splits[name] = _seen_and_unseen(dataset)
        classes = dataset.classes
        problems += [f"{name}: {one}" for one in class_notes(classes.names, classes.text.numpy(), classes.seen.numpy())]
        remarks += [f"{name}: {note}" for note in dataset.notes]
    if not splits:
        problems += spelling_notes(store.record.classes)
        if store.text is not None:
            problems += vector_notes(store.record.classes, store.text)
        remarks.append("no class split: to train, make one with `avgzsl split`")
    encoders = store.record.encoders
    text = {"file": TEXT, "classes": len(store.record.classes)}
    there = [modality for modality in MODALITIES if _has(store, modality).any()]
    return {
        "path": str(path),
        "layout": layout,
        "modalities": {modality: _range(store, modality) for modality in there},
        "text": [text | {"dimension": encoders["text"].dimension}] if "text" in encoders else [],
        "class_splits": splits,
        "clips": _clips(store),
        "problems": problems,
        "remarks": remarks,
    }


def _problems(store: Store) -> Iterator[str]:
    try:
        verify(store)
    except AvgzslError as problem:
        yield str(problem)
    if count := int(not_finite(store).sum()):
        yield f"{store.folder}: NaN or infinite values in {count} clips; extract them again"


def _remarks(store: Store) -> Iterator[str]:
    for part, encoder in sorted(store.record.encoders.items()):
        yield f"{part}: {encoder.spec}"
    for modality in MODALITIES:
        lacking = len(store) - int(_has(store, modality).sum())
        if lacking and modality in store.record.encoders:
            yield f"{lacking} of {len(store)} clips have no {modality}"
    if (store.folder / "failures.csv").is_file():
        yield "some clips could not be extracted: see failures.csv"


def _range(store: Store, modality: Modality) -> dict[str, Any]:
    """What the rows of the clips that have the modality span."""
    array = store.feature(modality)
    rows = None if array is None else array[_has(store, modality)]
    good = np.zeros((0, 1), np.float32) if rows is None else rows[np.isfinite(rows).all(axis=1)]
    return {
        "dimension": store.record.encoders[modality].dimension,
        "min": float(good.min()) if len(good) else None,
        "max": float(good.max()) if len(good) else None,
        "mean_norm": float(np.linalg.norm(good.astype(np.float64), axis=1).mean()) if len(good) else None,
    }


def _has(store: Store, modality: Modality) -> np.ndarray:
    return np.asarray(store.clips[f"has_{modality}"].to_numpy())


def _clips(store: Store) -> Counts:
    """Clips by class and by the split that the manifest gave them."""
    labels, splits = store.clips["label"].to_pylist(), store.clips["split"].to_pylist()
    found = Counter((label or "(no label)", split or "no split") for label, split in zip(labels, splits, strict=True))
    columns = [split for split in (*SPLITS, "no split") if any(split == there for _, there in found)]
    return {name: {split: found[name, split] for split in columns} for name in sorted({name for name, _ in found})}


def _seen_and_unseen(dataset: Dataset) -> dict[str, list[str]]:
    seen = dict(zip(dataset.classes.names, dataset.classes.seen.tolist(), strict=True))
    return {"seen": [name for name in seen if seen[name]], "unseen": [name for name in seen if not seen[name]]}
