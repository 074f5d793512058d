"""The content of a data set of one file of features a class, and everything that is wrong with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from avgzsl.data.inspection.survey import Survey, remarks, shared_ids, survey
from avgzsl.data.reading.class_lists import ClassLists
from avgzsl.data.reading.class_table import class_table
from avgzsl.data.reading.source import FeatureSource, Plan, StageClasses, merged, missing_files, plan_of
from avgzsl.errors import AvgzslError
from avgzsl.text.class_vectors import read_class_vectors
from avgzsl.text.spellings import spelling_notes, vector_notes

IMBALANCE = 10  # largest over smallest seen class, from which on sampling per class matters

Result = TypeVar("Result")


@dataclass(frozen=True)
class ClassFiles:
    """What a layout of such files knows; each call may raise DataError, which is told as a problem.

    `class_lists`, `source` (the files of features) and `vector_files` (of text vectors) are those of a class split, or
    of the usual one for None. `remarks` is what one should know of a data set of this layout alone. `class_table` makes
    the classes with their text of some files.
    """

    layout: str
    class_splits: Callable[[Path], list[str]]
    class_lists: Callable[[Path, str | None], ClassLists]
    source: Callable[[Path, str | None], FeatureSource]
    vector_files: Callable[[Path, str | None], list[Path]]
    remarks: Callable[[Path], list[str]] | None = None
    class_table: Callable[[ClassLists, list[Path]], object] = class_table


def inspect_class_files(path: Path, files: ClassFiles) -> dict[str, Any]:
    """The keys of `avgzsl.data.inspection.inspect`."""
    problems: list[str] = []
    names = files.class_splits(path)
    lists = {name: _try(problems, files.class_lists, path, name) for name in names}
    if not names:
        _try(problems, files.class_lists, path, None)
    text = _text(path, files, lists, problems)
    names_to_read: list[str | None] = [*names] or [None]
    sources = {name: _try(problems, files.source, path, name) for name in names_to_read}
    notes: list[str] = [] if files.remarks is None else _try(problems, files.remarks, path) or []
    surveys = _surveys(sources, lists, problems, notes)
    for name, split in lists.items():
        source = sources[name]
        if split is not None and source is not None:
            marks = dict.fromkeys(split.seen, True) | dict.fromkeys(split.unseen, False)
            problems += [f"{name}: {note}" for note in spelling_notes(split.names, marks)]
            _balance(name, split, plan_of(source, split), surveys[source.part].clips, problems, notes)
    for part, survey_of_part in surveys.items():
        notes += [f"{part}: {note}" if len(surveys) > 1 else note for note in remarks(survey_of_part)]
    return {
        "path": str(path),
        "layout": files.layout,
        "modalities": {
            modality if len(surveys) == 1 else f"{modality} ({part})": span.summary()
            for part, survey_of_part in surveys.items()
            for modality, span in survey_of_part.ranges.items()
        },
        "text": text,
        "class_splits": {name: _names(split) for name, split in lists.items()},
        "clips": _clips(surveys),
        "problems": list(dict.fromkeys(problems)),
        "remarks": notes,
    }


def _surveys(
    sources: dict[str | None, FeatureSource | None],
    lists: dict[str, ClassLists | None],
    problems: list[str],
    notes: list[str],
) -> dict[str, Survey]:
    """Each set of features, seen through the lists of all class splits that are made of it."""
    surveys: dict[str, Survey] = {}
    by_part = {source.part: source for source in sources.values() if source is not None}
    for part, source in by_part.items():
        needed = merged(plan_of(source, split) for split in _lists_of(part, sources, lists))
        problems += missing_files(source, needed)
        result = surveys[part] = survey(source, needed)
        problems += [*result.problems, *shared_ids(result)]
        if unlisted := source.unlisted():
            notes.append(f"files of classes that no class split lists: {', '.join(unlisted)}")
    return surveys


def _lists_of(
    part: str, sources: dict[str | None, FeatureSource | None], lists: dict[str, ClassLists | None]
) -> list[ClassLists]:
    """The lists of the class splits that are made of one set of features."""
    lists_of_part = []
    for name, split in lists.items():
        source = sources[name]
        if split is not None and source is not None and source.part == part:
            lists_of_part.append(split)
    return lists_of_part


def _clips(surveys: dict[str, Survey]) -> dict[str, dict[str, int]]:
    """Clips by class and stage, of all sets of features."""
    clips: dict[str, dict[str, int]] = {}
    for part, survey_of_part in surveys.items():
        for name, counts in survey_of_part.clips.items():
            by_stage = {stage if len(surveys) == 1 else f"{part} {stage}": count for stage, count in counts.items()}
            clips.setdefault(name, {}).update(by_stage)
    return clips


def _names(lists: ClassLists | None) -> dict[str, list[str]]:
    return {"seen": list(lists.seen) if lists else [], "unseen": list(lists.unseen) if lists else []}


def _try(problems: list[str], call: Callable[..., Result], *arguments: object) -> Result | None:
    try:
        return call(*arguments)
    except AvgzslError as problem:
        problems.append(str(problem))
        return None


def _text(
    path: Path, layout: ClassFiles, lists: dict[str, ClassLists | None], problems: list[str]
) -> list[dict[str, Any]]:
    """The files of text vectors; for each class split, whether one of them serves."""
    files: dict[str | None, list[Path]] = {
        name: _try(problems, layout.vector_files, path, name) or [] for name in lists or [None]
    }
    readable = []
    described = []
    for file in dict.fromkeys(file for file_list in files.values() for file in file_list):
        vectors = _try(problems, read_class_vectors, file)
        if vectors is None:
            continue
        readable.append(file)
        described.append({"file": file.name, "dimension": len(next(iter(vectors.values()))), "classes": len(vectors)})
        sizes = {len(vector) for vector in vectors.values()}
        if len(sizes) == 1:
            problems += [f"{file}: {note}" for note in vector_notes(list(vectors), np.stack(list(vectors.values())))]
    for name, split in lists.items():
        serving = [file for file in files[name] if file in readable]
        if split is not None and serving:
            _try(problems, layout.class_table, split, serving)
    return described


def _balance(
    name: str, lists: ClassLists, plan: Plan, clips: dict[str, dict[str, int]], problems: list[str], notes: list[str]
) -> None:
    """Add to `problems` seen classes without training clips; to `notes` empty classes and large imbalance."""
    train = {label: sum(clips.get(label, {}).get(stage, 0) for stage in plan["train"]) for label in lists.seen}
    if empty := [label for label, count in train.items() if not count]:
        problems.append(f"{name}: no clips to train on for the seen classes {', '.join(empty)}")
    for split in ("val", "test"):
        without_clips = [label for label in lists.names if _empty(label, plan.get(split, {}), clips)]
        if without_clips:
            notes.append(f"{name}: no clips in {split} for {', '.join(without_clips)}")
    counts = [count for count in train.values() if count]
    if counts and max(counts) >= IMBALANCE * min(counts):
        notes.append(
            f"{name}: the largest seen class has {max(counts) / min(counts):.0f} times the clips of the smallest"
        )


def _empty(name: str, stages: StageClasses, clips: dict[str, dict[str, int]]) -> bool:
    """Whether a class that has files in some of these stages has no clip in any."""
    counts = [clips[name][stage] for stage in stages if stage in clips.get(name, {})]
    return bool(counts) and not sum(counts)
