"""`avgzsl two-stage`: the protocol of the AVCA benchmark, from a folder of features to its test figures."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from avgzsl.cli.options import Data, Device, Method, Preset, Resume, Seed, Settings, with_options
from avgzsl.types import DataChoice


@with_options(data="Folder of features in layout avca.", class_split="main_split or cls_split.")
def two_stage(
    data: Data,
    settings: Settings = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the two runs and the results.")],
    method: Method = None,
    preset: Preset = None,
    penalty: Annotated[
        Literal["per-modality", "avca-published", "clipclap-published"],
        typer.Option(help="Exact for each test mode, or one from a grid."),
    ] = "per-modality",
    choice: DataChoice,
    seed: Seed = 0,
    device: Device = "auto",
    resume: Resume = False,
) -> None:
    """Choose epoch and penalties on stage 1, train on train and validation, test."""
    from avgzsl.cli import show
    from avgzsl.experiments import two_stage as protocol
    from avgzsl.methods import parse_override
    from avgzsl.reports.evaluation_files import write_evaluation

    with show.progress() as progress:
        evaluation = protocol.two_stage(
            data,
            method,
            out=out,
            choice=choice,
            penalty=penalty,
            preset=preset,
            settings=dict(map(parse_override, settings or [])),
            seed=seed,
            device=device,
            resume=resume,
            progress=progress,
        )
    show.tables(evaluation, evaluation.provenance["method"])
    show.files([out / "stage-1", out / "stage-2", out / "results.json", *write_evaluation(evaluation, out / "test")])
