"""`avgzsl two-stage`: the protocol of the AVCA benchmark, from a folder of features to its test figures."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from avgzsl.types import TextOrder


def two_stage(
    data: Annotated[Path, typer.Argument(help="Folder of features in layout avca.")],
    out: Annotated[Path, typer.Option(help="Folder of the two runs and the results.")],
    settings: Annotated[
        list[str] | None, typer.Argument(help="Hyper-parameters, key=value; see `avgzsl methods`.")
    ] = None,
    method: Annotated[str, typer.Option(help="See `avgzsl methods`.")] = "avgzslnet",
    preset: Annotated[str | None, typer.Option(help="Named settings of the method, or a YAML file.")] = None,
    class_split: Annotated[str | None, typer.Option(help="main_split or cls_split.")] = None,
    penalty: Annotated[
        Literal["per-modality", "avca-published"], typer.Option(help="Exact for each test mode, or one from a grid.")
    ] = "per-modality",
    text_order: Annotated[
        TextOrder, typer.Option(help="right, or the mixed-up order of the published loaders.")
    ] = "right",
    seed: Annotated[int, typer.Option(help="Of weights, tuples and dropout.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    drop_bad_rows: Annotated[
        bool, typer.Option("--drop-bad-rows", help="Leave out clips with NaN or infinite values.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")] = False,
) -> None:
    """Choose epoch and penalties on stage 1, train on train and validation, test."""
    from avgzsl.cli import show
    from avgzsl.experiments import two_stage as protocol
    from avgzsl.methods import parse_override
    from avgzsl.reports.evaluation_files import write_evaluation

    with show.training_progress() as progress:
        evaluation = protocol.two_stage(
            data,
            method,
            out=out,
            class_split=class_split,
            preset=preset,
            settings=dict(map(parse_override, settings or [])),
            seed=seed,
            device=device,
            penalty=penalty,
            drop_bad_rows=drop_bad_rows,
            text_order=text_order,
            resume=resume,
            progress=progress,
        )
    show.tables(evaluation, method)
    show.files([out / "stage-1", out / "stage-2", out / "results.json", *write_evaluation(evaluation, out / "test")])
