"""`avgzsl benchmark`: methods compared on class splits and seeds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.options import Calibrations, Data, Preset, Processes, Seeds, with_options
from avgzsl.types import DataChoice


@with_options(
    class_split="One class split, or all.",
    preset="Named settings, for the methods that have them, or a folder: METHOD/CLASS-SPLIT/preset.yaml.",
)
def benchmark(
    data: Data,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the cells; only missing ones run.")],
    methods: Annotated[str, typer.Option(help="Names with commas between, or all.")] = "all",
    seeds: Seeds = 5,
    calibration: Calibrations = "val",
    preset: Preset = None,
    against: Annotated[str, typer.Option(help="Method that the others are paired with.")] = "avgzslnet",
    choice: DataChoice,
    processes: Processes = None,
) -> None:
    """Run the grid of methods, class splits and seeds; print the comparison and what failed (exit code 1)."""
    from avgzsl.cli import show
    from avgzsl.experiments.benchmark import benchmark as run_grid
    from avgzsl.experiments.benchmark import open_splits
    from avgzsl.methods import method_class
    from avgzsl.methods import methods as names
    from avgzsl.reports.entries import check_preset, paper_entry
    from avgzsl.reports.summary import summary_markdown, write_summary

    chosen = names() if methods == "all" else [name.strip() for name in methods.split(",")]
    check_preset(preset, chosen)
    method_class(against)
    splits = open_splits(data, choice)
    entries = [paper_entry(name, splits, preset) for name in chosen]
    with show.progress() as progress:
        comparison = run_grid(
            data,
            entries,
            out,
            choice=choice,
            seeds=range(seeds),
            calibration=calibration,
            processes=processes,
            progress=progress,
        )
    print(summary_markdown(comparison, calibration, against))
    show.files(write_summary(out, comparison, calibration, against))
    sys.exit(show.failures(comparison))
