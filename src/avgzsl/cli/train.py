"""`avgzsl train`: from a folder of features to a run, and its two tables."""

from pathlib import Path
from typing import Annotated

import typer

from avgzsl.errors import DataError, UnknownNameError
from avgzsl.types import TextOrder


def train(
    data: Annotated[Path, typer.Argument(help="Folder of features.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    settings: Annotated[
        list[str] | None, typer.Argument(help="Hyper-parameters, key=value; see `avgzsl methods`.")
    ] = None,
    method: Annotated[str, typer.Option(help="See `avgzsl methods`.")] = "avgzslnet",
    preset: Annotated[str | None, typer.Option(help="Named settings of the method, or a YAML file.")] = None,
    class_split: Annotated[str | None, typer.Option(help="Which division into seen and unseen.")] = None,
    layout: Annotated[str | None, typer.Option(help="Recognised by itself; see `avgzsl layouts`.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, tuples and dropout.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")] = False,
    drop_bad_rows: Annotated[
        bool, typer.Option("--drop-bad-rows", help="Leave out clips with NaN or infinite values.")
    ] = False,
    text_order: Annotated[
        TextOrder, typer.Option(help="Layout avca: right, or the mixed-up order of the published loaders.")
    ] = "right",
    merge_spellings: Annotated[
        bool, typer.Option("--merge-spellings", help="Classes that are one, written differently, become one.")
    ] = False,
    validate_every: Annotated[int, typer.Option(help="Epochs between validations; 0 is never.", min=0)] = 10,
    checkpoint_seconds: Annotated[float, typer.Option(help="Least time between checkpoints.", min=0)] = 10.0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard curves.")] = False,
) -> None:
    """Train a method on the seen classes and evaluate it on the test split (calibration: val)."""
    from avgzsl.cli import show
    from avgzsl.experiments import train_evaluate as experiment
    from avgzsl.methods import parse_override
    from avgzsl.reports.curves import with_tensorboard
    from avgzsl.reports.evaluation_files import write_evaluation

    with show.training_progress() as progress:
        run = experiment.train(
            data,
            method,
            out=out,
            layout=layout,
            class_split=class_split,
            preset=preset,
            settings=dict(map(parse_override, settings or [])),
            seed=seed,
            device=device,
            drop_bad_rows=drop_bad_rows,
            text_order=text_order,
            merge_spellings=merge_spellings,
            resume=resume,
            validate_every=validate_every,
            checkpoint_seconds=checkpoint_seconds,
            progress=with_tensorboard(out / "tensorboard", progress) if tensorboard else progress,
        )
    try:
        evaluation = experiment.evaluate(run, data)
    except (DataError, UnknownNameError) as problem:  # nothing to calibrate on, or no test split
        print(f"trained, but not evaluated: {problem}")
        return
    experiment.save_results(out, evaluation)
    show.tables(evaluation, method)
    show.files(
        [*sorted(path for path in out.iterdir() if path.is_file()), *write_evaluation(evaluation, out / "test-val")]
    )
