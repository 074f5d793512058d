"""The rows of a store's clips on disk: `clips.jsonl`, JSON, a line each, as the column names are on the first line.

Stores that avgzsl 0.1 wrote have `clips.parquet` instead, which takes pyarrow to read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from avgzsl.errors import ConfigError, DataError
from avgzsl.support.registry import require
from avgzsl.support.trust import open_regular, parse_json, require_regular

CLIPS, OLDER_CLIPS = "clips.jsonl", "clips.parquet"
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("start", "end"), (float, type(None))),
    **dict.fromkeys(("size", "mtime_ns"), (int, type(None))),
    **dict.fromkeys(("seen", "has_audio", "has_video"), (bool, type(None))),
}
_TEXT = (str, type(None))
_LONGEST = 64 << 20  # bytes of a line


@dataclass(frozen=True, eq=False)
class ClipRows(Mapping[str, list[Any]]):
    """The columns of n clips, each a list of n values: text, numbers, truth values, or None."""

    columns: Mapping[str, list[Any]]

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def row(self, number: int) -> dict[str, Any]:
        """The values of one clip, by column."""
        return {name: column[number] for name, column in self.columns.items()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """The clips, one after the other, in the order of the arrays."""
        count = len(next(iter(self.columns.values()), ()))
        return map(self.row, range(count))


def write_rows(path: Path, names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write the rows one by one, and give back how many there were."""
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(_line(names))
        for row in rows:
            stream.write(_line([_as_kept(name, row[name]) for name in names]))
            written += 1
    return written


def read_rows(path: Path, names: Sequence[str], count: int, again: str) -> ClipRows:
    """The rows of `count` clips with the columns `names`.

    Raises DataError, which ends with the remedy `again`, for a file that is damaged or has other rows; ConfigError for
    an older one where pyarrow is not installed.
    """
    try:
        columns = _parquet(path) if path.name == OLDER_CLIPS else _json_lines(path)
    except (OSError, ValueError) as problem:  # pyarrow's errors are of these
        raise DataError(f"{path}: cannot be read ({problem}). {again}") from problem
    counts = {len(column) for column in columns.values()}
    if list(columns) != list(names) or counts != {count}:
        raise DataError(
            f"{path}: {min(counts, default=0)} clips with the columns {', '.join(columns)}; expected {count} with "
            f"{', '.join(names)}. {again}"
        )
    for name, column in columns.items():
        kinds = _KINDS.get(name, _TEXT)
        for value in column:
            if type(value) not in kinds or (type(value) is float and not isfinite(value)):
                raise DataError(f"{path}: {name} {str(value)[:60]!r}; expected {kinds[0].__name__} or none. {again}")
    return ClipRows(columns)


def _as_kept(name: str, value: Any) -> Any:
    return float(value) if value is not None and float in _KINDS.get(name, ()) else value


def _line(values: Sequence[Any]) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def _json_lines(path: Path) -> dict[str, list[Any]]:
    with open_regular(path, DataError) as stream:
        lines = iter(lambda: stream.readline(_LONGEST), b"")
        names = parse_json(next(lines, b""))
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            _refuse(1)
        columns: list[list[Any]] = [[] for _ in names]
        same: dict[Any, Any] = {}  # labels and what files are stand in many rows: each is kept once
        for number, line in enumerate(lines, 2):
            row = parse_json(line)
            if not isinstance(row, list) or len(row) != len(names):
                _refuse(number)
            for column, value in zip(columns, row, strict=True):
                column.append(same.setdefault(value, value) if isinstance(value, str) else value)
    return dict(zip(names, columns, strict=True))


def _refuse(number: int) -> NoReturn:
    raise ValueError(f"line {number} is no list of a value a column")


def _parquet(path: Path) -> dict[str, list[Any]]:
    require_regular(path, DataError)
    try:
        parquet = require("pyarrow.parquet", "parquet")
    except ConfigError as problem:
        raise ConfigError(f"{path}: was written by avgzsl 0.1: {problem}") from problem
    columns: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
    return columns
