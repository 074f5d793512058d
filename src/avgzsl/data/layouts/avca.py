"""The layout of the AVCA benchmark (UCF, ActivityNet, VGGSound): a file per stage and class, two class splits.

`class_split` is `main_split` or `cls_split` for stage 2 (train: the three stages of training and validation; test),
`main_split/stage-1` or `cls_split/stage-1` for stage 1 (train; val). Features of main_split are main_features, of
cls_split cls_features, or the pickled ones of TCaF and ClipClap (`_avca_folders`). `text_order` is documented in
docs/data.md.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from avgzsl.data.clips import Dataset
from avgzsl.data.inspection.class_files import ClassFiles, inspect_class_files
from avgzsl.data.layouts._avca_folders import feature_folder, feature_folders, left_unread, suffix_of, text_files
from avgzsl.data.layouts._avca_text import mislabelled, other_names, read_text
from avgzsl.data.reading.assembly import assemble
from avgzsl.data.reading.avca_lists import (
    FIRST,
    STAGES,
    TESTING,
    TRAINING,
    clips_outside,
    other_spellings,
    read_stage_lists,
    stage_classes,
)
from avgzsl.data.reading.class_lists import ClassLists, read_names
from avgzsl.data.reading.source import FeatureSource, merged
from avgzsl.errors import DataError, UnknownNameError
from avgzsl.support.registry import unknown
from avgzsl.types import MODALITIES, DataChoice, Modality, TextOrder
from avgzsl.types import TEXT_ORDERS as EVERY_TEXT_ORDER

NAME = "avca"
DESCRIPTION = (
    "features/{main,cls}_features*/{audio,video}/STAGE/CLASS.{h5,pkl}, features/*/text/*word_embeddings*.npy, "
    "class-split/{main,cls}_split/STAGE.{txt,csv}"
)
TEXT_ORDERS: tuple[TextOrder, ...] = EVERY_TEXT_ORDER


def recognise(path: Path) -> bool:
    """Is this folder in the layout?"""
    return bool(_divisions(path))


def class_splits(path: Path) -> list[str]:
    """main_split and cls_split, as far as there are features for them (or both, if for neither), and their stages 1."""
    divisions = _divisions(path)
    served = [name for name in divisions if feature_folders(path, name)] or divisions
    return [name + stage for name in served for stage in ("", FIRST)]


def class_lists(path: Path, class_split: str | None) -> ClassLists:
    """The lists of a class split; of the first there is when none is named. Raises DataError, UnknownNameError."""
    return read_stage_lists(path / "class-split", _chosen(path, class_split))


def vector_files(path: Path, class_split: str | None = None) -> list[Path]:
    """The files with word vectors beside the features of a class split. Raises DataError."""
    name = _chosen(path, class_split)
    files = text_files(path, name)
    if not files:
        place = feature_folder(path, name) / "text"
        raise DataError(f"{place}: no *word_embeddings*.npy; expected the pickled dict of class name -> vector")
    return files


def source(path: Path, class_split: str | None = None) -> FeatureSource:
    """The feature files of a class split: one source for its two stages. Raises DataError."""
    name = _chosen(path, class_split).removesuffix(FIRST)
    lists, features = path / "class-split", feature_folder(path, name)
    modalities: list[Modality] = [modality for modality in MODALITIES if (features / modality).is_dir()]
    if not modalities:
        raise DataError(f"{features}: neither audio nor video; expected {{audio,video}}/STAGE/CLASS.h5 or .pkl")
    every = sorted(read_names(lists / "all_class.txt"))
    stages = [stage for stage in STAGES if (lists / name / f"{stage}.txt").is_file()]
    return FeatureSource(
        path,
        NAME,
        {stage: {modality: features / modality / stage for modality in modalities} for stage in stages},
        {stage: frozenset(stage_classes(lists / name, stage, every)) for stage in stages},
        {"stage_1": tuple(s for s in TRAINING if s in stages), "stage_2": tuple(s for s in TESTING if s in stages)},
        features.name,
        other_spellings(lists, lists / name),
        suffix_of(features),
    )


def remarks(path: Path) -> list[str]:
    """Clips that the class lists leave out, and what the published order of text vectors would mix up."""
    wrong, total = mislabelled(path)
    every = sorted(read_names(path / "class-split" / "all_class.txt"))
    divisions = [name for name in class_splits(path) if not name.endswith(FIRST)]
    among = [f"{name} {'{} of {}'.format(*mislabelled(path, name))}" for name in divisions]
    order = "the order of text vectors in the published loaders gives"
    mixed = (
        f"{order} {wrong} of {total} classes another class's vector (unseen test classes: {', '.join(among)}); "
        "here each class gets its own, unless text_order is avca-published"
    )
    return [
        *(line for name in divisions for line in clips_outside(path / "class-split" / name, every)),
        *(line for name in divisions for line in left_unread(path, name)),
        mixed if wrong else f"{order} none of {total} classes another class's vector",
    ]


def read(path: Path, choice: DataChoice) -> Dataset:
    """Read the data set. Raises DataError, UnknownNameError."""
    name = _chosen(path, choice.class_split)
    lists = class_lists(path, name)
    files = vector_files(path, name)
    every = sorted(read_names(path / "class-split" / "all_class.txt"))
    notes = [*clips_outside(lists.folder, every, merged([lists.plan])), *left_unread(path, name)]
    classes, about_text = read_text(lists, files, choice.text_order)
    if choice.text_order == "avca-published":
        wrong, total = mislabelled(path)
        order = f"text vectors in AVCA's published order: {wrong} of {total} classes have another class's vector"
        about_text = [order, *about_text]
    dataset = assemble(source(path, name), lists, classes, name, choice.drop_bad_rows, (*notes, *about_text))
    return replace(dataset, also_called=other_names(path / "class-split", classes.names), text_notes=tuple(about_text))


def inspect(path: Path) -> dict[str, Any]:
    """See `Layout`."""
    return inspect_class_files(
        path, ClassFiles(NAME, class_splits, class_lists, source, vector_files, remarks, read_text)
    )


def _divisions(path: Path) -> list[str]:
    found = [file.parent.name for file in (path / "class-split").glob("*_split/stage_1_train.txt")]
    return sorted(found, key=lambda name: (name != "main_split", name))


def _chosen(path: Path, class_split: str | None) -> str:
    names = class_splits(path)
    if class_split is None and names:
        return names[0]
    if class_split not in names:
        raise UnknownNameError(f"{path}: {unknown('class split', str(class_split), names)}")
    return class_split
