"""A grid of cells, method x class split x seed, each computed once and kept; only missing cells run.

A cell is known by everything its figures hang on: method and hyper-parameters, fingerprint of the data, seed,
calibration, and the code (`code_version`). Whatever of these changes, the cell is another one, and an old one is never
shown for it.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import class_splits as splits_of
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import AvgzslError, RunError, UnknownNameError
from avgzsl.experiments.code_version import code_version
from avgzsl.methods import build
from avgzsl.support.children import Children, Lost
from avgzsl.support.files import write_json
from avgzsl.support.registry import unknown
from avgzsl.support.trust import read_json
from avgzsl.types import Calibration


class Entry(NamedTuple):
    """A line of the comparison: a label, a method, and its settings for each class split (or for every one: `""`)."""

    label: str
    method: str
    settings: Mapping[str, Mapping[str, Any]]

    def settings_for(self, class_split: str) -> dict[str, Any]:
        """The settings that hold on a class split."""
        return dict(self.settings.get(class_split, self.settings.get("", {})))


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


Told = Callable[[int, int, Result], None]


def benchmark(
    data: str | Path,
    entries: Sequence[Entry],
    out: str | Path,
    *,
    class_split: str = "all",
    seeds: Iterable[int] = range(5),
    calibration: Calibration = "val",
    layout: str | None = None,
    processes: int | None = None,
    told: Told | None = None,
) -> list[Result]:
    """All cells of the grid, in the order of `entries`; those that `out` has are read, the others run in processes.

    A failed cell is a Result with its error; it stops nothing and is tried again the next time. `told` hears cells
    done, in all, and the last one. Raises UnknownNameError, ConfigError, DataError before anything runs.
    """
    folder = Path(out)
    datasets = open_splits(data, class_split, layout)
    code = {entry.method: code_version(entry.method) for entry in entries}
    grid = [
        (entry.label, _cell(entry, name, dataset, seed, calibration, code[entry.method]))
        for entry in entries
        for name, dataset in datasets.items()
        for seed in seeds
    ]
    found: dict[str, Result] = {}
    missing: dict[str, tuple[str, Cell]] = {}
    for label, cell in grid:
        rows = read_cell(folder, cell)
        if rows is None:
            missing.setdefault(cell.key, (label, cell))
        else:
            found[cell.key] = Result(label, cell, rows)
    total = len({cell.key for _, cell in grid})
    for result in _run(missing.values(), str(data), layout, folder, processes):
        found[result.cell.key] = result
        if told is not None:
            told(len(found), total, result)
    return [found[cell.key]._replace(label=label) for label, cell in grid]


def open_splits(data: str | Path, class_split: str, layout: str | None) -> dict[str, Dataset]:
    """The data set under one class split, or under `all` of them. Raises UnknownNameError."""
    names = splits_of(data, layout)
    if class_split != "all":
        if class_split not in names:
            raise UnknownNameError(f"{data}: {unknown('class split', class_split, ['all', *names])}")
        names = [class_split]
    return {name: open_dataset(data, layout=layout, class_split=name) for name in names}


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


def left_aside(folder: str | Path, results: Sequence[Result]) -> int:
    """How many cells the folder holds that are not of this grid: of other code, data, settings or seeds."""
    return len({file.stem for file in (Path(folder) / "cells").glob("*.json")} - {r.cell.key for r in results})


def _cell(entry: Entry, name: str, dataset: Dataset, seed: int, calibration: str, code: str) -> Cell:
    method = build(entry.method, settings=entry.settings_for(name))
    settings = {field.name: getattr(method, field.name) for field in fields(method)}  # type: ignore[arg-type]
    plain = json.loads(json.dumps(settings))
    return Cell(entry.method, plain, name, seed, calibration, dataset.fingerprint, code)


def _run(
    missing: Iterable[tuple[str, Cell]], data: str, layout: str | None, folder: Path, processes: int | None
) -> Iterable[Result]:
    """Cells as they finish. Each process has its share of the cores, so that they do not fight over them."""
    waiting = list(missing)
    if not waiting:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(processes or cores, len(waiting))
    if workers == 1:  # no pool: a script or notebook can call this anywhere
        yield from (_compute(label, cell, data, layout, folder) for label, cell in waiting)
        return
    with Children(workers) as children:  # how long a cell may take is not known; one that dies is heard of
        running = {
            children.submit(_compute_beside, max(1, cores // workers), label, cell, data, layout, folder): (label, cell)
            for label, cell in waiting
        }
        for future in as_completed(running):
            try:
                yield future.result()
            except Lost as lost:
                yield Result(*running[future], [], f"its process was ended ({lost}); is there memory left?")


def _compute_beside(threads: int, *arguments: Any) -> Result:
    import torch

    torch.set_num_threads(threads)
    return _compute(*arguments)


def _compute(label: str, cell: Cell, data: str, layout: str | None, folder: Path) -> Result:
    """One cell, in a process of its own; its file is written whole before anyone hears of it."""
    from avgzsl.experiments.trial import tested

    try:
        dataset = open_dataset(data, layout=layout, class_split=cell.class_split)
        calibration: Calibration = cell.calibration  # type: ignore[assignment]
        rows = tested(dataset, cell.method, cell.settings, cell.seed, calibration)
        write_json(_file(folder, cell), {"cell": asdict(cell), "rows": rows})
        return Result(label, cell, rows)
    except AvgzslError as problem:
        return Result(label, cell, [], str(problem))
    except Exception as problem:  # one broken method must not cost the others' hours
        return Result(label, cell, [], f"{type(problem).__name__}: {problem}")


def _file(folder: Path, cell: Cell) -> Path:
    return folder / "cells" / f"{cell.key}.json"
