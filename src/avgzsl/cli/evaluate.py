"""`avgzsl evaluate`: what a run is worth."""

import os
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from avgzsl.cli.options import Baselines, Figures, MethodOfRun, Run, Stretch, Vggsounder
from avgzsl.types import Calibration, Fusion


def evaluate(
    run: Run,
    data: Annotated[Path | None, typer.Option(help="Where its data lies now, if it moved.")] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    modality: Annotated[
        Literal["audio", "video", "both", "all"], typer.Option(help="audio, video, both or all.")
    ] = "all",
    fusion: Annotated[
        Fusion | None, typer.Option(help="equal, attention or weighted; by default each there is.")
    ] = None,
    calibration: Annotated[
        Calibration, typer.Option(help="val, pseudo-unseen, none or oracle (an upper bound).")
    ] = "val",
    stretch: Stretch = False,
    vggsounder: Vggsounder = None,
    baselines: Baselines = None,
    models: Annotated[Path | None, typer.Option(help="Where the baselines look for weights of encoders.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the files written; by default inside the run.")] = None,
    predictions: Annotated[
        Literal["csv", "parquet"], typer.Option(help="One row per clip, as csv or parquet.")
    ] = "csv",
    figures: Figures = None,
    method: MethodOfRun = None,
    json: Annotated[Path | None, typer.Option("--json", help="Also write all results to this file.")] = None,
) -> None:
    """Evaluate a run: tables, one row per clip, seen-unseen curve and accuracy per class."""
    from avgzsl.cli import show
    from avgzsl.errors import RunError
    from avgzsl.experiments import baselines as others
    from avgzsl.experiments import train_evaluate as experiment
    from avgzsl.experiments.run import load_run
    from avgzsl.reports.evaluation_files import write_evaluation
    from avgzsl.support.files import write_json
    from avgzsl.support.trust import require_no_way_out

    started = time.monotonic()
    with show.progress() as progress:
        loaded = load_run(run, method)
        evaluation = experiment.evaluate(
            loaded,
            data,
            split=split,
            modality=modality,
            fusion=fusion,
            calibration=calibration,
            stretch=stretch,
            relabelled=vggsounder,
            progress=progress,
        )
    seconds = time.monotonic() - started
    beside = others.baselines(loaded, evaluation, wanted=baselines, evaluated_seconds=seconds, models=models)
    show.tables(evaluation, evaluation.provenance["method"], beside)
    written = []
    if out is None and not os.access(run, os.W_OK):
        print(f"{run}: is read-only here, so no files were written; --out FOLDER says where they may go")
    else:
        if out is None:  # a run of somebody else could have a link there
            out = run / f"{split}-{calibration}"
            require_no_way_out(out, RunError)
        written = write_evaluation(evaluation, out, predictions, beside, figures or ["png"])
    if json is not None:
        write_json(json, evaluation.json())
        written.append(json)
    show.files(written)
