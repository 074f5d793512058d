"""`avgzsl reproduce`: the paper's tables and figures on a data set."""

import sys
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
    class_split="One, or all; by default the first.",
    preset="Used by the methods that have it.",
)
def reproduce(
    what: Annotated[str, typer.Argument(help="table1, …, table4, figure5, figure6, figure7, or all.")],
    data: Data,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the files; finished cells are kept there.")],
    seeds: Seeds = 5,
    calibration: Calibrations = "val",
    stretch: Stretch = False,
    preset: Preset = None,
    tuned: Tuned = None,
    choice: DataChoice,
    processes: Processes = None,
    baselines: Baselines = None,
    cite: Cite = False,
) -> None:
    """Make the paper's tables and figures, published beside measured, and a report.

    It is report.html for all, and report-table1.html for table1 alone.
    """
    from avgzsl.cli import show
    from avgzsl.reports.reproduction import reproduce as make

    with show.progress() as progress:
        reproduction = make(
            what,
            data,
            out,
            choice=choice,
            preset=preset,
            tuned=tuned,
            seeds=seeds,
            calibration=calibration,
            stretch=stretch,
            processes=processes,
            baselines=baselines,
            progress=progress,
        )
    show.sheets(reproduction.sheets)
    show.notes(reproduction.notes)
    show.files(reproduction.files)
    if cite:
        print(reproduction.references)
    sys.exit(show.failures(reproduction.comparison))
