"""A table of texts, and its forms: drawn on a terminal, Markdown, LaTeX."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from avgzsl.methods import DAGGER, FOOTNOTE
from avgzsl.reports.latex import latex_table
from avgzsl.reports.terminal_table import Column, needed, table, wrapped
from avgzsl.support.showing import printable

MISSING = "–"
TERMINAL = 80  # characters a line of a terminal, at least
RANKS = {"ZSL": 1, "AUSUC": 2, "clips": 3, "gamma": 4}  # columns that may go on a narrow terminal, the last one first


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


def footnoted(sheet: Sheet) -> Sheet:
    """With the note to the daggers, if a line has one."""
    daggered = any(DAGGER in cell for line in sheet.lines for cell in line[: sheet.texts])
    return sheet._replace(caption=f"{sheet.caption} {FOOTNOTE}") if daggered else sheet


def as_markdown(sheet: Sheet) -> str:
    """Title, table, caption."""
    rule = ["---"] * sheet.texts + ["---:"] * (len(sheet.header) - sheet.texts)
    lines = "\n".join(_markdown_line(line) for line in (sheet.header, rule, *sheet.lines))
    return f"**{sheet.title}**\n\n{lines}\n" + (f"\n{sheet.caption}\n" if sheet.caption else "")


def as_latex(sheet: Sheet) -> str:
    """A booktabs table with title, label and, below it, the caption as notes."""
    return latex_table(sheet.title, sheet.label, sheet.header, sheet.lines, sheet.caption, sheet.texts)


def drawn(sheet: Sheet, width: int = TERMINAL) -> list[str]:
    """The table for a terminal of so many characters a line, in one part or several; each line ends in a newline.

    A table that is wider is divided by its columns into parts, each with the names of the lines; columns of a RANK go
    where the parts then are fewer. The title is in the first part, the caption in the last.
    """
    columns = [
        Column(head, [line[place] for line in sheet.lines], rank=RANKS.get(head, 0), number=place >= sheet.texts)
        for place, head in enumerate(sheet.header)
    ]
    kept = _fewest_parts(columns, sheet.texts, width)
    texts = [table(part, width) for part in _parts(kept, sheet.texts, width)]
    said = sheet.caption
    if gone := [column.head for column in columns if column not in kept]:
        said = f"{said} Not shown at this width: {', '.join(gone)}.".lstrip()
    texts[0] = "".join(f"{line}\n" for line in wrapped(printable(sheet.title), width)) + texts[0]
    texts[-1] += "".join(f"{line}\n" for line in wrapped(printable(said), width) if said)
    return texts


def _fewest_parts(columns: Sequence[Column], texts: int, width: int) -> list[Column]:
    """The columns without those of a rank that must go for the fewest parts."""
    ranks = sorted({column.rank for column in columns if column.rank}, reverse=True)
    choices = [[column for column in columns if not column.rank >= least] for least in (math.inf, *ranks)]
    return min(choices, key=lambda kept: len(_parts(kept, texts, width)))  # of several, the first has most columns


def _parts(columns: Sequence[Column], texts: int, width: int) -> list[list[Column]]:
    """The columns of each part: the first `texts`, which are names, and as many of the others as have room."""
    names = list(columns[:texts])
    parts: list[list[Column]] = []
    for column in columns[texts:]:
        if parts and needed([*parts[-1], column], 1) <= width:
            parts[-1].append(column)
        else:
            parts.append([*names, column])
    return parts or [names]


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
