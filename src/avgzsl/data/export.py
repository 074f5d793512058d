"""A data set written down in the layout of AudioSetZSL, which the field's public code reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from avgzsl.data.clips import ClipSet, Dataset
from avgzsl.data.layouts import as_dataset
from avgzsl.data.reading.class_lists import write_class_lists
from avgzsl.data.reading.feature_files import write_features
from avgzsl.data.reading.source import FOLDERS
from avgzsl.errors import DataError
from avgzsl.support.files import whole_folder
from avgzsl.support.showing import Shown
from avgzsl.types import MODALITIES, DataChoice

Incomplete = Literal["refuse", "drop"]


@dataclass(frozen=True)
class Exported(Shown):
    """The folder that was written, and how many clips were left out as they lack a modality.

    `notes` say what the layout has no place for.
    """

    folder: Path
    dropped: int
    notes: tuple[str, ...] = ()

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row."""
        return [{"folder": str(self.folder), "dropped": self.dropped}]


def export(
    data: str | Path | Dataset,
    out: str | Path,
    *,
    choice: DataChoice | None = None,
    incomplete: Incomplete = "refuse",
) -> Exported:
    """Write a data set of any layout to the folder `out`, whole or not at all.

    The layout has one class split a folder of features, since which clips are tested hangs on it. It cannot say that a
    clip lacks a modality: such clips are refused, or dropped. Clips are in order of class; ids are kept.
    Raises DataError for those, when `out` is not empty, or for a class name that cannot name a file.
    """
    dataset, folder = as_dataset(data, choice), Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: is not an empty folder, and nothing is overwritten; choose another place")
    if wrong := [name for name in dataset.classes.names if "/" in name or "\\" in name or name in (".", "..")]:
        raise DataError(f"{', '.join(map(repr, wrong))} cannot name a file of features; rename these classes")
    with whole_folder(folder) as temporary:
        return Exported(folder, _write(temporary, dataset, incomplete), _notes(dataset))


def _notes(dataset: Dataset) -> tuple[str, ...]:
    kept = {modality for split in dataset.splits for modality in dataset.split(split).sequences}
    if not kept:
        return ()
    words = " and ".join(modality for modality in MODALITIES if modality in kept)
    return (f"{words} are written as means: this layout has no place for the steps of a clip",)


def _write(folder: Path, dataset: Dataset, incomplete: Incomplete) -> int:
    names = dataset.classes.names
    seen = dict(zip(names, dataset.classes.seen.tolist(), strict=True))
    write_class_lists(folder / "class-split", seen)
    (folder / "features" / "text").mkdir(parents=True)
    vectors = dict(zip(names, dataset.classes.text.numpy(), strict=True))
    np.save(folder / "features" / "text" / "word_embeddings-dict.npy", np.array(vectors, dtype=object))
    dropped = 0
    for split in dataset.splits:
        clips = _complete(dataset, split, incomplete)
        dropped += len(dataset.split(split)) - len(clips)
        for label, name in enumerate(names):
            _write_class(folder, split, name, clips.where(clips.labels == label))
    return dropped


def _complete(dataset: Dataset, split: str, incomplete: Incomplete) -> ClipSet:
    """The clips that have every modality that the data set has."""
    clips = dataset.split(split)
    whole = clips.has_audio if clips.audio is not None else clips.has_video
    if clips.audio is not None and clips.video is not None:
        whole = clips.has_audio & clips.has_video
    if incomplete == "refuse" and not whole.all():
        lacking = clips.ids[~whole.numpy()].tolist()
        raise DataError(
            f"{dataset.source}: {len(lacking)} clips in {split} lack sound or picture, which this layout cannot say: "
            f"{', '.join(lacking[:5])}{', …' if lacking[5:] else ''}; drop them (--incomplete drop)"
        )
    return clips.where(whole)


def _write_class(folder: Path, split: str, name: str, clips: ClipSet) -> None:
    for modality in MODALITIES:
        rows = clips.feature(modality)
        if rows is not None:
            path = folder / "features" / modality / FOLDERS[split] / f"{name}.h5"
            write_features(path, rows.numpy(), clips.ids)
