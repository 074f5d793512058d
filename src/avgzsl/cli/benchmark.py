"""`avgzsl benchmark`: methods compared on class splits and seeds."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.options import (
    Baselines,
    Calibrations,
    Cite,
    Data,
    Preset,
    Processes,
    Seeds,
    Stretch,
    Tuned,
    with_options,
)
from avgzsl.types import DataChoice


@with_options(
    class_split="One class split, or all.",
    preset="Used by the methods that have it.",
)
def benchmark(
    data: Data,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the cells; only missing ones run.")],
    methods: Annotated[str, typer.Option(help="Names or FILE.py:Class with commas between, or all.")] = "all",
    seeds: Seeds = 5,
    calibration: Calibrations = "val",
    stretch: Stretch = False,
    preset: Preset = None,
    tuned: Tuned = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Method that the others are paired with; else the default one, or the first if that takes no part."
        ),
    ] = None,
    choice: DataChoice,
    processes: Processes = None,
    baselines: Baselines = None,
    cite: Cite = False,
) -> None:
    """Run the grid of methods, class splits and seeds; print the comparison and what failed (exit code 1)."""
    from avgzsl.cli import show
    from avgzsl.experiments.benchmark import benchmark as run_grid
    from avgzsl.experiments.benchmark import open_splits
    from avgzsl.experiments.grid_baselines import Grid, grid_baselines, write_grid_baselines
    from avgzsl.methods import PLUGINS, find_method
    from avgzsl.reports.benchmark_report import generated_of, write_benchmark
    from avgzsl.reports.citing import cite as references
    from avgzsl.reports.entries import check_preset, default_opponent, paper_entry
    from avgzsl.reports.pretraining import met_before_any
    from avgzsl.reports.summary import summary_sheets

    if methods == "all":
        loaded, broken = PLUGINS.load_all()
        chosen = [name for name, kind in loaded.items() if not kind.untrained]  # not every data set allows it
        baselines = True if baselines is None else baselines
        for problem in broken.values():
            print(f"left out: {problem}", file=sys.stderr)
    else:
        chosen = [name.strip() for name in methods.split(",")]
    check_preset(preset, chosen)
    splits = open_splits(data, choice)
    entries = [paper_entry(name, splits, preset, tuned) for name in chosen]
    paired = find_method(against).name if against else default_opponent([entry.label for entry in entries])
    started = time.monotonic()
    with show.progress() as progress:
        comparison = run_grid(
            data,
            entries,
            out,
            choice=choice,
            seeds=seeds,
            calibration=calibration,
            stretch=stretch,
            processes=processes,
            progress=progress,
        )
        seconds = time.monotonic() - started
        grid = Grid(data, splits, out, choice, range(seeds), calibration, processes, seconds)
        beside = grid_baselines(grid, comparison, baselines, progress)
    results = [*comparison, *beside.results]
    show.sheets(summary_sheets(results, calibration, paired, generated_of(splits)))
    met = met_before_any(one.encoders for one in splits.values())
    files, missing = write_benchmark(
        out, comparison, splits, calibration, paired, beside.results, [*met, *beside.verdict]
    )
    show.notes([*met, *beside.notes, *beside.verdict, *missing])
    show.files([*files, *write_grid_baselines(out, beside)])
    if cite:
        print(references(sorted({result.cell.method for result in results}), splits.values()))
    sys.exit(show.failures(comparison))
