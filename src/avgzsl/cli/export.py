"""`avgzsl export`: a data set in the layout of AudioSetZSL."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from avgzsl.cli.options import Data, with_options
from avgzsl.types import DataChoice


@with_options(data="Store, or folder of features of another layout.")
def export(
    data: Data,
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    *,
    choice: DataChoice,
    incomplete: Annotated[
        Literal["refuse", "drop"], typer.Option(help="Clips without sound or picture, which the layout cannot say.")
    ] = "refuse",
) -> None:
    """Write features, class vectors and class lists as the field's public code reads them."""
    from avgzsl.cli import show
    from avgzsl.data.export import export as write

    exported = write(data, out, choice=choice, incomplete=incomplete)
    if exported.dropped:
        print(f"dropped {exported.dropped} clips without sound or picture")
    show.notes(exported.notes)
    show.files([exported.folder])
