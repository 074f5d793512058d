"""Names of classes as people write them: `church-bell`, `ApplyEyeMakeup`, `playing violin, fiddle`."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from avgzsl.errors import DataError

LONGEST_NAME = 1000  # characters; a class name has tens

# Articles, conjunctions, prepositions: they say little of what a clip shows, and some vocabularies lack them.
STOP_WORDS = frozenset(
    {"a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "is", "are", "of", "or", "the", "to", "with"}
)

_JOINS = (" ", "_", "-", "")
_BETWEEN_WORDS = re.compile(r"[\s_\-,;:()/]+")
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def check_names(names: Sequence[str]) -> None:
    """Raises DataError for what cannot be a name: blank, too long, or with control characters."""
    if isinstance(names, str):
        raise DataError(f"one text, {shown([names])}, where names should be; give a list of names")
    for problem, is_wrong in _PROBLEMS.items():
        if wrong := [name for name in names if is_wrong(name)]:
            raise DataError(f"{len(wrong)} of {len(names)} names {problem}: {shown(wrong)}; expected words")


def spellings(name: str) -> Iterator[str]:
    """The ways a vocabulary may write a name, likeliest first: as it is, with other joints, in other cases."""
    yield name
    parts = list(_parts(name))
    for cased in (parts, [part.lower() for part in parts], [part.capitalize() for part in parts]):
        yield from (joint.join(cased) for joint in _JOINS)


def tokens(name: str) -> list[str]:
    """The words of a name, split at `-`, `_`, spaces, punctuation and CamelCase, whose capitals are not the words'."""
    words: list[str] = []
    for part in _parts(name):
        pieces = _CAMEL_CASE.split(part)
        words += [piece.lower() for piece in pieces] if len(pieces) > 1 else pieces
    return words


def shown(names: Iterable[str], most: int = 20) -> str:
    """Names for a message: quoted, escaped where they do not print, shortened."""
    every = list(names)
    quoted = [repr(name if len(name) <= 60 else name[:57] + "...") for name in every[:most]]
    return ", ".join(quoted) + (f" and {len(every) - most} more" if len(every) > most else "")


def _parts(name: str) -> Iterator[str]:
    return (part for part in _BETWEEN_WORDS.split(name) if part)


def _unprintable(name: str) -> bool:
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


_PROBLEMS = {
    "are empty or blank": lambda name: not name.strip(),
    f"are longer than {LONGEST_NAME} characters": lambda name: len(name) > LONGEST_NAME,
    "have control characters": _unprintable,
}
