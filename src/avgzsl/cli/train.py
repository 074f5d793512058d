"""`avgzsl train`: from a folder of features to a run, and its two tables."""

import time
from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.options import (
    Baselines,
    CheckpointSeconds,
    Data,
    Device,
    Figures,
    Method,
    Preset,
    Resume,
    Seed,
    Settings,
    with_options,
)
from avgzsl.errors import ConfigError, DataError, UnknownNameError
from avgzsl.types import DataChoice


@with_options()
def train(
    data: Data,
    settings: Settings = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    method: Method = None,
    preset: Preset = None,
    choice: DataChoice,
    seed: Seed = 0,
    device: Device = "auto",
    resume: Resume = False,
    validate_every: Annotated[
        int | None,
        typer.Option(
            help="Epochs between validations; 0 is never. By default 10, or 1 for a method with a plateau.", min=0
        ),
    ] = None,
    checkpoint_seconds: CheckpointSeconds = 10.0,
    baselines: Baselines = None,
    figures: Figures = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard curves.")] = False,
) -> None:
    """Train a method on the seen classes and evaluate it on the test split (calibration: val)."""
    from avgzsl.cli import show
    from avgzsl.experiments import baselines as others
    from avgzsl.experiments import train_evaluate as experiment
    from avgzsl.learning.training import Schedule
    from avgzsl.methods import find_method, parse_override
    from avgzsl.reports.curves import with_tensorboard
    from avgzsl.reports.evaluation_files import require_forms, write_evaluation
    from avgzsl.support.arguments import as_path

    if tensorboard and not issubclass(find_method(method), Schedule):
        raise ConfigError("--tensorboard draws what changes over epochs, and this method has none; leave it out")
    require_forms(figures or [])  # before hours of training
    started = time.monotonic()
    with show.progress() as progress:
        run = experiment.train(
            data,
            method,
            out=out,
            choice=choice,
            preset=preset,
            settings=dict(map(parse_override, settings or [])),
            seed=seed,
            device=device,
            resume=resume,
            validate_every=validate_every,
            checkpoint_seconds=checkpoint_seconds,
            progress=with_tensorboard(out / "tensorboard", progress) if tensorboard else progress,
        )
    trained = time.monotonic()
    try:
        evaluation = experiment.evaluate(run, data)
    except (DataError, UnknownNameError) as problem:  # nothing to calibrate on, or no test split
        print(f"trained, but not evaluated: {problem}")
        return
    experiment.save_results(out, evaluation)
    beside = others.baselines(
        run,
        evaluation,
        wanted=baselines,
        trained_seconds=None if resume else trained - started,
        evaluated_seconds=time.monotonic() - trained,
        models=as_path(choice.models),
    )
    others.write_baselines(out, beside)
    show.tables(evaluation, run.config.method, beside)
    files = write_evaluation(evaluation, out / "test-val", beside=beside, figures=figures or ["png"])
    show.files([*sorted(path for path in out.iterdir() if path.is_file()), *files])
