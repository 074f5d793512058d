"""The labels of a tagger as vectors: its names have several parts (`Bird vocalization, bird call, bird song`)."""

import contextlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from avgzsl.errors import DataError
from avgzsl.text.base import TextEncoder, encode_many
from avgzsl.text.names import shown

_BETWEEN_PARTS = re.compile(r"[,()\[\]]")


class LabelParts(NamedTuple):
    """The parts of all labels in their order, and the position of the label that each is of. A part may come twice."""

    parts: tuple[str, ...]
    part_of: Int[Tensor, " p"]


class LabelText(NamedTuple):
    """A unit vector a part, the position of the label that each is of, and how many labels there are in all.

    A label for whose words the encoder has no vector has no part here.
    """

    vectors: Float[Tensor, "p t"]
    part_of: Int[Tensor, " p"]
    total: int


def label_parts(labels: Sequence[str]) -> LabelParts:
    """Names of labels, cut at commas and brackets. Raises DataError for a label of which nothing is left."""
    cut = [[part.strip() for part in _BETWEEN_PARTS.split(label) if part.strip()] for label in labels]
    if empty := [label for label, parts in zip(labels, cut, strict=True) if not parts]:
        raise DataError(f"{len(empty)} of {len(labels)} labels have no words: {shown(empty)}; correct the list")
    part_of = [position for position, parts in enumerate(cut) for _ in parts]
    return LabelParts(tuple(part for parts in cut for part in parts), torch.tensor(part_of, dtype=torch.int64))


def encode_labels(labels: Sequence[str], encoder: TextEncoder) -> LabelText:
    """The parts of the labels through a text encoder, as they are, without a prompt.

    Parts of words that the encoder does not know are left out. Raises DataError when it knows none, and for a label
    without words.
    """
    parts, part_of = label_parts(labels)
    names = list(dict.fromkeys(parts))  # each is encoded once
    known, vectors = _encode_known(names, encoder)
    row = {name: position for position, name in enumerate(known)}
    kept = [position for position, part in enumerate(parts) if part in row]
    return LabelText(vectors[[row[parts[position]] for position in kept]], part_of[kept], len(labels))


def _encode_known(names: list[str], encoder: TextEncoder) -> tuple[list[str], Float[Tensor, "k t"]]:
    """The names that the encoder knows, and their unit vectors."""
    try:
        return names, normalize(encode_many(encoder, names).float(), dim=1)
    except DataError:  # one word is enough for it
        pass
    rows = {}
    for name in names:
        with contextlib.suppress(DataError):
            rows[name] = encoder.encode([name])
    if not rows:
        raise DataError(
            f"{encoder.spec}: has no vector for any of {len(names)} names of labels, such as {shown(names[:3])}; "
            "use an encoder of the labels' language"
        )
    return list(rows), normalize(torch.cat(list(rows.values())).float(), dim=1)
