"""`avgzsl fetch`: weights by name, from their authors, to where all encoders find them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avgzsl.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avgzsl.fetching.fetch import FetchedFile, Weights
    from avgzsl.reports.terminal_table import Column


def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Of weights, see --list.")] = None,
    *,
    listed: Annotated[
        bool, typer.Option("--list", help="Show what can be fetched, its licence and size, and what is there.")
    ] = False,
    models: Annotated[
        Path | None,
        typer.Option(help="Folder to put them in; by default one that is looked in without being named."),
    ] = None,
    json: Json = False,
) -> None:
    """Fetch weights by name, with their licence and size; a cut connection is continued by the same command."""
    from avgzsl.cli import show
    from avgzsl.errors import ConfigError
    from avgzsl.fetching.fetch import carry_out, list_weights, plan_fetch

    if listed:
        found = list_weights(models)
        show.json(found) if json else show.table(weight_columns(found))
        return
    if not names:
        raise ConfigError("no name given; `avgzsl fetch --list` shows what can be fetched")
    plans = plan_fetch(names, models)
    if not json:
        for plan in plans:
            print(plan.about(), flush=True)
    with show.progress() as progress:
        fetched = carry_out(plans, progress)
    show.json(fetched) if json else show.table(file_columns(fetched))


def weight_columns(weights: "Sequence[Weights]") -> "list[Column]":
    """One row a name."""
    from avgzsl.reports.terminal_table import Column

    there = [{one.files: "yes", 0: "no"}.get(one.there, f"{one.there} of {one.files}") for one in weights]
    sizes = [f"{one.size / 1e6:,.0f}{'' if one.whole else '+'}" if one.size else "?" for one in weights]
    return [
        Column("name", [one.name for one in weights]),
        Column("about", [one.about for one in weights], rank=1),
        Column("MB", sizes, number=True),
        Column("there", there, number=True),
        Column("licence", [one.licence for one in weights], rank=2),
        Column("for", [one.serves for one in weights], rank=3),
    ]


def file_columns(files: "Sequence[FetchedFile]") -> "list[Column]":
    """One row a file."""
    from avgzsl.reports.terminal_table import Column, as_typed

    return [
        Column("weights", [file.name for file in files]),
        Column("bytes", [f"{file.size:,}" for file in files], number=True),
        Column("came", [file.came for file in files]),
        Column("compared with", [file.compared for file in files], rank=1),
        Column("SHA-256", [file.sha256 for file in files], rank=2, number=True),
        Column("file", [as_typed(file.path) for file in files], path=True),
    ]
