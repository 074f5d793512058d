"""`avgzsl tune`: hyper-parameters chosen on validation."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def tune(
    data: Annotated[Path, typer.Argument(help="Folder of features.")],
    out: Annotated[Path, typer.Option(help="Folder of the trials and of the preset.")],
    fixed: Annotated[list[str] | None, typer.Argument(help="Hyper-parameters held fixed, key=value.")] = None,
    method: Annotated[str, typer.Option(help="See `avgzsl methods`.")] = "avgzslnet",
    by: Annotated[
        Literal["pseudo-unseen", "val"], typer.Option(help="pseudo-unseen uses no unseen label; val does.")
    ] = "pseudo-unseen",
    preset: Annotated[str | None, typer.Option(help="Where the search starts, instead of the defaults.")] = None,
    trials: Annotated[int, typer.Option(help="Settings to try, the start first.", min=1)] = 20,
    folds: Annotated[int | None, typer.Option(help="Folds of pseudo-unseen classes; 3 if not given.", min=1)] = None,
    class_split: Annotated[str | None, typer.Option(help="Which division into seen and unseen.")] = None,
    layout: Annotated[str | None, typer.Option(help="Recognised by itself.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draws, the folds and the training.")] = 0,
) -> None:
    """Search the ranges a method declares, on validation only; every trial is kept, an interrupted search goes on."""
    from avgzsl.cli import show
    from avgzsl.data.layouts import open_dataset
    from avgzsl.experiments.tuning import PRESET, TRIALS, Trial, left_aside
    from avgzsl.experiments.tuning import tune as search
    from avgzsl.methods import parse_override

    def told(done: int, total: int, trial: Trial) -> None:
        found = f"failed: {trial.error}" if trial.hm is None else f"validation HM {100 * trial.hm:.1f} %"
        print(f"trial {done} of {total}: {found}  {trial.settings}", flush=True)

    dataset = open_dataset(data, layout=layout, class_split=class_split)
    if old := left_aside(out, method):
        print(f"{old} trials in {out / TRIALS} were made by other code; they are left aside and made anew")
    settings = dict(map(parse_override, fixed or []))
    best = search(
        dataset,
        method,
        out,
        judge=by,
        trials=trials,
        folds=folds,
        seed=seed,
        preset=preset,
        fixed=settings,
        told=told,
    )
    print(f"best, by {by}: {best}")
    show.files([out / PRESET, out / TRIALS])
