"""`avgzsl benchmark`: methods compared on class splits and seeds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from avgzsl.types import Calibration


def benchmark(
    data: Annotated[Path, typer.Argument(help="Folder of features.")],
    out: Annotated[Path, typer.Option(help="Folder of the cells; only missing ones run.")],
    methods: Annotated[str, typer.Option(help="Names with commas between, or all.")] = "all",
    class_split: Annotated[str, typer.Option(help="One class split, or all.")] = "all",
    seeds: Annotated[int, typer.Option(help="Seeds 0, 1, …", min=1)] = 5,
    calibration: Annotated[Calibration, typer.Option(help="How gamma is found.")] = "val",
    preset: Annotated[str | None, typer.Option(help="Used by the methods that have it.")] = None,
    tuned: Annotated[
        Path | None, typer.Option(help="Presets of `avgzsl tune`: METHOD/CLASS-SPLIT/preset.yaml.")
    ] = None,
    against: Annotated[str, typer.Option(help="Method that the others are paired with.")] = "avgzslnet",
    layout: Annotated[str | None, typer.Option(help="Recognised by itself.")] = None,
    processes: Annotated[int | None, typer.Option(help="At once; by default as many as cores.", min=1)] = None,
) -> None:
    """Run the grid of methods, class splits and seeds; print the comparison and what failed (exit code 1)."""
    from avgzsl.cli import show
    from avgzsl.experiments.benchmark import benchmark as run_grid
    from avgzsl.experiments.benchmark import left_aside, open_splits
    from avgzsl.methods import method_class
    from avgzsl.methods import methods as names
    from avgzsl.reports.entries import check_preset, paper_entry
    from avgzsl.reports.summary import summary_markdown, write_summary

    chosen = names() if methods == "all" else [name.strip() for name in methods.split(",")]
    check_preset(preset, chosen)
    method_class(against)
    splits = open_splits(data, class_split, layout)
    entries = [paper_entry(name, splits, preset, tuned) for name in chosen]
    with show.cells_progress() as told:
        results = run_grid(
            data,
            entries,
            out,
            class_split=class_split,
            seeds=range(seeds),
            calibration=calibration,
            layout=layout,
            processes=processes,
            told=told,
        )
    print(summary_markdown(results, calibration, against))
    show.files(write_summary(out, results, calibration, against))
    sys.exit(show.failures(results, left_aside(out, results)))
