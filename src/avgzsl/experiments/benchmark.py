"""A grid of cells, method x class split x seed, each computed once and kept; only missing cells run."""

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import as_dataset, class_splits, place_of
from avgzsl.errors import AvgzslError, ConfigError, UnknownNameError
from avgzsl.experiments.cells import Cell, Comparison, Result, other_cells, read_cell, write_cell
from avgzsl.experiments.code_version import code_version
from avgzsl.methods import Method, MethodChoice, build, find_method, settings_of
from avgzsl.support.arguments import check_arguments, check_list, seeds_of
from avgzsl.support.children import Children, Lost
from avgzsl.support.device import cores, devices_of_workers
from avgzsl.support.progress import Progress, Step
from avgzsl.support.python_file import PREFIX
from avgzsl.support.registry import unknown
from avgzsl.types import Calibration, DataChoice

ALL = "all"  # class splits


class Entry(NamedTuple):
    """A line of the comparison: a label, a method, and its settings for each class split (or for every one: `""`)."""

    label: str
    method: MethodChoice
    settings: Mapping[str, Mapping[str, Any]]

    def settings_for(self, class_split: str) -> dict[str, Any]:
        """The settings that hold on a class split."""
        return dict(self.settings.get(class_split, self.settings.get("", {})))


def benchmark(
    data: str | Path | Dataset,
    entries: Iterable[MethodChoice | Entry],
    out: str | Path,
    *,
    choice: DataChoice | None = None,
    seeds: int | Iterable[int] = 5,
    calibration: Calibration = "val",
    stretch: bool = False,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """All cells of the grid, in the order of `entries`; those that `out` has are read, the others run in processes.

    An entry is a method (its name, `path/to/file.py:Class`, a class, or an object with its settings) or an Entry. Of a
    folder every class split is taken, or that of `choice`; of an opened data set its own. `seeds` are a list, or
    how many from 0 on. A data set that was made in memory, or a class that no other process can import, is computed
    with in this very process. A failed cell is a Result with its error; it stops nothing and is tried again the next
    time. `progress` hears of every cell that was computed, with its HM. Raises UnknownNameError, ConfigError, DataError
    before anything runs. With `stretch`, every cell has its rows of classification once more, with a stretch of the
    scores of seen classes beside the penalty.
    """
    check_arguments(choice=choice, processes=processes, progress=progress)
    chosen, seeds = as_entries(entries), seeds_of(seeds)
    folder = Path(out)
    datasets = open_splits(data, choice)
    grid = _grid(chosen, datasets, seeds, calibration, stretch)
    finished: dict[str, Result] = {}
    missing: dict[str, tuple[Entry, Cell]] = {}
    for entry, cell in grid:
        rows = read_cell(folder, cell)
        if rows is None:
            missing.setdefault(cell.key, (entry, cell))
        else:
            finished[cell.key] = Result(entry.label, cell, rows)
    kept, failed, started = len(finished), 0, time.monotonic()
    total = kept + len(missing)
    for result in _run(list(missing.values()), datasets, folder, processes):
        finished[result.cell.key] = result
        failed += result.error is not None
        if progress is not None:
            done = len(finished)
            left = (time.monotonic() - started) / (done - kept) * (total - done)
            progress(Step("cells", done, total, left, failed, result.label, result.figures))
    results = tuple(finished[cell.key]._replace(label=entry.label) for entry, cell in grid)
    return Comparison(results, other_cells(folder, [cell for _, cell in grid]))


def open_splits(data: str | Path | Dataset, choice: DataChoice | None = None) -> dict[str, Dataset]:
    """The data set under each of its class splits, or under that of `choice`, which can also be `all`.

    An opened data set is given under its own. Raises UnknownNameError.
    """
    if isinstance(data, Dataset):
        dataset = as_dataset(data, choice)
        return {dataset.class_split: dataset}
    choice = choice or DataChoice()
    names = class_splits(data, choice.layout)
    if choice.class_split not in (None, ALL):
        if choice.class_split not in names:
            raise UnknownNameError(f"{data}: {unknown('class split', choice.class_split, [ALL, *names])}")
        names = [choice.class_split]
    return {name: as_dataset(data, replace(choice, class_split=name)) for name in names}


def as_entries(entries: Iterable[MethodChoice | Entry]) -> list[Entry]:
    """Each as an Entry. Raises ConfigError for none, and for two of one label, whose figures would look alike."""
    if isinstance(entries, Entry):  # a tuple, and so a list of its own parts
        raise ConfigError(f"one entry, {entries.label!r}, where a list should be; give entries=[…]")
    check_list("entries", entries)
    made = [_as_entry(entry) for entry in entries]
    if not made:
        raise ConfigError("there are no entries, and nothing would be compared; give one method at least")
    labels = [entry.label for entry in made]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ConfigError(f"several entries are called {', '.join(twice)}; give each a label: Entry(label, …)")
    return made


def _as_entry(entry: MethodChoice | Entry) -> Entry:
    """A method is called by its name and by what differs from its defaults."""
    if isinstance(entry, Entry):
        if flat := [name for name, settings in entry.settings.items() if not isinstance(settings, Mapping)]:
            raise ConfigError(
                f"entry {entry.label!r}: settings are given by class split, or for all of them, as "
                f'{{"": {{{flat[0]!r}: {entry.settings[flat[0]]!r}}}}}; got {dict(entry.settings)}'
            )
        return entry
    if not isinstance(entry, Method):
        return Entry(find_method(entry).name, entry, {})
    defaults, settings = settings_of(type(entry)()), settings_of(entry)
    changed = [f"{key}={value}" for key, value in settings.items() if value != defaults[key]]
    return Entry(" ".join([entry.name, *changed]), type(entry), {"": settings})


def _grid(
    entries: Sequence[Entry], datasets: Mapping[str, Dataset], seeds: Sequence[int], calibration: str, stretch: bool
) -> list[tuple[Entry, Cell]]:
    """All cells, each with its entry."""
    grid = []
    for entry in entries:
        code = code_version(entry.method)
        for name, dataset in datasets.items():
            method = build(entry.method, settings=entry.settings_for(name))
            settings = json.loads(json.dumps(settings_of(method)))
            fixed = method.name, settings, name
            about = calibration, dataset.fingerprint, code
            grid += [(entry, Cell(*fixed, seed, *about, stretch)) for seed in seeds]
    return grid


def is_computed(
    entry: Entry, datasets: Mapping[str, Dataset], seeds: Sequence[int], calibration: Calibration, folder: Path
) -> bool:
    """Whether all cells of an entry are in the folder. Raises RunError for one that is damaged."""
    grid = _grid([entry], datasets, seeds, calibration, stretch=False)
    return all(read_cell(folder, cell) is not None for _, cell in grid)


def _run(
    missing: Sequence[tuple[Entry, Cell]], datasets: Mapping[str, Dataset], folder: Path, processes: int | None
) -> Iterator[Result]:
    """Cells as they finish. Each process has its GPU, where there are any, and its share of the cores."""
    if not missing:
        return
    devices = devices_of_workers(processes, len(missing))
    only_here = any(dataset.choice is None for dataset in datasets.values()) or any(
        not isinstance(entry.method, str) and not _importable(entry.method) for entry, _ in missing
    )
    if len(devices) == 1 or only_here:  # no pool: a script or notebook can call this anywhere
        for entry, cell in missing:
            yield _compute(entry, cell, datasets[cell.class_split], None, folder, devices[0])
    else:
        yield from _side_by_side(missing, datasets, folder, devices)


def _side_by_side(
    missing: Sequence[tuple[Entry, Cell]], datasets: Mapping[str, Dataset], folder: Path, devices: Sequence[str]
) -> Iterator[Result]:
    """A process a device, each with a cell at a time: a GPU is never asked for more than its own."""
    waiting = deque(missing)
    running: dict[Future[Result], tuple[Entry, Cell, tuple[str, Children]]] = {}
    with ExitStack() as stack:
        # how long a cell may take is not known; a process that dies is heard of
        free = [(device, stack.enter_context(Children(1))) for device in devices]
        while waiting or running:
            while waiting and free:
                (entry, cell), (device, child) = waiting.popleft(), free.pop(0)
                where = (device, *place_of(datasets[cell.class_split]), folder)
                future = child.submit(_compute_beside, len(devices), entry, cell, *where)
                running[future] = entry, cell, (device, child)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                entry, cell, worker = running.pop(future)
                free.append(worker)
                yield _result_of(future, entry.label, cell)


def _result_of(future: Future[Result], label: str, cell: Cell) -> Result:
    try:
        return future.result()
    except Lost as lost:
        return Result(label, cell, [], f"its process was ended ({lost}); is there memory left?")


def _importable(method: type[Method] | Method) -> bool:
    """Whether another process can import the method's class: not one of a notebook or of a file."""
    module = (method if isinstance(method, type) else type(method)).__module__
    return module != "__main__" and not module.startswith(PREFIX)


def _compute_beside(workers: int, entry: Entry, cell: Cell, device: str, path: Path, *of_data: Any) -> Result:
    import torch

    torch.set_num_threads(max(1, cores() // workers))
    choice, folder = of_data
    return _compute(entry, cell, _opened(path, choice), None, folder, device)


@lru_cache(maxsize=8)
def _opened(path: Path, choice: DataChoice | None) -> Dataset:
    """A data set that a process of the grid meets cell after cell: its text is encoded once."""
    return as_dataset(path, choice)


def _compute(
    entry: Entry, cell: Cell, data: Path | Dataset, choice: DataChoice | None, folder: Path, device: str
) -> Result:
    """One cell; its file is written whole before anyone hears of it."""
    from avgzsl.experiments.trial import tested

    try:
        calibration: Calibration = cell.calibration  # type: ignore[assignment]
        opened = as_dataset(data, choice)
        rows = tested(opened, entry.method, cell.settings, cell.seed, calibration, cell.stretch, device)
        write_cell(folder, cell, rows)
        return Result(entry.label, cell, rows)
    except AvgzslError as problem:
        return Result(entry.label, cell, [], str(problem))
    except Exception as problem:  # one broken method must not cost the others' hours
        return Result(entry.label, cell, [], f"{type(problem).__name__}: {problem}")
