"""`avgzsl reproduce`: the paper's tables and figures on a data set."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from avgzsl.types import Calibration


def reproduce(
    what: Annotated[str, typer.Argument(help="table1, …, table4, figure5, figure6, figure7, or all.")],
    data: Annotated[Path, typer.Argument(help="Folder of features.")],
    out: Annotated[Path, typer.Option(help="Folder of the files; finished cells are kept there.")],
    seeds: Annotated[int, typer.Option(help="Seeds 0, 1, …", min=1)] = 5,
    class_split: Annotated[str | None, typer.Option(help="One, or all; by default the first.")] = None,
    calibration: Annotated[Calibration, typer.Option(help="How gamma is found.")] = "val",
    preset: Annotated[str | None, typer.Option(help="Used by the methods that have it.")] = None,
    tuned: Annotated[
        Path | None, typer.Option(help="Presets of `avgzsl tune`: METHOD/CLASS-SPLIT/preset.yaml.")
    ] = None,
    layout: Annotated[str | None, typer.Option(help="Recognised by itself.")] = None,
    processes: Annotated[int | None, typer.Option(help="At once; by default as many as cores.", min=1)] = None,
) -> None:
    """Make the paper's tables and figures, published beside measured, and a report of all."""
    from avgzsl.cli import show
    from avgzsl.reports.reproduction import reproduce as make

    with show.cells_progress() as told:
        found = make(
            what,
            data,
            out,
            seeds=seeds,
            class_split=class_split,
            calibration=calibration,
            preset=preset,
            tuned=tuned,
            layout=layout,
            processes=processes,
            told=told,
        )
    for file in found.files:
        if file.suffix == ".md":
            print(file.read_text())
    show.files(found.files)
    sys.exit(show.failures(found.failed, found.aside))
