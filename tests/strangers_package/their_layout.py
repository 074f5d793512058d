"""One file of arrays: clips.npz."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from avgzsl.data.clips import ClassTable, ClipSet, Dataset
from avgzsl.data.inspection.by_reading import inspect_by_reading
from avgzsl.errors import DataError, UnknownNameError
from avgzsl.types import DataChoice, TextOrder

NAME = "one-file"
DESCRIPTION = "clips.npz with audio, video, label, split, id, classes, text and seen"
PARTS = ("audio", "video", "label", "split", "id", "classes", "text", "seen")
TEXT_ORDERS: tuple[TextOrder, ...] = ("right",)


def recognise(path: Path) -> bool:
    return (path / "clips.npz").is_file()


def class_splits(path: Path) -> list[str]:
    return ["only"]


def read(path: Path, choice: DataChoice) -> Dataset:
    if choice.class_split not in (None, "only"):
        raise UnknownNameError(f"{path}: has no class split {choice.class_split!r}; it has one alone: only")
    try:
        with (path / "clips.npz").open("rb") as stream, np.load(stream) as file:
            arrays = {
                name: file[name] for name in ("audio", "video", "label", "split", "id", "classes", "text", "seen")
            }
    except Exception as problem:  # numpy has no error of its own for a damaged file
        raise DataError(f"{path / 'clips.npz'}: cannot be read ({problem}); write it anew") from problem
    good = np.isfinite(arrays["audio"]).all(1) & np.isfinite(arrays["video"]).all(1)
    if not good.all() and not choice.drop_bad_rows:
        raise DataError(f"{path / 'clips.npz'}: {(~good).sum()} clips are not finite; drop them with drop_bad_rows")
    classes = ClassTable(
        tuple(arrays["classes"].tolist()), torch.from_numpy(arrays["text"]), torch.from_numpy(arrays["seen"])
    )
    splits = {split: _clips(arrays, good & (arrays["split"] == split)) for split in ("train", "val", "test")}
    dataset = Dataset.of(classes, splits, source=str(path.resolve()), layout=NAME, class_split="only")
    return dataset if good.all() else Dataset(**{**vars(dataset), "notes": (f"dropped {(~good).sum()} clips",)})


def inspect(path: Path) -> dict[str, Any]:
    return inspect_by_reading(path, NAME, class_splits, read)


def _clips(arrays: dict[str, np.ndarray], rows: np.ndarray) -> ClipSet:
    audio, video, labels = (torch.from_numpy(arrays[name][rows]) for name in ("audio", "video", "label"))
    return ClipSet(audio, video, labels, arrays["id"][rows])
