"""The optional libraries, with what `pyproject.toml` says of each."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def extras() -> str:
    """A table, a line an extra."""
    part = PROJECT.read_text().partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    rows = re.findall(r"^([\w-]+) = \[(?:.*\])?(?: +# (.*))?$", part, re.M)
    return "\n".join(["| extra | what for |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in rows)])
