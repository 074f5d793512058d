"""The layout of `avgzsl extract`: a store of features (`features.feature_store`), with the class splits beside it.

Which clips are in which split: what the class split says of a clip, else the manifest. Clips of an unseen class that
are listed as train are tested, never trained on: they join `test`; `val` stays `val`, also for unseen classes, whose
clips calibrate there. Clips without a label, of a class that the class split does not list, or without a split are left
out, and counted in the notes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avgzsl.data.clips import ClassTable, Dataset, Encoder
from avgzsl.data.layouts._store_inspection import inspect_store
from avgzsl.data.reading.stored_splits import SPLITS, StoredSplits, clip_splits, not_finite
from avgzsl.errors import DataError
from avgzsl.features.class_splits import ClassSplit, read_class_split
from avgzsl.features.class_splits import class_splits as split_names
from avgzsl.features.feature_store import Store, is_store, open_store
from avgzsl.support.registry import unknown
from avgzsl.types import DataChoice, TextOrder

NAME = "store"
DESCRIPTION = "store.json, clips.jsonl, {audio,video,text}.npy, splits/NAME.json: what `avgzsl extract` writes"
TEXT_ORDERS: tuple[TextOrder, ...] = ("right",)


def recognise(path: Path) -> bool:
    """Is this folder in the layout?"""
    return is_store(path)


def class_splits(path: Path) -> list[str]:
    """The names of splits/NAME.json."""
    return split_names(path)


def read(path: Path, choice: DataChoice) -> Dataset:
    """Read the data set. Raises DataError, UnknownNameError."""
    store = open_store(path)
    name, division = read_class_split(path, choice.class_split)
    classes = _class_table(store, name, division)
    of, notes = clip_splits(store, division)
    bad = not_finite(store)
    if bad.any() and not choice.drop_bad_rows:
        ids = [store.clips["id"][row] for row in np.flatnonzero(bad)[:10].tolist()]
        raise DataError(
            f"{path}: NaN or infinite values in {bad.sum()} clips: {', '.join(ids)}; extract them again, or leave them "
            "out with drop_bad_rows"
        )
    if bad.any():
        notes.append(f"dropped {bad.sum()} clips with values that are not finite")
    labels = division.labels(store.clips["label"])
    splits = StoredSplits(store, classes, labels, {split: np.flatnonzero((of == split) & ~bad) for split in SPLITS})
    _require_training(path, name, classes, splits)
    dataset = Dataset.of(classes, splits, source=str(path.resolve()), layout=NAME, class_split=name)
    encoders: dict[str, Encoder] = {
        part: Encoder(one.spec, one.weights, one.unit) for part, one in store.record.encoders.items()
    }
    return replace(dataset, notes=tuple(notes), encoders=encoders)


def inspect(path: Path) -> dict[str, Any]:
    """See `Layout`."""
    return inspect_store(path, NAME, read)


def _class_table(store: Store, name: str, division: ClassSplit) -> ClassTable:
    names = sorted({*division.seen, *division.unseen})
    if store.text is None:
        raise DataError(
            f"{store.folder}: no vectors of the class names; run the same `avgzsl extract` again with --text "
            "(what is extracted is kept)"
        )
    if strange := [one for one in names if one not in store.record.classes]:
        hints = "; ".join(unknown("class", one, store.record.classes) for one in strange[:5])
        raise DataError(f"{store.folder}: class split {name} lists {len(strange)} classes that no clip has: {hints}")
    if not division.seen:
        raise DataError(f"{store.folder}: class split {name} has no seen class; expected at least one")
    position = {one: row for row, one in enumerate(store.record.classes)}
    text = torch.from_numpy(np.array(store.text[[position[one] for one in names]]))
    seen = torch.tensor([one in division.seen for one in names])
    return ClassTable(tuple(names), text, seen, store.record.text_parts)


def _require_training(path: Path, name: str, classes: ClassTable, splits: StoredSplits) -> None:
    there = set(splits.labels[splits.rows["train"]].tolist()) if "train" in splits.rows else set()
    seen = classes.seen.tolist()
    if empty := [one for row, one in enumerate(classes.names) if seen[row] and row not in there]:
        raise DataError(
            f"{path}: class split {name}: no clips to train on for the seen classes {', '.join(empty)}; give clips the "
            "split train in the manifest, or divide the clips with `avgzsl split`"
        )
