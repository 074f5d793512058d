"""Where the features and the text of an AVCA benchmark lie: in AVCA's folders, or in those of TCaF and ClipClap.

The folders of TCaF and ClipClap tell how their features were made, too (`cls_features_non_averaged`,
`main_features_no_averaged`); their files are pickled.
"""

from pathlib import Path

from avgzsl.data.reading.avca_lists import FIRST
from avgzsl.data.reading.class_file import PICKLED
from avgzsl.errors import DataError
from avgzsl.types import MODALITIES

HDF5 = ".h5"


def feature_folders(root: Path, class_split: str) -> list[Path]:
    """The folders with features for a class split: the one that is read first, then others that might be meant."""
    part, features = _part(class_split), root / "features"
    return [folder for folder in (features / part, *sorted(features.glob(f"{part}_*"))) if folder.is_dir()]


def feature_folder(root: Path, class_split: str) -> Path:
    """The folder that is read. Raises DataError, which names those that there are, where none is for this split."""
    if folders := feature_folders(root, class_split):
        return folders[0]
    part, features = _part(class_split), root / "features"
    there = sorted(entry.name for entry in features.iterdir() if entry.is_dir()) if features.is_dir() else []
    raise DataError(
        f"{features}: no folder {part}, {part}_non_averaged or {part}_no_averaged for {class_split}; found "
        f"{', '.join(there) or 'no folder'}"
    )


def suffix_of(folder: Path) -> str:
    """What the names of its files of features end in."""
    for suffix in (HDF5, PICKLED):
        if any(True for modality in MODALITIES for _ in folder.glob(f"{modality}/*/*{suffix}")):
            return suffix
    return HDF5


def left_unread(root: Path, class_split: str) -> list[str]:
    """A sentence where there are several folders of features for a class split."""
    read, *others = [folder.name for folder in feature_folders(root, class_split)] or [""]
    return [f"features/{name} was not read, for there is {read}; move {read} away to read it" for name in others]


def text_files(root: Path, class_split: str | None = None) -> list[Path]:
    """The files of text vectors beside the features of a class split, else in a folder `text` for all of them.

    Without a class split, those of any folder. Those of the space of CLAP (ClipClap's) come last.
    """
    features = root / "features"
    own = features.glob("*") if class_split is None else feature_folders(root, class_split)[:1]
    places = [*sorted(folder / "text" for folder in own), features / "text", root / "text"]
    found = next((files for place in places if (files := list(place.glob("*word_embeddings*.npy")))), [])
    return sorted(found, key=lambda file: (is_of_clap(file), file.name))


def is_of_clap(file: Path) -> bool:
    """Whether these are the vectors of WavCaps' CLAP, which ClipClap joins to those of CLIP."""
    return file.name.startswith("wavcaps_")


def _part(class_split: str) -> str:
    return class_split.removesuffix(FIRST).removesuffix("_split") + "_features"
