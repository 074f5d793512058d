"""Which text vector a class of the AVCA benchmark gets: its own, or the one that the published loaders give it.

These sort the dict of vectors by its names and take row i for the i-th of the sorted *original* names of classes. Where
the dict has *manual* names the two orders differ (UCF's CleanAndJerk is called `Weight Lifting`, which shifts all
between C and W by one), so most classes of UCF and VGGSound get the vector of another class. ClipClap's dicts for UCF
have the names of `clip_class_name`, whose order is that of the original names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from avgzsl.data.clips import ClassTable, TextPart
from avgzsl.data.layouts._avca_folders import is_of_clap, text_files
from avgzsl.data.reading.avca_lists import TESTING, clip_names, manual_names, stage_classes
from avgzsl.data.reading.class_lists import ClassLists, read_names
from avgzsl.data.reading.class_table import class_table
from avgzsl.errors import DataError
from avgzsl.text.class_vectors import read_class_vectors
from avgzsl.text.spellings import class_key
from avgzsl.types import TextOrder


def read_text(lists: ClassLists, files: list[Path], order: TextOrder = "right") -> tuple[ClassTable, list[str]]:
    """The classes of `lists` with their text, and notes on where it is from.

    Vectors of CLIP (or of words) and of CLAP are joined, a part each. Both serve both modalities, and each stands in
    the space of one: CLIP's in that of video, CLAP's in that of audio. Of several files of one kind the first that has
    all classes is read. Raises DataError.
    """
    kinds = [group for clap in (False, True) if (group := [file for file in files if is_of_clap(file) is clap])]
    read = [_of_one_kind(lists, group[:1] if order == "avca-published" else group, order) for group in kinds]
    notes = [
        f"text vectors from {used.name}, one of {len(group)} files"
        for group, (_, used) in zip(kinds, read, strict=True)
        if len(group) > 1
    ]
    (classes, _), *others = read
    if others:
        text = torch.cat([table.text for table, _ in read], dim=1)
        parts = [TextPart(table.text.shape[1], space="audio" if is_of_clap(file) else "video") for table, file in read]
        classes = ClassTable(classes.names, text, classes.seen, tuple(parts))
        notes.append("text of two parts: " + ", then ".join(f"{file.name} ({t.text.shape[1]})" for t, file in read))
    return classes, notes


def other_names(folder: Path, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The names that the lists in `folder` (class-split) give these classes, besides their own. Raises DataError."""
    ways = (manual_names(folder), clip_names(folder))
    every = {name: dict.fromkeys(way[name] for way in ways if name in way) for name in names}
    return {name: tuple(other for other in others if other != name) for name, others in every.items()}


def _of_one_kind(lists: ClassLists, files: list[Path], order: TextOrder) -> tuple[ClassTable, Path]:
    if order == "avca-published":
        return class_table(replace(lists, called=_published(lists, files[0])), files)
    fitted = [(replace(lists, called=_called(lists.folder.parent, read_class_vectors(file))), file) for file in files]
    fitted.sort(key=lambda one: _lacking(*one) > 0)  # stable: the first that has all classes
    return class_table(fitted[0][0], [fitted[0][1]])


def _lacking(lists: ClassLists, file: Path) -> int:
    vectors = read_class_vectors(file)
    return sum(lists.called.get(name, name) not in vectors for name in lists.names)


def _called(folder: Path, keys: Iterable[str]) -> dict[str, str]:
    """What each class is called in a dict with these keys: the way of `folder` that finds most of them."""
    known = set(keys)
    ways = [way for way in (clip_names(folder), manual_names(folder)) if way]
    return max(ways, key=lambda way: sum(key in known for key in way.values()))


def _published(lists: ClassLists, file: Path) -> dict[str, str]:
    return published_order(lists.folder.parent, list(read_class_vectors(file)))


def published_order(folder: Path, names: list[str]) -> dict[str, str]:
    """The name whose vector each class gets, where `names` are those in the dict of vectors. Raises DataError."""
    every = sorted(read_names(folder / "all_class.txt"))
    if len(names) < len(every):
        raise DataError(
            f"{folder}: {len(names)} text vectors for {len(every)} classes; the published order goes by place and "
            "needs one for each: use text_order=right"
        )
    return dict(zip(every, sorted(names), strict=False))


def mislabelled(root: Path, class_split: str | None = None) -> tuple[int, int]:
    """To how many classes the published order gives another class's vector, and of how many; see `wrong_classes`."""
    wrong = wrong_classes(root, class_split)
    return sum(wrong.values()), len(wrong)


def wrong_classes(root: Path, class_split: str | None = None) -> dict[str, bool]:
    """Whether the published order gives a class another class's vector.

    For all classes of the data set in `root`, or the unseen test classes of a class split. Where there is no file of
    vectors, the manual names stand for those in it. Raises DataError.
    """
    folder = Path(root) / "class-split"
    manual = manual_names(folder)
    files = text_files(Path(root), class_split)
    given = published_order(folder, list(read_class_vectors(files[0])) if files else list(manual.values()))
    counted = set(given) if class_split is None else stage_classes(folder / class_split, TESTING[1], sorted(given))
    if nameless := sorted(counted - manual.keys()):
        raise DataError(
            f"{folder}: no line of *_w2v_class_names.csv for {', '.join(nameless)} of all_class.txt; add it"
        )
    owner = _owners(manual, clip_names(folder))
    return {name: owner.get(class_key(given[name])) != name for name in sorted(counted)}


def _owners(*ways: Mapping[str, str]) -> dict[str, str]:
    """The class to which a key of a dict belongs, however it is spelled."""
    return {class_key(key): name for way in ways for name, key in way.items()}
