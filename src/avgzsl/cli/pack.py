"""`avgzsl pack`: a run as one folder to share."""

from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.options import MethodOfRun, Run


def pack(
    run: Run,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    with_weights: Annotated[
        bool,
        typer.Option(
            "--with-weights", help="Also its encoders' weights: it then works offline, anywhere. Mind their licences."
        ),
    ] = False,
    models: Annotated[Path | None, typer.Option(help="Folder of the encoders' weights.")] = None,
    named: Annotated[
        list[Path] | None,
        typer.Option(
            "--with", help="A file or folder outside that of weights, which the run names by its path. Repeatable."
        ),
    ] = None,
    method: MethodOfRun = None,
) -> None:
    """Write a run with its encoders' cards and a model card to one folder, which `predict` takes as it is."""
    from avgzsl.cli import show
    from avgzsl.experiments.run import load_run
    from avgzsl.packing import pack as write

    source = run if method is None else load_run(run, method)
    show.files(write(source, out, weights=with_weights, models=models, named=named or ()))
