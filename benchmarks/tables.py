"""Generated tables inside documents that people write."""

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
