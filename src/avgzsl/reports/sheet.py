"""A table of texts, and its forms: drawn on a terminal, Markdown, LaTeX."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from avgzsl.reports.latex import latex_table

if TYPE_CHECKING:
    from rich.table import Table

MISSING = "–"
TERMINAL = 80  # characters a line of a terminal, at least
_MODEL = 14  # characters for the name of a model, else blanks around figures are left out


class Sheet(NamedTuple):
    """The content of a table: texts by line; the first `texts` columns are names, the others figures.

    `label` is what LaTeX refers to it by.
    """

    title: str
    header: tuple[str, ...]
    lines: list[tuple[str, ...]]
    caption: str
    label: str = ""
    texts: int = 2


def titled(title: str, generated: str) -> str:
    """The title of a table or figure, which says where its data are generated."""
    return f"{title} (generated data)" if generated else title


def explained(caption: str, generated: str) -> str:
    """A caption, which says what is made up of the data it is about."""
    return f"{caption} The data are generated, and compare with nothing real. {generated}" if generated else caption


def as_markdown(sheet: Sheet) -> str:
    """Title, table, caption."""
    rule = ["---"] * sheet.texts + ["---:"] * (len(sheet.header) - sheet.texts)
    lines = "\n".join(_markdown_line(line) for line in (sheet.header, rule, *sheet.lines))
    return f"**{sheet.title}**\n\n{lines}\n" + (f"\n{sheet.caption}\n" if sheet.caption else "")


def as_latex(sheet: Sheet) -> str:
    """A booktabs table with title, label and, below it, the caption as notes."""
    return latex_table(sheet.title, sheet.label, sheet.header, sheet.lines, sheet.caption, sheet.texts)


def drawn(sheet: Sheet, width: int = TERMINAL) -> list["Table"]:
    """The table for a terminal of so many characters a line.

    One that is wider is split into several by its columns, each with the names of the lines.
    """
    from rich.markup import escape
    from rich.table import Table

    wide = _widths(sheet)
    padding, parts = _parts(sheet, wide, width)
    tables = []
    for place, columns in enumerate(parts):
        table = Table(
            title=escape(sheet.title) if place == 0 else None,
            caption=escape(sheet.caption) if place == len(parts) - 1 else None,
            padding=(0, padding),
        )
        for column in columns:
            table.add_column(
                escape(sheet.header[column]),
                justify="left" if column < sheet.texts else "right",
                min_width=wide[column] if column else None,
                max_width=wide[column] if column >= sheet.texts else None,
                overflow="fold",
            )
        for line in sheet.lines:
            table.add_row(*(escape(line[column]) for column in columns))
        tables.append(table)
    return tables


def _widths(sheet: Sheet) -> list[int]:
    """Characters that each column needs: its headings are wrapped between words, and the names of lines, too."""
    heads = [max(map(len, name.split())) if name else 0 for name in sheet.header]
    cells = [max([head, *(len(line[column]) for line in sheet.lines)]) for column, head in enumerate(heads)]
    return [min(cells[0], _MODEL), *cells[1:]]


def _parts(sheet: Sheet, wide: Sequence[int], width: int) -> tuple[int, list[list[int]]]:
    """Blanks beside a cell, and the columns of each part; blanks go before a table is split."""
    names, figures = list(range(sheet.texts)), list(range(sheet.texts, len(sheet.header)))

    def needed(columns: Iterable[int], padding: int) -> int:
        return sum(wide[column] + 2 * padding + 1 for column in columns) + 1

    for padding in (1, 0):
        if needed([*names, *figures], padding) <= width:
            return padding, [[*names, *figures]]
    parts: list[list[int]] = []
    for column in figures:
        if parts and needed([*parts[-1], column], 1) <= width:
            parts[-1].append(column)
        else:
            parts.append([*names, column])
    return 1, parts or [names]


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
