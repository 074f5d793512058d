"""The feature files of a data set, whatever its layout: one file per stage, modality and class."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avgzsl.data.reading.class_lists import ClassLists
from avgzsl.errors import DataError
from avgzsl.types import Modality

StageClasses = Mapping[str, tuple[str, ...]]  # stage -> classes
Plan = Mapping[str, StageClasses]  # split -> its stages

FOLDERS = {"train": "trn", "val": "val", "test": "tst"}  # of AudioSetZSL, by split


@dataclass(frozen=True)
class FeatureSource:
    """`folders[stage][modality]` holds a file `{class}{suffix}` per class; an absent modality has no folder at all.

    A stage is what one folder holds: a split, or a part of splits. `listed[stage]` is every class that any class split
    lists there: what is worth caching. The stages of a group are cached one after the other in one file, so that a
    split of neighbours is a view. `part` names the set of features, where a data set has several; `spelled` gives the
    class of files that spell it otherwise.
    """

    root: Path
    layout: str
    folders: Mapping[str, Mapping[Modality, Path]]
    listed: Mapping[str, frozenset[str]]
    groups: Mapping[str, tuple[str, ...]]
    part: str = ""
    spelled: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ".h5"

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that have a folder."""
        return tuple(next(iter(self.folders.values())))

    def files(self, stage: str, name: str) -> dict[Modality, Path]:
        """The file of each modality for one class in one stage."""
        stems = [name, *(stem for stem, class_ in self.spelled.items() if class_ == name)]

        def file(folder: Path) -> Path:
            paths = [folder / f"{stem}{self.suffix}" for stem in stems]
            return next((path for path in paths[1:] if path.exists() and not paths[0].exists()), paths[0])

        return {modality: file(folder) for modality, folder in self.folders[stage].items()}

    def files_by_class(self, stage: str, modality: Modality) -> dict[str, Path]:
        """The files of a modality in a stage, by class."""
        folder = self.folders[stage][modality]
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        feature_files = [file for file in files if file.suffix == self.suffix and not file.name.startswith(".")]
        return {self.spelled.get(file.stem, file.stem): file for file in feature_files}

    def all_files(self) -> list[Path]:
        """Every feature file, listed or not."""
        return [
            file
            for stage, folders in self.folders.items()
            for modality in folders
            for file in self.files_by_class(stage, modality).values()
        ]

    def unlisted(self) -> list[str]:
        """Classes with files in a stage that does not list them, as `stage/class` where another stage does."""
        elsewhere = set().union(*self.listed.values())
        return sorted(
            {
                f"{stage}/{name}" if name in elsewhere else name
                for stage, folders in self.folders.items()
                for modality in folders
                for name in self.files_by_class(stage, modality).keys() - self.listed[stage]
            }
        )


def plan_of(source: FeatureSource, lists: ClassLists) -> Plan:
    """Which stages make up each split, and the classes in each."""
    return lists.plan or {stage: {stage: lists.names} for stage in source.folders}


def merged(plans: Iterable[Plan]) -> StageClasses:
    """The classes of each stage that some split of some plan has, in the order in which they first come."""
    needed: dict[str, dict[str, None]] = {}
    for plan in plans:
        for stages in plan.values():
            for stage, names in stages.items():
                needed.setdefault(stage, {}).update(dict.fromkeys(names))
    return {stage: tuple(names) for stage, names in needed.items()}


def missing_files(source: FeatureSource, needed: StageClasses) -> list[str]:
    """A sentence for each folder in which a needed class has no file."""
    problems = []
    for stage, names in needed.items():
        for modality, folder in source.folders[stage].items():
            present = source.files_by_class(stage, modality)
            absent = [name for name in names if name not in present]
            if not folder.is_dir():
                problems.append(f"{folder}: not there; expected a folder with the {modality} of the split {stage}")
            elif absent:
                problems.append(
                    f"{folder}: no file for {', '.join(_with_hint(name, present, source.suffix) for name in absent)}"
                )
    return problems


def require_files(source: FeatureSource, needed: StageClasses) -> None:
    """Raises DataError when a needed class lacks a file."""
    if problems := missing_files(source, needed):
        remedy = f"Add the files (CLASS{source.suffix}), or take the classes out of the class lists."
        raise DataError(f"{'; '.join(problems)}. {remedy}")


def _with_hint(name: str, present: Iterable[str], suffix: str) -> str:
    near = difflib.get_close_matches(name, present, n=2, cutoff=0.6)
    return f"{name!r} (there is {' and '.join(f'{similar}{suffix}' for similar in near)})" if near else repr(name)
