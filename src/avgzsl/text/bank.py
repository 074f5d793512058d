"""The bank: everyday phrases that a hit is held against, to say how well just anything fits a clip."""

from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("phrases.txt")


@cache
def everyday_phrases() -> tuple[str, ...]:
    """All phrases, in the order of the file; its lines that begin with # are no phrases."""
    lines = (line.strip() for line in _FILE.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
