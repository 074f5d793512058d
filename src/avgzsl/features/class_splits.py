"""Class splits of a store: which classes are seen and, if the split divides the clips too, which clip is in which."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from avgzsl.errors import ConfigError, DataError, UnknownNameError
from avgzsl.support.files import write_json
from avgzsl.support.records import read_record
from avgzsl.support.registry import unknown
from avgzsl.support.trust import require_no_way_out
from avgzsl.text.spellings import written_as

FOLDER, MANIFEST = "splits", "manifest"
_NAME = re.compile(r"\w[\w.-]*")

SplitName = Literal["train", "val", "test"]


class ClassSplit(BaseModel):
    """`clips` gives the split of a clip by its id; if it is None, the manifest's column `split` rules.

    With `merge_spellings`, clips whose label is another spelling of one of the classes are of that class.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    clips: dict[str, SplitName] | None = None
    merge_spellings: bool = False

    @model_validator(mode="after")
    def _classes_differ(self) -> "ClassSplit":
        names = [*self.seen, *self.unseen]
        if twice := sorted(name for name, count in Counter(names).items() if count > 1):
            raise ValueError(f"listed more than once: {', '.join(twice)}")
        return self

    def labels(self, written: Sequence[str | None]) -> list[str | None]:
        """The class of each clip by its label as it is written."""
        if not self.merge_spellings:
            return list(written)
        classes = written_as((*self.seen, *self.unseen), {label for label in written if label is not None})
        return [None if label is None else classes.get(label, label) for label in written]


def class_splits(store: Path) -> list[str]:
    """Names of the class splits in a store's folder."""
    return sorted(file.stem for file in (store / FOLDER).glob("*.json") if not file.name.startswith("."))


def read_class_split(store: Path, name: str | None) -> tuple[str, ClassSplit]:
    """The class split `name`; when none is named, `manifest`, or the only one. Raises DataError, UnknownNameError."""
    names = class_splits(store)
    if not names:
        raise DataError(
            f"{store}: no class split says which classes are seen; make one with `avgzsl split`, or give the manifest "
            "a column `seen` and extract again (what is extracted is kept)"
        )
    if name is None:
        if MANIFEST not in names and len(names) > 1:
            raise DataError(f"{store}: several class splits; choose one of {', '.join(names)}")
        name = MANIFEST if MANIFEST in names else names[0]
    if name not in names:
        raise UnknownNameError(f"{store}: {unknown('class split', name, names)}")
    remedy = "mend it, or make it anew"
    return name, read_record(_file(store, name), ClassSplit, "a class split", remedy, DataError)


def write_class_split(store: Path, name: str, split: ClassSplit) -> Path:
    """Write a class split. Raises ConfigError for what cannot name one."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot name a class split; use letters, digits, dots, - and _")
    require_no_way_out(store / FOLDER, DataError)
    write_json(_file(store, name), split.model_dump(mode="json"))
    return _file(store, name)


def _file(store: Path, name: str) -> Path:
    return store / FOLDER / f"{name}.json"


def write_manifest_split(folder: Path, clips: Iterable[tuple[str | None, bool | None]]) -> None:
    """The class split that a manifest's column `seen` makes, from the label and the mark of each clip; or none."""
    by: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for label, seen in clips:
        if seen is not None and label is not None:
            by[seen][label] = None
    if by[True] or by[False]:
        write_class_split(folder, MANIFEST, ClassSplit(seen=tuple(sorted(by[True])), unseen=tuple(sorted(by[False]))))
    else:
        (folder / FOLDER / f"{MANIFEST}.json").unlink(missing_ok=True)
