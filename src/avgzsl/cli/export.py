"""`avgzsl export`: a data set in the layout of AudioSetZSL."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    data: Annotated[Path, typer.Argument(help="Store, or folder of features of another layout.")],
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    class_split: Annotated[str | None, typer.Option(help="Which division into seen and unseen.")] = None,
    layout: Annotated[str | None, typer.Option(help="Recognised by itself.")] = None,
    incomplete: Annotated[
        Literal["refuse", "drop"], typer.Option(help="Clips without sound or picture, which the layout cannot say.")
    ] = "refuse",
) -> None:
    """Write features, class vectors and class lists as the field's public code reads them."""
    from avgzsl.cli import show
    from avgzsl.data.export import export as write

    if dropped := write(data, out, class_split=class_split, layout=layout, incomplete=incomplete):
        print(f"dropped {dropped} clips without sound or picture")
    show.files([out])
