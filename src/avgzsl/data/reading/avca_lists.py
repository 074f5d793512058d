"""The class and clip lists of the AVCA benchmark: stages, spellings, names in the text vectors."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from avgzsl.data.reading.class_lists import ClassLists, read_names
from avgzsl.errors import DataError
from avgzsl.support.registry import unknown
from avgzsl.support.trust import read_text, require_no_way_out

TRAINING = ("stage_1_train", "stage_1_val_seen", "stage_1_val_unseen")
TESTING = ("stage_2_test_seen", "stage_2_test_unseen")
STAGES = (*TRAINING, *TESTING)
FIRST = "/stage-1"  # what the name of a class split ends in, where the data of stage 1 is meant
SPLITS = {
    True: {"train": TRAINING[:1], "val": TRAINING[1:]},
    False: {"train": TRAINING, "test": TESTING},
}


def read_stage_lists(folder: Path, class_split: str) -> ClassLists:
    """The lists of a class split of `folder` (class-split): of its stage 2, or of stage 1. Raises DataError.

    Classes come in the order of sorted(all_class.txt), as everywhere in that benchmark, and in its spelling; those that
    the class split does not use are left out.
    """
    base = folder / class_split.removesuffix(FIRST)
    every = sorted(read_names(folder / "all_class.txt"))
    splits = SPLITS[class_split.endswith(FIRST)]
    classes = {stage: stage_classes(base, stage, every) for stages in splits.values() for stage in stages}
    seen = classes[TRAINING[0]] | (classes[TRAINING[2]] if "test" in splits else set())
    unseen = classes[TESTING[1] if "test" in splits else TRAINING[2]]
    if problems := list(_problems(base, classes, seen, unseen, every)):
        raise DataError(f"{base}: {'; '.join(problems)}. Mend the lists: fetch them again from where they come.")

    def ordered(names: set[str]) -> tuple[str, ...]:
        return tuple(name for name in every if name in names)

    plan = {split: {stage: ordered(classes[stage]) for stage in stages} for split, stages in splits.items()}
    return ClassLists(base, ordered(seen | unseen), ordered(seen), ordered(unseen), plan, manual_names(folder))


def stage_classes(base: Path, stage: str, every: list[str]) -> set[str]:
    """The classes that `stage`.txt lists, spelled as in all_class.txt. Raises DataError."""
    names = read_names(base / f"{stage}.txt")
    spelled = as_spelled(every)
    if strange := [name for name in names if name.casefold() not in spelled]:
        hints = "; ".join(unknown("class", name, every) for name in strange[:5])
        raise DataError(f"{base / stage}.txt: not in all_class.txt: {hints}. Mend the spelling in one of the two.")
    return {spelled[name.casefold()] for name in names}


def as_spelled(every: list[str]) -> dict[str, str]:
    """The class of a name in any case: UCF's lists have HandstandPushups and HandStandPushups."""
    return {name.casefold(): name for name in every}


def other_spellings(folder: Path, base: Path) -> dict[str, str]:
    """Names in the stage lists that all_class.txt spells otherwise, each with its class."""
    spelled = as_spelled(sorted(read_names(folder / "all_class.txt")))
    listed = {
        name for stage in STAGES if (base / f"{stage}.txt").is_file() for name in read_names(base / f"{stage}.txt")
    }
    return {name: spelled[name.casefold()] for name in sorted(listed) if spelled.get(name.casefold(), name) != name}


def manual_names(folder: Path) -> dict[str, str]:
    """The name of each class in the text vectors: `original,manual` of *_w2v_class_names.csv. Raises DataError.

    ClipClap's *_clip_class_names.csv has them, too.
    """
    files = [*sorted(folder.glob("*_w2v_class_names.csv")), *_clip_files(folder)]
    if not files:
        raise DataError(f"{folder}: no *_w2v_class_names.csv; expected the columns original,manual of class names")
    rows = read_rows(files[0], ("original", "manual"))
    return {row["original"]: row["manual"] for row in rows}


def clip_names(folder: Path) -> dict[str, str]:
    """What ClipClap calls the classes of UCF: `original,clip_class_name` of *_clip_class_names.csv; {} without one.

    Raises DataError.
    """
    rows = [row for file in _clip_files(folder)[:1] for row in read_rows(file, ("original", "clip_class_name"))]
    return {row["original"]: row["clip_class_name"] for row in rows}


def _clip_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*_clip_class_names.csv"))


def clips_outside(base: Path, every: list[str], stages: Iterable[str] = STAGES) -> Iterator[str]:
    """A sentence for each stage whose clip list names classes that its class list does not: the class list rules."""
    for stage in stages:
        path = base / f"{stage}.csv"
        if not path.is_file() or not path.with_suffix(".txt").is_file():
            continue
        listed = stage_classes(base, stage, every)
        spelled = as_spelled(every)
        labels = [row["label"] for row in read_rows(path, ("filename", "label"))]
        outside = [label for label in labels if spelled.get(label.casefold(), label) not in listed]
        if outside:
            names = ", ".join(sorted(set(outside)))
            where = f"{base.name}/{path.name}"
            yield f"left out {len(outside)} clips of {where}, of classes that {stage}.txt does not list: {names}"


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a csv with a header. Raises DataError unless every row has these columns."""
    require_no_way_out(path, DataError)
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path, DataError), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path}: not readable as csv ({problem}); fetch it again") from problem
    short = [number for number, row in enumerate(rows, 2) if any(row.get(name) is None for name in columns)]
    if short or not rows:
        where = f"line {short[0]} lacks one of them" if short else "there are no rows"
        raise DataError(f"{path}: expected a header and rows with the columns {', '.join(columns)}; {where}")
    return rows


def _problems(
    base: Path, classes: dict[str, set[str]], seen: set[str], unseen: set[str], every: list[str]
) -> Iterator[str]:
    if both := sorted(seen & unseen):
        yield f"both seen and unseen: {', '.join(both)}"
    if not seen or not unseen:
        yield f"{len(seen)} seen and {len(unseen)} unseen classes; expected some of each"
    for stage in (TRAINING[1], TESTING[0]):
        if strange := sorted(classes.get(stage, set()) - seen):
            yield f"{stage}.txt has classes without training: {', '.join(strange)}"
    if (base / "stage_2_train.txt").is_file() and TESTING[0] in classes:
        listed = stage_classes(base, "stage_2_train", every)
        if differ := sorted(listed ^ seen):
            yield f"stage_2_train.txt and the lists of stage 1 differ in {', '.join(differ)}"
