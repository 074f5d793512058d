"""Generated tables inside documents that people write."""

from collections.abc import Iterable
from pathlib import Path

from avgzsl.support.files import write_text


def put(document: Path, name: str, table: str) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- /NAME -->`. Raises ValueError where a mark is missing."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    text = document.read_text()
    if begin not in text or end not in text:
        raise ValueError(f"{document}: needs the marks {begin} and {end}, for the table to go between them")
    before, _, rest = text.partition(begin)
    write_text(document, f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}")


def measured(rows: Iterable[tuple[str, str, str]]) -> str:
    """A table of what was measured, how much it was, and how much was wanted."""
    return "\n".join(["| what | measured | wanted |", "|---|---:|---:|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)])
