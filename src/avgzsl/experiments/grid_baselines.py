"""The baselines of a grid: frozen encoders and least squares on its class splits, kept as cells like any other.

They are closed forms, so one seed serves all; only pseudo-unseen classes are drawn from it. Scores are mixed with the
frozen ones beside single runs alone (`baselines`): here each method would have to be trained once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from avgzsl.data.clips import Dataset
from avgzsl.experiments.baselines import BASELINES, SHARE, fullest, unasked
from avgzsl.experiments.benchmark import Entry, benchmark, is_computed
from avgzsl.experiments.cells import Comparison, Result
from avgzsl.experiments.costs import baseline_seconds
from avgzsl.methods import marked
from avgzsl.support.files import write_json
from avgzsl.support.progress import Progress
from avgzsl.types import Calibration, DataChoice


@dataclass(frozen=True)
class Grid:
    """What was compared, and how; `seconds` is what that took."""

    data: str | Path | Dataset
    datasets: dict[str, Dataset]
    out: Path
    choice: DataChoice | None
    seeds: Sequence[int]
    calibration: Calibration
    processes: int | None
    seconds: float

    @property
    def folder(self) -> Path:
        """Where the cells of baselines are kept, apart from those of the grid."""
        return self.out / "baselines"


@dataclass(frozen=True)
class GridBaselines:
    """Cells of the baselines, without those that failed.

    `notes` say what is missing, which hangs on how long things took; `verdict` says where training did not help.
    """

    results: tuple[Result, ...]
    notes: tuple[str, ...]
    verdict: tuple[str, ...]

    def json(self) -> list[dict[str, Any]]:
        """What `baselines.json` holds: every cell with its rows."""
        return Comparison(self.results).json()


def grid_baselines(
    grid: Grid, compared: Comparison, wanted: bool | None, progress: Progress | None = None
) -> GridBaselines:
    """Those baselines that the grid does not have itself.

    `wanted` None takes those whose cells are there, and those that cost, together, at most a tenth of the grid.
    """
    own = {result.cell.method for result in compared}
    names = [name for name in (marked("yardstick")[0], marked("untrained")[0]) if name not in own]
    left = float("inf") if wanted else SHARE * grid.seconds
    results: list[Result] = []
    notes: list[str] = []
    for name in names if wanted is not False else []:
        seeds = list(grid.seeds) if grid.calibration == "pseudo-unseen" else list(grid.seeds)[:1]
        entry = Entry(name, name, {})
        seconds = sum(baseline_seconds(name, dataset) for dataset in grid.datasets.values()) * len(seeds)
        if (
            not wanted
            and seconds > left
            and not is_computed(entry, grid.datasets, seeds, grid.calibration, grid.folder)
        ):
            notes.append(unasked(name, seconds, left))
            continue
        left -= seconds
        found = benchmark(
            grid.data, [entry], grid.folder, choice=grid.choice, seeds=seeds, calibration=grid.calibration,
            processes=grid.processes, progress=_without_failures(progress),
        )  # fmt: skip
        notes += dict.fromkeys(f"no row {name}: {' '.join(one.error.split())[:300]}" for one in found if one.error)
        results += [copy for one in found if one.error is None for copy in _for_all(one, grid)]
    return GridBaselines(tuple(results), tuple(notes), tuple(_did_not_help(compared, results)))


def write_grid_baselines(out: Path, found: GridBaselines) -> list[Path]:
    """Write `baselines.json`, unless there is nothing to keep; the files written."""
    if not found.results:
        return []
    write_json(out / BASELINES, found.json())
    return [out / BASELINES]


def _without_failures(progress: Progress | None) -> Progress | None:
    """Steps without a count of failures: a baseline that the data do not allow is no fault, and a note says so."""
    return None if progress is None else lambda step: progress(replace(step, failed=0))


def _for_all(result: Result, grid: Grid) -> list[Result]:
    """The cell of one seed stands for all, so that a mean over seeds counts alike."""
    if grid.calibration == "pseudo-unseen":
        return [result]
    return [result._replace(cell=replace(result.cell, seed=seed)) for seed in grid.seeds]


def _did_not_help(compared: Sequence[Result], baselines: Sequence[Result]) -> list[str]:
    """A sentence a trained method that a baseline, of the grid itself or beside it, is at or above.

    Compared is the mean HM of the cells in the method's fullest test mode, by the same modality.
    """
    plain = (marked("yardstick")[0], marked("untrained")[0])
    untrained = {*plain, *marked("control")}
    sentences = []
    for label in dict.fromkeys(result.label for result in compared if result.cell.method not in untrained):
        rows = [row for result in compared if result.label == label if (row := fullest(result.rows, None)) is not None]
        if not rows:
            continue
        modality, own = rows[0]["modality"], fmean(row["HM"] for row in rows)
        ahead = []
        for name in plain:
            others = [result for result in (*compared, *baselines) if result.cell.method == name]
            reached = [row["HM"] for result in others if (row := fullest(result.rows, modality)) is not None]
            if reached and fmean(reached) >= own:
                ahead.append(f"{name} has {100 * fmean(reached):.1f}")
        if ahead:
            sentences.append(
                f"training did not help: HM of {modality} is {100 * own:.1f} for {label}, and {' and '.join(ahead)}"
            )
    return sentences
