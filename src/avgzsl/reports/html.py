"""One HTML file that needs nothing else: text, tables and pictures, readable on a telephone and on paper.

Its form is the template page.html beside this file; all that goes into it is escaped.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from avgzsl.reports.comparison import FIGURES, MeasuredLine, with_spread
from avgzsl.reports.sheet import MISSING, Sheet
from avgzsl.support.files import write_text

TEMPLATE = "page.html"


class Group(NamedTuple):
    """Neighbouring columns of a table under one heading."""

    name: str
    columns: int
    published: bool = False


class Table(NamedTuple):
    """A table of texts; the columns numbered in `published` are set apart."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    groups: Sequence[Group] = ()
    published: Sequence[int] = ()


class Figure(NamedTuple):
    """A PNG, as text of base 64."""

    heading: str
    caption: str
    data: str


@dataclass
class Page:
    """A page: its title, paragraphs before the first section, and tables and figures in the order they are added."""

    title: str
    about: Sequence[str]
    tables: list[Table] = field(default_factory=list)
    figures: list[tuple[Path, str]] = field(default_factory=list)

    def add_table(self, lines: Sequence[MeasuredLine], title: str, caption: str) -> None:
        """Measured figures, and the published ones set apart."""
        own, k = ("model", "test"), len(FIGURES)
        groups = (Group("", len(own)), Group("measured", k), Group("published", k, True))
        published = range(len(own) + k, len(own) + 2 * k)
        self.tables.append(Table(title, (*own, *FIGURES, *FIGURES), list(map(_row, lines)), caption, groups, published))

    def add_rows(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> None:
        """A table of texts."""
        self.tables.append(Table(title, header, rows, caption))

    def add_sheet(self, sheet: Sheet) -> None:
        """A table of texts with its title and caption."""
        self.add_rows(sheet.title, sheet.header, sheet.lines, sheet.caption)

    def add_figure(self, path: Path, caption: str) -> None:
        """A PNG that will be there when the page is written."""
        self.figures.append((path, caption))


def write_page(path: Path, page: Page) -> None:
    """Write the page with its pictures inside."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader(__package__, ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    figures = [
        Figure(_heading(file), caption, base64.b64encode(file.read_bytes()).decode())
        for file, caption in sorted(page.figures)
    ]
    text = templates.get_template(TEMPLATE).render(
        title=page.title, about=page.about, tables=page.tables, figures=figures
    )
    write_text(path, text)


def _row(measured: MeasuredLine) -> list[str]:
    line = measured.line
    texts = (
        [MISSING] * len(FIGURES) if measured.figures is None else [with_spread(*figure) for figure in measured.figures]
    )
    return [line.model, line.modality, *texts, *(with_spread(value, None) for value in line.published)]


def _heading(path: Path) -> str:
    """`figure5` is Figure 5, `clip-recognised` is Clip recognised."""
    return path.stem.replace("figure", "figure ").replace("-", " ").capitalize()
