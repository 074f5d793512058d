"""What the columns of a matrix of class text are: parts side by side, each by one encoder; kept in every record."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    sentences of a class, and `prompts` are then for names that have none. `space` is the modality whose features stand
    in one pre-trained space with these vectors, where the layout says so; it is in no record, for the layout says it
    again.
    """

    width: Annotated[int, Field(ge=1, le=WIDEST)]
    modality: Modality | None = None
    encoder: Encoder | None = None
    prompts: Prompts | None = None
    descriptions: Descriptions | None = None
    space: Annotated[Modality | None, Field(exclude=True)] = field(default=None, compare=False)


def columns_of(parts: Sequence[TextPart]) -> list[slice]:
    """Which columns of the matrix each part has, in their order."""
    ends = [sum(part.width for part in parts[: count + 1]) for count in range(len(parts))]
    return [slice(end - part.width, end) for part, end in zip(parts, ends, strict=True)]


def in_parts(parts: Sequence[TextPart]) -> bool:
    """Whether there is more to tell of the columns than that they are one part for both modalities."""
    return len(parts) > 1 or any(part.modality is not None for part in parts)


def written(parts: Sequence[TextPart]) -> str:
    """What a method sees of the parts besides their vectors, as one text; where an encoder lay is none of it."""
    return json.dumps([[part.width, part.modality] for part in parts])


def shown_part(part: TextPart) -> str:
    """A part in a line for people, in the words that ask for it."""
    pieces = ["" if part.modality is None else f"{part.modality}="]
    pieces.append("vectors from elsewhere" if part.encoder is None else part.encoder.spec)
    pieces.append("" if part.prompts is None else f"+prompts={part.prompts.name}")
    if part.descriptions is not None:
        pieces.append(f"+descriptions={part.descriptions.file}:{','.join(part.descriptions.columns)}")
    return "".join(pieces)
