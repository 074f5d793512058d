"""The published figures of the paper, row by row, from `paper.yaml`.

A line names the entry of the grid (a method, or a variant of one) and the test mode that it is measured by.
"""

import math
from pathlib import Path
from typing import NamedTuple

from avgzsl.errors import ConfigError
from avgzsl.support.trust import read_yaml
from avgzsl.types import Fusion, TestModality

UNPUBLISHED = (math.nan, math.nan, math.nan)


class TableLine(NamedTuple):
    """A row of a table of the paper: its model, how it is measured here, and the published S, U, HM in %.

    These are NaN for a model that the paper does not have.
    """

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
    lines: tuple[TableLine, ...]


def _line(model: str, entry: str, modality: TestModality, fusion: Fusion, *published: float) -> TableLine:
    seen, unseen, harmonic = published or UNPUBLISHED
    return TableLine(model, entry, modality, fusion, (seen, unseen, harmonic))


_CONTENT = read_yaml(Path(__file__).with_name("paper.yaml"), ConfigError)

PAPER: str = _CONTENT["paper"]
TABLES = {
    name: PaperTable(name, table["title"], table["task"], tuple(_line(*line) for line in table["lines"]))
    for name, table in _CONTENT["tables"].items()
}
FIGURES: tuple[str, ...] = tuple(_CONTENT["figures"])
COMPARED: dict[str, str] = _CONTENT["compared"]
"""The entries that the figures compare, and the paper's word for each."""
