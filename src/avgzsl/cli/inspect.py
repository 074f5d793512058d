"""`avgzsl inspect`: what a folder of features holds, and what is wrong with it."""

import sys

from avgzsl.cli.options import Data, Json, with_options
from avgzsl.types import DataChoice


@with_options("class_split", "drop_bad_rows", "text_order", "merge_spellings", "text", "models")
def inspect(data: Data, *, choice: DataChoice, json: Json = False) -> None:
    """Tell what is there: classes, clips per class and split, ranges, problems (exit code 1 if there are any)."""
    from avgzsl.data.inspection.inspect import inspect as look

    inspection = look(data, layout=choice.layout)
    if json:
        import json as writer

        print(writer.dumps(inspection.json(), indent=2))
    else:
        from avgzsl.cli import show
        from avgzsl.reports.inspection_report import inspection_text
        from avgzsl.reports.terminal_table import terminal_width

        print(show.plain(inspection_text(inspection, terminal_width())), end="")
    sys.exit(1 if inspection.problems else 0)
