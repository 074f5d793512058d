"""The feature files of a data set, whatever its layout: one file per split, modality and class."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from avgzsl.errors import DataError
from avgzsl.types import Modality


@dataclass(frozen=True)
class Source:
    """`folders[split][modality]` holds a file `{class}.h5` per class; a modality that is absent has no folder at all.

    `listed` is every class that any class split of the data set lists: what is worth caching.
    """

    root: Path
    layout: str
    folders: Mapping[str, Mapping[Modality, Path]]
    listed: frozenset[str]

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that are there."""
        return tuple(next(iter(self.folders.values())))

    def files(self, split: str, name: str) -> dict[Modality, Path]:
        """The file of each modality for one class in one split."""
        return {modality: folder / f"{name}.h5" for modality, folder in self.folders[split].items()}

    def found(self, split: str, modality: Modality) -> dict[str, Path]:
        """The files that are there, by class."""
        folder = self.folders[split][modality]
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        return {file.stem: file for file in files if file.suffix == ".h5" and not file.name.startswith(".")}

    def all_files(self) -> list[Path]:
        """Every feature file, listed or not."""
        return [
            file
            for split, by in self.folders.items()
            for modality in by
            for file in self.found(split, modality).values()
        ]

    def unlisted(self, names: Iterable[str]) -> list[str]:
        """Classes that have files, but are not among `names`."""
        stems = {file.stem for file in self.all_files()}
        return sorted(stems - set(names))


def missing_files(source: Source, names: Iterable[str]) -> list[str]:
    """A sentence for each folder in which a class of `names` has no file."""
    problems = []
    for split, by in source.folders.items():
        for modality, folder in by.items():
            found = source.found(split, modality)
            absent = [name for name in names if name not in found]
            if not folder.is_dir():
                problems.append(f"{folder}: not there; expected a folder with the {modality} of the split {split}")
            elif absent:
                problems.append(f"{folder}: no file for {', '.join(_with_hint(name, found) for name in absent)}")
    return problems


def require_files(source: Source, names: Iterable[str]) -> None:
    """Raises DataError when a class of `names` lacks a file."""
    if problems := missing_files(source, names):
        raise DataError("; ".join(problems) + ". Add the files (CLASS.h5), or take the classes out of the class lists.")


def _with_hint(name: str, found: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, found, n=2, cutoff=0.6)
    return f"{name!r} (there is {' and '.join(f'{other}.h5' for other in near)})" if near else repr(name)
