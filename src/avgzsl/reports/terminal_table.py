"""Tables for a terminal of any width: columns carry a rank, and those of a high rank go where there is no room.

What tells rows apart goes on in the next line, a number is whole on one line, and a path is never broken: where it has
no room in the table, it stands on a line of its own beside its row. Widths are counted in cells of a terminal, of which
a Chinese sign has two.
"""

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from avgzsl.support.showing import printable

LEAST = 16  # cells that a column of text keeps, where it has so much to say
_LEAST_NAME = 6  # … where even the columns that never go have no room
_GAPS = (2, 1)  # blanks between columns; the second, before a column goes
_JOINTS = (",=", "-_/")  # inside a word: after which of its signs a line ends, the first kind if there is one


@dataclass(frozen=True)
class Column:
    """A heading and a cell a row. Rank 0 stays at any width; of the others, those of the highest go first, together.

    `number`: on the right and never broken. `path`: never broken either, on a line of its own where it has no room.
    Any other text is broken between words. Headings are; one that is empty has a word in `called`.
    """

    head: str
    cells: Sequence[str]
    rank: int = 0
    number: bool = False
    path: bool = False
    called: str = ""

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The cells without what moves the cursor."""
        return tuple(printable(cell) for cell in self.cells)

    @cached_property
    def full(self) -> int:
        """Cells of a terminal that it takes where nothing is broken."""
        return max(cells_of(text) for text in (self.head, *self.shown))

    @cached_property
    def least(self) -> int:
        """Cells that it needs, with the heading broken between words."""
        needs = max(cells_of(text) for text in (*self.head.split(), *self.shown, ""))
        return needs if self.number or self.path else min(needs, LEAST)

    @property
    def is_text(self) -> bool:
        """Whether cells may go on in the next line."""
        return not (self.number or self.path)


def terminal_width() -> int:
    """Characters a line: COLUMNS, else what the terminal says, else 80, as for a file or another program."""
    return shutil.get_terminal_size().columns


def cells_of(text: str) -> int:
    """Cells of a terminal."""
    from rich.cells import cell_len

    return cell_len(text)


def table(columns: Sequence[Column], width: int, breaks: Collection[int] = (), rule: str = "") -> str:
    """The table in lines of at most `width`, unless a number or a path alone is longer.

    `rule` is a line of text before each row of `breaks`. A path that has no room stands above its row, if that begins
    with it, else below. What was left out is said at the end. Each line ends in a newline.
    """
    path = _beside(columns, width)
    above = path is not None and columns[0] is path
    columns = [column for column in columns if column is not path]
    kept = fitted(columns, width)
    gap, widths = _widths(kept, width)
    blank = " " * gap

    def line(cells: Sequence[str], indent: str = "  ") -> list[str]:
        parts = [wrapped(cell, size, indent if size >= LEAST else "") for cell, size in zip(cells, widths, strict=True)]
        rows = zip_longest(*parts, fillvalue="")
        return [
            blank.join(
                _padded(text, size, column.number) for text, size, column in zip(row, widths, kept, strict=True)
            ).rstrip()
            for row in rows
        ]

    lines = [*line([column.head for column in kept], indent=""), blank.join("─" * size for size in widths)]
    for row in range(len(columns[0].cells) if columns else 0):
        if row in breaks:
            lines.append(rule)
        own = line([column.shown[row] for column in kept])
        beside = [] if path is None else [path.shown[row] if above else f"  {path.shown[row]}"]
        lines += [*beside, *own] if above else [*own, *beside]
    if gone := [column.head or column.called for column in columns if column not in kept]:
        lines += wrapped(f"(not shown at this width: {', '.join(gone)})", width)
    return "".join(f"{one}\n" for one in lines)


def fitted(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that have room, in their order."""
    kept = list(columns)
    while needed(kept, min(_GAPS)) > width and (last := max(column.rank for column in kept)):
        kept = [column for column in kept if column.rank < last]
    return kept


def needed(columns: Sequence[Column], gap: int) -> int:
    """Cells that the columns take at least, with so many blanks between two."""
    return sum(column.least for column in columns) + gap * (len(columns) - 1)


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """The text in lines of so many cells, broken between words, and inside one that is longer than a line.

    Inside a word a line ends after a sign that joins its parts, if there is one. All lines but the first begin with
    `indent`.
    """
    from rich.cells import chop_cells

    if cells_of(text) <= width:
        return [text]
    lines, line = list[str](), ""
    for word in text.split(" "):  # two blanks stay two
        joined = f"{line} {word}" if line.strip() else f"{line}{word}"
        if cells_of(joined) <= width:
            line = joined
            continue
        if line.strip():
            lines.append(line.rstrip())
            line = indent
        while cells_of(line + word) > width and len(word) > 1:
            piece = _up_to_joint(chop_cells(word, max(2, width - cells_of(line)))[0])
            lines.append(line + piece)
            line, word = indent, word[len(piece) :]
        line += word
    return [*lines, line.rstrip()]


def _up_to_joint(piece: str) -> str:
    """What of a piece of a word stands on a line: up to the last sign that joins parts; all of it where none does."""
    ends = (max(map(piece.rfind, joints)) + 1 for joints in _JOINTS)
    return piece[: next((end for end in ends if end > 1), len(piece))]


def as_typed(path: str | os.PathLike[str]) -> str:
    """A path as one types it here: from the working directory, if it lies in it; else as it is."""
    text = os.fspath(path)
    here = str(Path.cwd()).rstrip(os.sep) + os.sep
    return text.removeprefix(here) or text


def _beside(columns: Sequence[Column], width: int) -> Column | None:
    """The path that has no room beside the columns that there are, and so gets lines of its own."""
    path = next((column for column in columns if column.path), None)
    return path if path is not None and needed(columns, min(_GAPS)) > width else None


def _widths(columns: Sequence[Column], width: int) -> tuple[int, list[int]]:
    """Blanks between columns, and the cells of each: text gets what is left, the narrowest first."""
    gap = next((gap for gap in _GAPS if needed(columns, gap) <= width), min(_GAPS))
    widths = [column.least for column in columns]
    spare = width - needed(columns, gap)
    texts = [number for number, column in enumerate(columns) if column.is_text]
    for group in (texts, range(len(columns))):
        while spare > 0 and (growing := [number for number in group if widths[number] < columns[number].full]):
            widths[min(growing, key=widths.__getitem__)] += 1
            spare -= 1
    while spare < 0 and (wide := [number for number in texts if widths[number] > _LEAST_NAME]):
        widths[max(wide, key=widths.__getitem__)] -= 1
        spare += 1
    return gap, widths


def _padded(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - cells_of(text))
    return blanks + text if right else text + blanks
