"""`avgzsl tune`: hyper-parameters chosen on validation."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avgzsl.cli.options import Data, Method, Preset, Seed, Settings, with_options
from avgzsl.types import DataChoice

if TYPE_CHECKING:
    from avgzsl.experiments.tuning import Trial


@with_options(
    fixed="Hyper-parameters held fixed, key=value.",
    preset="Where the search starts, instead of the defaults.",
    seed="Of the draws, the folds and the training.",
)
def tune(
    data: Data,
    fixed: Settings = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the trials and of the preset.")],
    method: Method = None,
    by: Annotated[
        Literal["pseudo-unseen", "val"], typer.Option(help="pseudo-unseen uses no unseen label; val does.")
    ] = "pseudo-unseen",
    preset: Preset = None,
    trials: Annotated[int, typer.Option(help="Settings to try, the start first.", min=1)] = 20,
    folds: Annotated[int | None, typer.Option(help="Folds of pseudo-unseen classes; 3 if not given.", min=1)] = None,
    choice: DataChoice,
    seed: Seed = 0,
) -> None:
    """Search the ranges a method declares, on validation only; every trial is kept, an interrupted search goes on."""
    from avgzsl.cli import show
    from avgzsl.experiments.tuning import TRIALS, left_aside
    from avgzsl.experiments.tuning import tune as search
    from avgzsl.methods import parse_override

    if old := left_aside(out, method):
        print(f"{old} trials in {out / TRIALS} were made by other code; they are left aside and made anew")
    with show.progress() as progress:
        tuned = search(
            data,
            method,
            out,
            choice=choice,
            judge=by,
            trials=trials,
            folds=folds,
            seed=seed,
            preset=preset,
            fixed=dict(map(parse_override, fixed or [])),
            progress=progress,
        )
    for number, trial in enumerate(tuned.trials, 1):
        print(f"trial {number} of {len(tuned.trials)}: {_worth(trial)}  {trial.settings}")
    print(f"best, by {by}: {tuned.settings}")
    show.files([tuned.preset, out / TRIALS])


def _worth(trial: "Trial") -> str:
    return f"failed: {trial.error}" if trial.hm is None else f"validation HM {100 * trial.hm:.1f} %"
