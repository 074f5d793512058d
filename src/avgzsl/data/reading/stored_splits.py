"""Splits of a store of features: which clips are in which, and their rows, read when they are asked for."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Int

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.data.sequences import Sequences
from avgzsl.features.class_splits import ClassSplit
from avgzsl.features.feature_store import Store
from avgzsl.types import MODALITIES, Modality

SPLITS = ("train", "val", "test")
_BLOCK = 4096


def clip_splits(store: Store, division: ClassSplit) -> tuple[np.ndarray, list[str]]:
    """The split of each clip, "" for those that are left out, and notes of how many of these and why."""
    unseen, listed = set(division.unseen), {*division.seen, *division.unseen}
    left_out: Counter[str] = Counter()
    moved = 0
    splits = []
    clips, written, own_splits = (store.clips[name] for name in ("id", "label", "split"))
    for clip, label, own_split in zip(clips, division.labels(written), own_splits, strict=True):
        split = own_split if division.clips is None else division.clips.get(clip, own_split)
        if label not in listed or split is None:
            if label is None:
                left_out["no label"] += 1
            else:
                left_out["no split" if label in listed else "a class that is not listed"] += 1
            split = ""
        elif label in unseen and split == "train":
            split, moved = "test", moved + 1
        splits.append(split)
    notes = [f"left out {count} clips with {reason}" for reason, count in left_out.items()]
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


def stored_sequences(store: Store, modality: Modality, rows: Int[np.ndarray, " n"]) -> Sequences:
    """Those of the clips in these rows; the steps of all stay on disk, mapped."""
    flat = store.sequences[modality]
    first, length = (torch.from_numpy(each[rows]) for each in (flat.first, flat.length))
    return Sequences(torch.from_numpy(flat.steps), first, length, torch.from_numpy(flat.times))


class StoredSplits(Mapping[str, ClipSet]):
    """Splits of a store, in order of class, each copied into memory anew when it is asked for; `rows` are theirs.

    Sequences stay on disk, mapped.
    """

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
        self.has = {modality: np.array(store.clips[f"has_{modality}"], dtype=bool) for modality in MODALITIES}
        used = np.concatenate([np.array([], dtype=np.int64), *self.rows.values()])
        # a modality that none of these clips has is not there at all
        self.features = {m: store.feature(m) for m in MODALITIES if self.has[m][used].any()}

    def __getitem__(self, split: str) -> ClipSet:
        rows, ids = self.rows[split], self.store.clips["id"]
        features = {
            m: torch.from_numpy(np.array(array[rows])) for m, array in self.features.items() if array is not None
        }
        return ClipSet(
            features.get("audio"),
            features.get("video"),
            torch.from_numpy(self.labels[rows]),
            np.array([ids[row] for row in rows.tolist()], dtype=np.str_),
            torch.from_numpy(self.has["audio"][rows]),
            torch.from_numpy(self.has["video"][rows]),
            {m: stored_sequences(self.store, m, rows) for m in self.store.sequences if m in features},
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)
