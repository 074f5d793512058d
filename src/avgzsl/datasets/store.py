"""The layout of `avgzsl extract`: a store of features (`features.store`), with the class splits beside it.

Which clips are in which split: what the class split says of a clip, else the manifest. Clips of an unseen class that
are listed as train are tested, never trained on: they join `test`; `val` stays `val`, also for unseen classes, whose
clips calibrate there. Clips without a label, of a class that the class split does not list, or without a split are left
out, and counted in the notes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from avgzsl.data import ClassTable, ClipSet, Dataset, Encoder
from avgzsl.errors import DataError
from avgzsl.features.class_splits import ClassSplit, read_class_split
from avgzsl.features.class_splits import class_splits as split_names
from avgzsl.features.store import Store, is_store, open_store
from avgzsl.registry import unknown
from avgzsl.types import MODALITIES

NAME = "store"
DESCRIPTION = "store.json, clips.parquet, {audio,video,text}.npy, splits/NAME.json: what `avgzsl extract` writes"
SPLITS = ("train", "val", "test")
_BLOCK = 4096


def recognise(path: Path) -> bool:
    """Is this folder in the layout?"""
    return is_store(path)


def class_splits(path: Path) -> list[str]:
    """The names of splits/NAME.json."""
    return split_names(path)


def read(path: Path, class_split: str | None, drop_bad_rows: bool) -> Dataset:
    """Read the data set. Raises DataError, UnknownNameError."""
    store = open_store(path)
    name, division = read_class_split(path, class_split)
    classes = _class_table(store, name, division)
    of, notes = clip_splits(store, division)
    bad = not_finite(store)
    if bad.any() and not drop_bad_rows:
        ids = [store.clips["id"][row].as_py() for row in np.flatnonzero(bad)[:10].tolist()]
        raise DataError(
            f"{path}: NaN or infinite values in {bad.sum()} clips: {', '.join(ids)}; extract them again, or leave them "
            "out with drop_bad_rows"
        )
    if bad.any():
        notes.append(f"dropped {bad.sum()} clips with values that are not finite")
    labels = division.labels(store.clips["label"].to_pylist())
    splits = StoredSplits(store, classes, labels, {split: np.flatnonzero((of == split) & ~bad) for split in SPLITS})
    _require_training(path, name, classes, splits)
    dataset = Dataset.of(classes, splits, source=str(path.resolve()), layout=NAME, class_split=name)
    encoders: dict[str, Encoder] = {part: Encoder(one.spec, one.weights) for part, one in store.record.encoders.items()}
    return replace(dataset, notes=tuple(notes), encoders=encoders)


def clip_splits(store: Store, division: ClassSplit) -> tuple[np.ndarray, list[str]]:
    """The split of each clip, "" for those that are left out, and notes of how many of these and why."""
    unseen, listed = set(division.unseen), {*division.seen, *division.unseen}
    left_out: Counter[str] = Counter()
    moved = 0
    splits = []
    clips, written, given = (store.clips[name].to_pylist() for name in ("id", "label", "split"))
    for clip, label, own in zip(clips, division.labels(written), given, strict=True):
        split = own if division.clips is None else division.clips.get(clip, own)
        if label not in listed or split is None:
            why = "no label" if label is None else "no split" if label in listed else "a class that is not listed"
            left_out[why] += 1
            split = ""
        elif label in unseen and split == "train":
            split, moved = "test", moved + 1
        splits.append(split)
    notes = [f"left out {count} clips with {why}" for why, count in left_out.items()]
    if moved:
        notes.append(f"{moved} clips of unseen classes that are listed as train are tested")
    return np.array(splits, dtype=np.str_), notes


def not_finite(store: Store) -> np.ndarray:
    """Which clips have a value that is not finite."""
    bad = np.zeros(len(store), dtype=bool)
    for modality in MODALITIES:
        rows = store.feature(modality)
        for start in range(0, len(store) if rows is not None else 0, _BLOCK):
            bad[start : start + _BLOCK] |= ~np.isfinite(rows[start : start + _BLOCK]).all(axis=1)  # type: ignore[index]
    return bad


class StoredSplits(Mapping[str, ClipSet]):
    """Splits of a store, in order of class, each copied into memory anew when it is asked for; `rows` are theirs."""

    def __init__(
        self,
        store: Store,
        classes: ClassTable,
        names: Sequence[str | None],
        rows: Mapping[str, Int[np.ndarray, " _n"]],
    ) -> None:
        number = {name: position for position, name in enumerate(classes.names)}
        labels = np.array([-1 if name is None else number.get(name, -1) for name in names], dtype=np.int64)
        self.store, self.labels = store, labels
        self.rows = {split: at[np.argsort(labels[at], kind="stable")] for split, at in rows.items() if len(at)}
        self.has = {modality: store.clips[f"has_{modality}"].to_numpy() for modality in MODALITIES}
        used = np.concatenate([np.array([], dtype=np.int64), *self.rows.values()])
        # a modality that none of these clips has is not there at all
        self.features = {m: store.feature(m) for m in MODALITIES if self.has[m][used].any()}

    def __getitem__(self, split: str) -> ClipSet:
        rows = self.rows[split]
        features = {
            m: torch.from_numpy(np.array(array[rows])) for m, array in self.features.items() if array is not None
        }
        return ClipSet(
            features.get("audio"),
            features.get("video"),
            torch.from_numpy(self.labels[rows]),
            np.array(self.store.clips["id"].take(rows).to_pylist(), dtype=np.str_),
            torch.from_numpy(self.has["audio"][rows]),
            torch.from_numpy(self.has["video"][rows]),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def inspect(path: Path) -> dict[str, Any]:
    """What `avgzsl inspect` tells, where the files of features are not one a class."""
    from avgzsl.datasets.store_inspection import inspect as look

    return look(path)


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
    return ClassTable(tuple(names), text, torch.tensor([one in division.seen for one in names]))


def _require_training(path: Path, name: str, classes: ClassTable, splits: StoredSplits) -> None:
    there = set(splits.labels[splits.rows["train"]].tolist()) if "train" in splits.rows else set()
    seen = classes.seen.tolist()
    if empty := [one for row, one in enumerate(classes.names) if seen[row] and row not in there]:
        raise DataError(
            f"{path}: class split {name}: no clips to train on for the seen classes {', '.join(empty)}; give clips the "
            "split train in the manifest, or divide the clips with `avgzsl split`"
        )
