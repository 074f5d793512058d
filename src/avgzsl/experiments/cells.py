"""Cells of a comparison of methods: what one is, what came of it, and the file that keeps it.

A cell is known by everything its figures hang on: method and hyper-parameters, fingerprint of the data, seed,
calibration, and the code (`code_version`). Whatever of these changes, the cell is another one, and an old one is never
shown for it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, overload

from avgzsl.errors import RunError
from avgzsl.methods import marked_label
from avgzsl.support.files import write_json
from avgzsl.support.showing import Shown
from avgzsl.support.trust import read_json

FIGURES = ("S", "U", "HM", "ZSL", "AUSUC")


@dataclass(frozen=True)
class Cell:
    """What is computed, and by which code on which data."""

    method: str
    settings: dict[str, Any]
    class_split: str
    seed: int
    calibration: str
    fingerprint: str
    code: str
    stretch: bool = False

    @property
    def key(self) -> str:
        """Name of the cell's file."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]


class Result(NamedTuple):
    """A finished cell: rows as in `results.json`; or the error it failed with."""

    label: str
    cell: Cell
    rows: list[dict[str, Any]]
    error: str | None = None

    @property
    def shown(self) -> str:
        """The label as tables show it, with a dagger where the names of unseen classes took part in the training."""
        return marked_label(self.label, self.cell.settings)

    @property
    def figures(self) -> dict[str, float]:
        """HM, a fraction, of the mode both with equal weights, or of the last mode there is; none where it failed."""
        harmonic = [
            row["HM"]
            for row in self.rows
            if row["task"] == "classification"
            and row["fusion"] != "attention"
            and row["stretch"] is None
            and row["HM"] is not None
        ]
        return {"HM": harmonic[-1]} if harmonic else {}


@dataclass(frozen=True, eq=False)
class Comparison(Shown, Sequence[Result]):
    """All cells of a grid, in the order of its entries; `left_aside` counts those of other code, data or settings."""

    results: tuple[Result, ...]
    left_aside: int = 0

    @overload
    def __getitem__(self, place: int) -> Result: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Result, ...]: ...
    def __getitem__(self, place: int | slice) -> Result | tuple[Result, ...]:
        return self.results[place]

    def __len__(self) -> int:
        return len(self.results)

    @property
    def failed(self) -> list[Result]:
        """The cells that failed; they are tried again the next time."""
        return [result for result in self.results if result.error is not None]

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row a cell, task and test mode, figures as fractions; one with its error for a cell that failed."""
        rows: list[dict[str, Any]] = []
        for result in self.results:
            cell, tested, error = result.cell, result.rows, result.error
            cell_name = {"label": result.shown, "class_split": cell.class_split, "seed": cell.seed}
            if error is not None:
                rows.append({**cell_name, "error": error})
            for row in tested:
                columns = (
                    "task",
                    "retrieval",
                    "modality",
                    "fusion",
                    "calibration",
                    "gamma",
                    "stretch",
                    *FIGURES,
                    "clips",
                )
                rows.append({**cell_name, **{column: row[column] for column in columns}})
        return rows

    def json(self) -> list[dict[str, Any]]:
        """What `results.json` holds: every cell with its rows."""
        return [{"label": r.label, **vars(r.cell), "error": r.error, "rows": r.rows} for r in self.results]


def read_cell(folder: Path, cell: Cell) -> list[dict[str, Any]] | None:
    """The rows of a cell, or None when it was not computed yet. Raises RunError for a damaged file."""
    path = _file(folder, cell)
    try:
        content = read_json(path, RunError)
        rows: list[dict[str, Any]] = content["rows"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise RunError(f"{path}: not a cell ({problem}); delete it, and it is computed again") from problem
    return rows


def write_cell(folder: Path, cell: Cell, rows: list[dict[str, Any]]) -> None:
    """Write the rows of a cell, whole."""
    write_json(_file(folder, cell), {"cell": asdict(cell), "rows": rows})


def other_cells(folder: Path, cells: Sequence[Cell]) -> int:
    """How many cells the folder holds beside these: of other code, data, settings or seeds."""
    kept = {file.stem for file in (folder / "cells").glob("*.json")}
    return len(kept - {cell.key for cell in cells})


def _file(folder: Path, cell: Cell) -> Path:
    return folder / "cells" / f"{cell.key}.json"
