"""The contract of a layout: how a kind of folder is recognised, read and inspected."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from avgzsl.data.clips import Dataset
from avgzsl.types import DataChoice, TextOrder


@runtime_checkable
class Layout(Protocol):
    """A module that reads one kind of folder. Each `path` is a folder; only `recognise` is asked about others' ones."""

    @property
    def NAME(self) -> str:
        """What users call it and data sets record: the name under which it is found."""
        ...

    @property
    def DESCRIPTION(self) -> str:
        """One line: the files that such a folder has."""
        ...

    @property
    def TEXT_ORDERS(self) -> tuple[TextOrder, ...]:
        """The text orders in which it can read: ("right",), unless folders of its kind were published with others."""
        ...

    def recognise(self, path: Path) -> bool:
        """Whether the folder is in this layout, by the names of files and folders in it. Raises nothing."""
        ...

    def class_splits(self, path: Path) -> list[str]:
        """The names of the class splits (which classes are seen) that the folder brings, the usual one first."""
        ...

    def read(self, path: Path, choice: DataChoice) -> Dataset:
        """The data set by the choice's class split, bad rows and text order; the rest of the choice is not its affair.

        Raises DataError, naming file, finding and remedy; UnknownNameError for the class split.
        """
        ...

    def inspect(self, path: Path) -> dict[str, Any]:
        """What is in the folder and what is wrong with it; the keys are those of `avgzsl.data.inspection.inspect`.

        `avgzsl.data.inspection.by_reading.inspect_by_reading` does it for any layout.
        """
        ...
