"""Words to use for a class name: a csv `original,manual`, as the AVCA benchmark has one a data set.

A line `HandstandPushups,Handstand Push Ups` lets that class be encoded by the words on the right.
"""

import csv
import io
from pathlib import Path

from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.trust import read_text
from avgzsl.support.weights import models_folders
from avgzsl.text.names import check_names

COLUMNS = ("original", "manual")


def find_overrides(file: str, models: Path | None) -> Path:
    """The csv: a path as it is, or a name in the models folder. Raises DataError."""
    places = [Path(file), *(folder / file for folder in models_folders(models))]
    for place in places:
        if place.is_file():
            return place
    searched = " or ".join(str(place.absolute()) for place in dict.fromkeys(places))
    raise DataError(f"no overrides {file} (looked for {searched}); expected a csv with the columns original,manual")


def read_overrides(path: Path) -> dict[str, str]:
    """Class name -> words to encode for it. Raises DataError, naming the line."""
    try:
        rows = list(csv.reader(io.StringIO(read_text(path, DataError), newline=""), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path}: not readable as csv ({problem}); expected the columns original,manual") from problem
    if not rows or tuple(cell.strip() for cell in rows[0]) != COLUMNS:
        raise DataError(f"{path}: its first line is {','.join(rows[0]) if rows else ''!r}; expected original,manual")
    overrides: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        original, manual = _pair(path, number, row)
        if overrides.setdefault(original, manual) != manual:
            raise DataError(f"{path}: line {number}: {original!r} has other words already; keep one of the two")
    return overrides


def _pair(path: Path, number: int, row: list[str]) -> tuple[str, str]:
    if len(row) != len(COLUMNS):
        raise DataError(f"{path}: line {number}: {len(row)} cells; expected two, original,manual")
    try:
        check_names(row)
    except AvgzslError as problem:
        raise DataError(f"{path}: line {number}: {problem}") from problem
    return row[0].strip(), row[1].strip()
