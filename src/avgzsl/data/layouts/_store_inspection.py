"""What is in a store of features, and what is wrong with it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from avgzsl.data.inspection.by_reading import Read, range_of, read_class_splits, seen_and_unseen
from avgzsl.data.inspection.survey import kept_as_sequences
from avgzsl.data.reading.stored_splits import SPLITS, not_finite
from avgzsl.errors import AvgzslError
from avgzsl.features.class_splits import class_splits
from avgzsl.features.feature_store import TEXT, Store, open_store, verify
from avgzsl.text.part_record import shown_part
from avgzsl.text.spellings import spelling_notes, vector_notes
from avgzsl.types import MODALITIES, Modality

Counts = dict[str, dict[str, int]]


def inspect_store(path: Path, layout: str, read: Read) -> dict[str, Any]:
    """The keys of `avgzsl.data.inspection.inspect`; `read` is the layout's. Raises DataError."""
    store = open_store(path)
    datasets, split_problems, split_remarks = read_class_splits(path, class_splits(path), read)
    problems = [*_problems(store), *split_problems]
    remarks = [*_remarks(store), *split_remarks]
    if not datasets:
        problems += spelling_notes(store.record.classes)
        if store.text is not None:
            problems += vector_notes(store.record.classes, store.text)
        remarks.append("no class split: to train, make one with `avgzsl split`")
    width = sum(part.width for part in store.record.text_parts)
    text = {"file": TEXT, "classes": len(store.record.classes)}
    return {
        "path": str(path),
        "layout": layout,
        "modalities": dict(_ranges(store)),
        "text": [text | {"dimension": width}] if width else [],
        "class_splits": {name: seen_and_unseen(dataset) for name, dataset in datasets.items()},
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
    for one in store.record.text:
        yield f"text: {shown_part(one)}"
    for modality in MODALITIES:
        lacking = len(store) - int(_has(store, modality).sum())
        if lacking and modality in store.record.encoders:
            yield f"{lacking} of {len(store)} clips have no {modality}"
    for modality, flat in store.sequences.items():
        yield f"{modality}: {kept_as_sequences(Counter(flat.length.tolist()))}"
    if (store.folder / "failures.csv").is_file():
        yield "some clips could not be extracted: see failures.csv"


def _ranges(store: Store) -> Iterator[tuple[Modality, dict[str, Any]]]:
    """What the rows span of the clips that have the modality, for each that some clip has."""
    for modality in MODALITIES:
        has = _has(store, modality)
        if has.any():
            array = store.feature(modality)
            rows = np.zeros((0, store.record.encoders[modality].dimension), np.float32) if array is None else array[has]
            yield modality, range_of(rows)


def _has(store: Store, modality: Modality) -> np.ndarray:
    return np.array(store.clips[f"has_{modality}"], dtype=bool)


def _clips(store: Store) -> Counts:
    """Clips by class and by the split that the manifest gave them."""
    labels = [label or "(no label)" for label in store.clips["label"]]
    splits = [split or "no split" for split in store.clips["split"]]
    counts = Counter(zip(labels, splits, strict=True))
    columns = [split for split in (*SPLITS, "no split") if split in splits]
    return {label: {split: counts[label, split] for split in columns} for label in sorted(set(labels))}
