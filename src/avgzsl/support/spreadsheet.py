"""Tables that people open in a spreadsheet: text from outside stays text there, and is read back as it was.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, which may run programs and send data. A
cell of text that could be taken for one, or holds characters that do not print, is written with `'` before it and those
characters as `\\xHH` or `\\uHHHH`; `read_table` takes that off again. Numbers are written as they are.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from avgzsl.errors import DataError
from avgzsl.support.files import write_text
from avgzsl.support.trust import read_text

MARK = "'"
_FORMULA = "=+-@\N{MINUS SIGN}"  # and their wide and small forms
_UNPRINTED = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of characters, ends of lines
_TURNED = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")  # the direction of writing
_CODED = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4}))")
_MOST = 1 << 30  # characters of a cell that is read


def escaped(text: str) -> str:
    """The text as a cell that no spreadsheet takes for anything else."""
    # where a spreadsheet divides lines at `;`, a formula may stand behind one
    parts = text.split(";")
    hidden = any(_is_formula(part) for part in parts[1:])
    if not (hidden or _is_formula(text) or text.startswith(MARK) or any(map(_unprinted, text))):
        return text
    coded = "".join(_code(c) if _unprinted(c) else "\\\\" if c == "\\" else c for c in text)
    return MARK + (coded.replace(";", _code(";")) if hidden else coded)


def unescaped(cell: str) -> str:
    """The text that `escaped` was given."""
    if not cell.startswith(MARK):
        return cell
    return _CODED.sub(lambda match: chr(int(match[1] or match[2], 16)) if match[1] or match[2] else "\\", cell[1:])


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a csv file, whole or not at all; text is escaped, None is an empty cell. Raises AvgzslError."""
    write_text(path, table(columns, rows))


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """The text of a csv file; text is escaped, None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in (columns, *rows):
        writer.writerow([escaped(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a csv file that this program wrote, each by column, as text. Raises DataError."""
    before = csv.field_size_limit(_MOST)
    try:
        lines = list(csv.reader(io.StringIO(read_text(path, DataError), newline=""), strict=True))
    except (OSError, ValueError, csv.Error) as problem:
        raise DataError(f"{path}: not readable as a csv file in UTF-8 ({problem})") from problem
    finally:
        csv.field_size_limit(before)
    if not lines or any(len(line) != len(lines[0]) for line in lines):
        raise DataError(f"{path}: expected a line of columns, and a cell for each on every other line")
    columns, *rows = ([unescaped(cell) for cell in line] for line in lines)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _is_formula(text: str) -> bool:
    for c in text:
        if not (c.isspace() or _unprinted(c) or c in "\"'" or unicodedata.category(c) in ("Cf", "Zs")):
            return unicodedata.normalize("NFKC", c)[:1] in _FORMULA
    return False


def _unprinted(c: str) -> bool:
    return unicodedata.category(c) in _UNPRINTED or c in _TURNED


def _code(c: str) -> str:
    return f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"
