"""`avgzsl fetch`: weights by name, from their authors, to where all encoders find them."""

from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.options import Json


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
        show.json(found) if json else print(found.table())
        return
    if not names:
        raise ConfigError("no name given; `avgzsl fetch --list` shows what can be fetched")
    plans = plan_fetch(names, models)
    if not json:
        for plan in plans:
            print(plan.about(), flush=True)
    with show.progress() as progress:
        fetched = carry_out(plans, progress)
    show.json(fetched) if json else print(fetched.table())
