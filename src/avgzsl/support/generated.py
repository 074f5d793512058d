"""The mark of generated data: a folder of them has `generated.txt`, whose first line says what is made up.

It goes with the data, into a store of their features, too, so that no table of theirs can be taken for a real one.
"""

from pathlib import Path

from avgzsl.errors import DataError
from avgzsl.support.files import write_text
from avgzsl.support.trust import read_text

MARK = "generated.txt"
_MOST = 64 << 10  # bytes


def generated_mark(folder: Path) -> str:
    """What is made up of the data in a folder, in one line; empty where nothing says so. Raises DataError."""
    file = folder / MARK
    if not file.is_file():
        return ""
    first = read_text(file, DataError, _MOST).partition("\n")[0].strip()
    return first or "Made up."


def pass_mark_on(source: Path, target: Path) -> None:
    """Let what is made of generated data say so, as these do."""
    if (said := generated_mark(source)) and not (target / MARK).exists():
        write_text(target / MARK, f"{said}\n")
