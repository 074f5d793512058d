"""The layout of AudioSetZSL: HDF5 files per class, quoted class lists, a pickled dict of word vectors."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from avgzsl.data.clips import Dataset
from avgzsl.data.inspection.class_files import ClassFiles, inspect_class_files
from avgzsl.data.reading.assembly import assemble
from avgzsl.data.reading.class_lists import ClassLists, read_class_lists, read_names
from avgzsl.data.reading.class_table import class_table
from avgzsl.data.reading.source import FOLDERS, FeatureSource
from avgzsl.errors import DataError, UnknownNameError
from avgzsl.support.registry import unknown
from avgzsl.types import MODALITIES, DataChoice, Modality, TextOrder

NAME = "audioset-zsl"
DESCRIPTION = (
    "features/{audio,video}/{trn,val,tst}/CLASS.h5, features/text/word_embeddings-dict*.npy, "
    "class-split*/{all,seen,unseen}_class.txt"
)
TEXT_ORDERS: tuple[TextOrder, ...] = ("right",)


def recognise(path: Path) -> bool:
    """Is this folder in the layout?"""
    return any(
        (path / "features" / modality / folder).is_dir() for modality in MODALITIES for folder in FOLDERS.values()
    )


def class_splits(path: Path) -> list[str]:
    """The folders `class-split*`, class-split-2 before class-split-10."""
    folders = [folder.name for folder in path.glob("class-split*") if folder.is_dir()]
    return sorted(folders, key=lambda name: [int(part) if part.isdigit() else 0 for part in re.split(r"(\d+)", name)])


def class_lists(path: Path, class_split: str | None) -> ClassLists:
    """The lists of a class split; of `class-split`, or the only one there is, when none is named. Raises DataError."""
    names = class_splits(path)
    if not names:
        raise DataError(f"{path}: no folder class-split*; expected one with the lists of all, seen and unseen classes")
    if class_split is None:
        if "class-split" not in names and len(names) > 1:
            raise DataError(f"{path}: several class splits, none called class-split; choose one of {', '.join(names)}")
        class_split = "class-split" if "class-split" in names else names[0]
    if class_split not in names:
        raise UnknownNameError(f"{path}: {unknown('class split', class_split, names)}")
    return read_class_lists(path / class_split)


def vector_files(path: Path, class_split: str | None = None) -> list[Path]:
    """The files with word vectors, for every class split alike, the plainly named one first.

    Raises DataError if there is none.
    """
    folder = path / "features" / "text"
    files = sorted(folder.glob("word_embeddings-dict*.npy"), key=lambda file: (len(file.name), file.name))
    if not files:
        raise DataError(f"{folder}: no word_embeddings-dict*.npy; expected the pickled dict of class name -> vector")
    return files


def source(path: Path, class_split: str | None = None) -> FeatureSource:
    """The feature files, the same for every class split.

    A split is there if any modality has it; a modality, if its folder is there. Raises DataError.
    """
    features = path / "features"
    modalities: list[Modality] = [modality for modality in MODALITIES if (features / modality).is_dir()]
    folders = {
        split: {modality: features / modality / folder for modality in modalities}
        for split, folder in FOLDERS.items()
        if any((features / modality / folder).is_dir() for modality in modalities)
    }
    if "train" not in folders:
        raise DataError(f"{features}: no audio/trn or video/trn; expected the clips of each class in CLASS.h5")
    listed = _listed(path)
    return FeatureSource(path, NAME, folders, dict.fromkeys(folders, listed), {split: (split,) for split in folders})


def read(path: Path, choice: DataChoice) -> Dataset:
    """Read the data set. Raises DataError, UnknownNameError."""
    lists = class_lists(path, choice.class_split)
    files = vector_files(path)
    classes, used = class_table(lists, files)
    notes = (f"text vectors from {used.name}, one of {len(files)} files",) if len(files) > 1 else ()
    dataset = assemble(source(path), lists, classes, lists.folder.name, choice.drop_bad_rows, notes)
    return replace(dataset, text_notes=notes)


def inspect(path: Path) -> dict[str, Any]:
    """See `Layout`."""
    return inspect_class_files(path, ClassFiles(NAME, class_splits, class_lists, source, vector_files))


def _listed(path: Path) -> frozenset[str]:
    listed: set[str] = set()
    for name in class_splits(path):
        try:
            listed |= set(read_names(path / name / "all_class.txt"))
        except DataError:  # for those who ask for this class split to hear
            continue
    return frozenset(listed)
