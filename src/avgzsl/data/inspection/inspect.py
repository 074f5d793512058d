"""Everything that is in a data set, and everything that is wrong with it, also when it cannot be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import find_layout, place_of
from avgzsl.support.showing import Shown
from avgzsl.types import DataChoice


@dataclass(frozen=True, eq=False)
class Inspection(Shown):
    """What is in a data set: `problems` stop reading or spoil results, `remarks` are what one should know.

    `modalities` has dimension, min, max and mean_norm of each, `text` the file, dimension and classes of each file of
    text vectors, `class_splits` the names of the seen and unseen classes of each, `clips` counts by class and split.
    """

    path: str
    layout: str
    modalities: Mapping[str, Mapping[str, Any]]
    text: Sequence[Mapping[str, Any]]
    class_splits: Mapping[str, Mapping[str, Sequence[str]]]
    clips: Mapping[str, Mapping[str, int]]
    problems: Sequence[str]
    remarks: Sequence[str]

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row a class, with its clips by split."""
        return [{"class": name, **counts} for name, counts in self.clips.items()]

    def json(self) -> dict[str, Any]:
        """All of it, by name."""
        return dict(vars(self))


def inspect(data: str | Path | Dataset, *, layout: str | None = None) -> Inspection:
    """Look at the data set in a folder, or at the folder that an opened one was read from.

    The layout is recognised unless it is given. Raises DataError only when there is no data set to look at.
    """
    path, choice = place_of(data, None if layout is None else DataChoice(layout))
    root, module = find_layout(path, choice.layout)
    return Inspection(**module.inspect(root))
