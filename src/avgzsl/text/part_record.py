"""What the columns of a matrix of class text are: parts side by side, each by one encoder; kept in every record."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field

from avgzsl.support.weights import Encoder
from avgzsl.types import Modality

WIDEST = 1 << 24  # numbers of a part


@dataclass(frozen=True)
class Prompts:
    """Sentences that a name is put into, for its `{}`; the templates themselves, for a set of that name may change."""

    name: str
    templates: tuple[str, ...]


@dataclass(frozen=True)
class Descriptions:
    """A table of sentences a class: the file, the hash of its content, and the columns that were read."""

    file: str
    sha256: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class TextPart:
    """`width` columns of a matrix of class text, and how they were made.

    A part with a `modality` is compared with that one alone, one without with both. `encoder` None: vectors from
    elsewhere. With `prompts`, the mean of the unit vectors of a name in each template; with `descriptions`, of the
    sentences of a class, and `prompts` are then for names that have none.
    """

    width: Annotated[int, Field(ge=1, le=WIDEST)]
    modality: Modality | None = None
    encoder: Encoder | None = None
    prompts: Prompts | None = None
    descriptions: Descriptions | None = None


def columns_of(parts: Sequence[TextPart]) -> list[slice]:
    """Which columns of the matrix each part has, in their order."""
    ends = [sum(part.width for part in parts[: count + 1]) for count in range(len(parts))]
    return [slice(end - part.width, end) for part, end in zip(parts, ends, strict=True)]


def in_parts(parts: Sequence[TextPart]) -> bool:
    """Whether there is more to tell of the columns than that they are one part for both modalities."""
    return len(parts) > 1 or any(part.modality is not None for part in parts)


def written(parts: Sequence[TextPart]) -> str:
    """The parts as one text, the same for the same parts."""
    return json.dumps([asdict(part) for part in parts], sort_keys=True)
