"""`avgzsl tune`: hyper-parameters chosen on validation."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from avgzsl.cli.options import Data, Method, Preset, Seed, Settings, with_options
from avgzsl.types import DataChoice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from avgzsl.experiments.tuning import Trial, Tuned
    from avgzsl.reports.terminal_table import Column


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
    show.table(trial_columns(tuned.trials))
    show.notes(f"trial {number} failed: {trial.error}" for number, trial in enumerate(tuned.trials, 1) if trial.error)
    show.said(f"best, by {by}: {_chosen(tuned)}")
    show.files([tuned.preset, out / TRIALS])


def trial_columns(trials: "Sequence[Trial]") -> "list[Column]":
    """One row a trial: what was tried, and what it is worth."""
    from avgzsl.reports.terminal_table import Column

    worth = ["failed" if trial.hm is None else f"{100 * trial.hm:.1f}" for trial in trials]
    return [
        Column("trial", [str(number) for number, _ in enumerate(trials, 1)], number=True),
        Column("settings", [_settings(trial.settings) for trial in trials]),
        Column("validation HM (%)", worth, number=True),
    ]


def _chosen(tuned: "Tuned") -> str:
    """The best settings; where these are what the search began with, that is said."""
    first, *others = tuned.trials
    if tuned.settings != first.settings:
        return _settings(tuned.settings)
    kept = "the defaults stay" if not first.settings else f"the start stays, {_settings(first.settings)}"
    if not others:
        return f"{kept}; nothing else was tried"
    tried = "one other setting that was tried is not" if len(others) == 1 else f"none of {len(others)} others is"
    return f"{kept}; {tried} better"


def _settings(settings: "Mapping[str, Any]") -> str:
    """As one gives them to `train`."""
    shown = {key: ",".join(map(str, value)) if isinstance(value, list) else value for key, value in settings.items()}
    return " ".join(f"{key}={value}" for key, value in shown.items()) or "the defaults"
