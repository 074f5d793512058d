"""`avgzsl describe`: a table of sentences for the classes, to be filled by hand or by a model."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.options import Data, Json, with_options
from avgzsl.types import DataChoice


@with_options("drop_bad_rows", "text_order", "text", "models", data="Store, or folder of features.")
def describe(
    data: Data,
    *,
    out: Annotated[Path, typer.Option(help="csv label,description; one that is there is gone on with.")],
    choice: DataChoice,
    json: Json = False,
) -> None:
    """Write a table of sentences for the classes; empty cells are filled by a model if the environment names one.

    That is the model AVGZSL_DESCRIBE_MODEL behind the OpenAI chat protocol at AVGZSL_DESCRIBE_URL, with the key
    AVGZSL_DESCRIBE_KEY. It is sent the names of the classes and nothing else. The exit code is 1 if it did not answer
    for some. What is filled is never written over.
    """
    from avgzsl.cli import show
    from avgzsl.data.describing import describe as write

    with show.progress() as progress:
        described = write(data, out, choice=choice, progress=progress)
    if json:
        show.json(described)
    else:
        print(f"{len(described.filled)} classes described now, {len(described.empty)} have no sentence yet")
        if described.empty and not described.failures:
            print(f"fill the column description of {out}, or name a model (`avgzsl describe --help`)")
        show.files([out])
    for name, reason in described.failures.items():
        print(f"{show.printable(name)}: {show.printable(reason)}", file=sys.stderr)
    sys.exit(1 if described.failures else 0)
