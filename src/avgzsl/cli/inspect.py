"""`avgzsl inspect`: what a folder of features holds, and what is wrong with it."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def inspect(
    data: Annotated[Path, typer.Argument(help="Folder of features.")],
    layout: Annotated[str | None, typer.Option(help="Recognised by itself; see `avgzsl layouts`.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what is there: classes, clips per class and split, ranges, problems (exit code 1 if there are any)."""
    from avgzsl.data.inspection.inspect import inspect as look

    found = look(data, layout=layout)
    if json:
        import json as writer

        print(writer.dumps(found, indent=2))
    else:
        from avgzsl.reports.inspection_report import print_inspection

        print_inspection(found)
    sys.exit(1 if found["problems"] else 0)
