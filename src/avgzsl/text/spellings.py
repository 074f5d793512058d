"""Labels that are one class written differently, and classes that one text vector cannot tell apart.

Two labels are spellings of one class when they differ in nothing but case, the composition of accents, width, invisible
characters, and blanks, dashes or underscores between words. A spelling that is "seen" and a twin that is "unseen" make
figures of unseen classes that are not zero-shot.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from avgzsl.text.names import shown

MERGE = "--merge-spellings"
_CLOSE = 1e-6  # of the length of the longer vector
_ROWS = 512


def class_key(label: str) -> str:
    """A key that all spellings of a class share: without case, accents composed, one blank between words."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    visible = (character for character in folded if unicodedata.category(character) != "Cf")
    blanks = (" " if unicodedata.category(character) in ("Pd", "Pc") else character for character in visible)
    return re.sub(r"\s+", " ", "".join(blanks)).strip() or label


def spelled_alike(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Labels of one class, where there are several, in the order in which they come."""
    groups: dict[str, dict[str, None]] = {}
    for label in labels:
        groups.setdefault(class_key(label), {})[label] = None
    return [tuple(group) for group in groups.values() if len(group) > 1]


def usual_spellings(labels: Iterable[str]) -> dict[str, str]:
    """Each label, and how most clips (of equally many, the first by alphabet) write its class."""
    counts = Counter(labels)
    usual: dict[str, str] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        usual.setdefault(class_key(label), label)
    return {label: usual[class_key(label)] for label in counts}


def written_as(names: Iterable[str], labels: Iterable[str]) -> dict[str, str]:
    """Each label that is another spelling of one of the names, and that name."""
    by_key = {class_key(name): name for name in names}
    return {label: by_key[key] for label in labels if (key := class_key(label)) in by_key and label != by_key[key]}


def same_vectors(names: Sequence[str], vectors: Float[np.ndarray, "c t"]) -> list[tuple[str, ...]]:
    """Classes that share a text vector but for rounding, where there are several."""
    finite = np.isfinite(vectors).all(1)  # a vector that is not finite equals no other
    rows = np.where(finite[:, None], np.asarray(vectors, np.float64), 0.0)
    sizes = (rows**2).sum(1)
    groups: list[tuple[str, ...]] = []
    taken: set[int] = set()
    for start in range(0, len(rows), _ROWS):
        block = slice(start, start + _ROWS)
        squared_distance = sizes[block, None] + sizes - 2 * rows[block] @ rows.T
        near = squared_distance <= _CLOSE**2 * np.maximum(sizes[block, None], sizes)
        for row, twins in enumerate(near & finite & finite[block, None], start):
            members = [twin for twin in np.flatnonzero(twins).tolist() if twin not in taken and twin >= row]
            if row not in taken and len(members) > 1:
                groups.append(tuple(names[member] for member in members))
                taken.update(members)
    return groups


def spelling_notes(labels: Iterable[str], seen: Mapping[str, bool] | None = None) -> list[str]:
    """A sentence for each class that is written differently; with what is `seen`, whether figures leak."""
    return [
        f"{', '.join(_written(group))} are one class written differently{_leak(group, seen)}; {MERGE} makes them one"
        for group in spelled_alike(labels)
    ]


def vector_notes(
    names: Sequence[str], vectors: Float[np.ndarray, "c t"], seen: Mapping[str, bool] | None = None
) -> list[str]:
    """A sentence for each group of classes with one text vector, but for those that are spellings of one class."""
    return [
        f"{shown(group)} have the same text vector and cannot be told apart{_leak(group, seen)}; give them names, or "
        "overrides, of which the text encoder makes different vectors"
        for group in same_vectors(names, vectors)
        if len({class_key(name) for name in group}) > 1
    ]


def class_notes(names: Sequence[str], vectors: Float[np.ndarray, "c t"], seen: Bool[np.ndarray, " c"]) -> list[str]:
    """Sentences about classes that are written differently or have one text vector; `seen` is True for seen classes."""
    marks = dict(zip(names, seen.tolist(), strict=True))
    return [*spelling_notes(names, marks), *vector_notes(names, vectors, marks)]


def _leak(group: Sequence[str], seen: Mapping[str, bool] | None) -> str:
    written = dict(zip(group, _written(group), strict=True))
    marks = {name: seen[name] for name in group if name in seen} if seen else {}
    if len(set(marks.values())) < 2:
        return ""
    seen_names, unseen_names = (
        ", ".join(written[name] for name in marks if marks[name] is mark) for mark in (True, False)
    )
    return f" (seen: {seen_names}; unseen: {unseen_names}: figures of unseen classes are not zero-shot)"


def _written(group: Sequence[str]) -> list[str]:
    """The names of a group for a message, with escapes where two of them look the same."""
    looks = {"".join(c for c in unicodedata.normalize("NFC", name) if c.isprintable()) for name in group}
    return [shown([name]) if len(looks) == len(group) else ascii(name) for name in group]
