"""Results that show themselves: as a table in a notebook and on a terminal, as a DataFrame, as JSON."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from avgzsl.support.registry import require

if TYPE_CHECKING:
    import pandas


class Shown(ABC):
    """Base of results. A subclass gives its rows; all rows need not have the same columns."""

    @abstractmethod
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row an item: plain values by name of column."""

    def json(self) -> Any:
        """What `--json` writes: plain lists, mappings, texts and numbers."""
        return [dict(row) for row in self.rows()]

    def to_frame(self) -> "pandas.DataFrame":
        """The rows as a DataFrame. Raises ConfigError where pandas is not installed."""
        frames = require("pandas", "frames")
        return frames.DataFrame([dict(row) for row in self.rows()])  # type: ignore[no-any-return]

    def table(self) -> str:
        """The rows as a table in Markdown."""
        head = self._columns()
        lines = [head, ["---"] * len(head), *([_shown(row.get(name)) for name in head] for row in self.rows())]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        head = "".join(f"<th>{escape(name)}</th>" for name in self._columns())
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(row.get(name)))}</td>" for name in self._columns()) + "</tr>"
            for row in self.rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _columns(self) -> list[str]:
        """Names of columns, in the order in which rows bring them up."""
        return list(dict.fromkeys(name for row in self.rows() for name in row))


Item = TypeVar("Item")


@dataclass(frozen=True)
class ShownItems(Shown, Sequence[Item], Generic[Item]):
    """Base of several results of one kind, which are indexed and gone through as a list is."""

    items: tuple[Item, ...] = ()

    @overload
    def __getitem__(self, place: int) -> Item: ...

    @overload
    def __getitem__(self, place: slice) -> "ShownItems[Item]": ...

    def __getitem__(self, place: int | slice) -> "Item | ShownItems[Item]":
        """One of them, or a part of them, which shows itself, too."""
        return type(self)(self.items[place]) if isinstance(place, slice) else self.items[place]

    def __len__(self) -> int:
        return len(self.items)


def printable(text: str) -> str:
    """Text that others made, as it is, but for what moves the cursor or is not seen."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _shown(value: Any) -> str:
    """A value in few letters: a dash for what is not there, four decimals of a number."""
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
