"""`references.bib`: what to cite for methods, data sets and the tests that compare them, by key."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from avgzsl.errors import UnknownNameError
from avgzsl.support.registry import unknown

_FILE = Path(__file__).with_name("references.bib")
_ENTRY = re.compile(r"^@\w+\{([^,\s]+),$.*?^\}$", re.MULTILINE | re.DOTALL)


@cache
def references() -> dict[str, str]:
    """BibTeX entries by key, in the order of the file."""
    return {found[1]: found[0] for found in _ENTRY.finditer(_FILE.read_text(encoding="utf-8"))}


def citation_keys(citation: str) -> list[str]:
    """The keys that `Method.citation` names; of a BibTeX entry of the method's own, its key."""
    if citation.lstrip().startswith("@"):
        return [citation.partition("{")[2].partition(",")[0].strip()]
    return [key.strip() for key in citation.split(",") if key.strip()]


def bibtex(citations: Iterable[str]) -> str:
    """The entries of all citations, each once, in the order in which they are first cited.

    Raises UnknownNameError for a key that `references.bib` has not.
    """
    known, chosen = references(), dict[str, str]()
    for citation in citations:
        if citation.lstrip().startswith("@"):
            chosen[citation_keys(citation)[0]] = citation.strip()
            continue
        for key in citation_keys(citation):
            if key not in known:
                raise UnknownNameError(unknown("reference", key, known) + "; or let `citation` be a BibTeX entry")
            chosen[key] = known[key]
    return "\n\n".join(chosen.values())
