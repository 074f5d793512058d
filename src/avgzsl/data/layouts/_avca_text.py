"""Which text vector a class of the AVCA benchmark gets: its own, or the one that the published loaders give it.

These sort the dict of vectors by the *manual* name and take row i for the i-th of the sorted *original* names. The two
orders differ (UCF's CleanAndJerk is called `Weight Lifting`, which shifts all between C and W by one), so most classes
of UCF and VGGSound get the vector of another class.
"""

from dataclasses import replace
from pathlib import Path

from avgzsl.data.reading.avca_lists import TESTING, manual_names, stage_classes
from avgzsl.data.reading.class_lists import ClassLists, read_names
from avgzsl.errors import DataError
from avgzsl.text.class_vectors import read_class_vectors


def published_order(folder: Path, names: list[str]) -> dict[str, str]:
    """The name whose vector each class gets, where `names` are those in the dict of vectors. Raises DataError."""
    every = sorted(read_names(folder / "all_class.txt"))
    if len(names) < len(every):
        raise DataError(
            f"{folder}: {len(names)} text vectors for {len(every)} classes; the published order goes by place and "
            "needs one for each: use text_order=right"
        )
    return dict(zip(every, sorted(names), strict=False))


def published_names(root: Path, lists: ClassLists, vectors: Path) -> ClassLists:
    """`lists` with the names that the published order looks up in `vectors`. Raises DataError."""
    return replace(lists, called=published_order(root / "class-split", list(read_class_vectors(vectors))))


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
    files = sorted((Path(root) / "features").glob("*/text/*word_embeddings*.npy"))
    given = published_order(folder, list(read_class_vectors(files[0])) if files else list(manual.values()))
    counted = set(given) if class_split is None else stage_classes(folder / class_split, TESTING[1], sorted(given))
    if nameless := sorted(counted - manual.keys()):
        raise DataError(
            f"{folder}: no line of *_w2v_class_names.csv for {', '.join(nameless)} of all_class.txt; add it"
        )
    return {name: given[name] != manual[name] for name in sorted(counted)}
