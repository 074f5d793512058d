"""What the paper published, and which methods, with which settings, its tables and figures need: `paper.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from avgzsl.errors import ConfigError
from avgzsl.support.trust import read_yaml
from avgzsl.types import Fusion, TestModality


class Line(NamedTuple):
    """A row of a table of the paper: its model, how it is measured here, and the published S, U, HM in %."""

    model: str
    entry: str
    modality: TestModality
    fusion: Fusion
    published: tuple[float, float, float]


class PaperTable(NamedTuple):
    """A table: its number, what it shows, the task its rows measure, its rows."""

    name: str
    title: str
    task: str
    lines: tuple[Line, ...]


class PaperEntry(NamedTuple):
    """What an entry of a table is here: a method, and the settings that make it this entry."""

    method: str
    settings: Mapping[str, Any]


def _line(model: str, entry: str, modality: TestModality, fusion: Fusion, *published: float) -> Line:
    seen, unseen, harmonic = published
    return Line(model, entry, modality, fusion, (seen, unseen, harmonic))


_CONTENT = read_yaml(Path(__file__).with_name("paper.yaml"), ConfigError)

PAPER: str = _CONTENT["paper"]
TABLES = {
    name: PaperTable(name, table["title"], table["task"], tuple(_line(*line) for line in table["lines"]))
    for name, table in _CONTENT["tables"].items()
}
FIGURES: tuple[str, ...] = tuple(_CONTENT["figures"])
COMPARED: dict[str, str] = _CONTENT["compared"]
"""What the figures compare: the paper's word for each entry."""
_ENTRIES = {name: PaperEntry(**entry) for name, entry in _CONTENT["entries"].items()}


def entry_of(name: str) -> PaperEntry:
    """The method and settings of an entry; one that the paper does not tell is the method of that name."""
    return _ENTRIES.get(name, PaperEntry(name, {}))
