"""The labels of a tagger as vectors: its names have several parts (`Bird vocalization, bird call, bird song`)."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from avgzsl.errors import DataError
from avgzsl.text.base import TextEncoder
from avgzsl.text.names import shown

_BETWEEN_PARTS = re.compile(r"[,()\[\]]")


class LabelParts(NamedTuple):
    """The parts of all labels in their order, and the position of the label that each is of. A part may come twice."""

    parts: tuple[str, ...]
    part_of: Int[Tensor, " p"]


class LabelText(NamedTuple):
    """A unit vector a part, and the position of the label that each is of."""

    vectors: Float[Tensor, "p t"]
    part_of: Int[Tensor, " p"]


def label_parts(labels: Sequence[str]) -> LabelParts:
    """Names of labels, cut at commas and brackets. Raises DataError for a label of which nothing is left."""
    cut = [[part.strip() for part in _BETWEEN_PARTS.split(label) if part.strip()] for label in labels]
    if empty := [label for label, parts in zip(labels, cut, strict=True) if not parts]:
        raise DataError(f"{len(empty)} of {len(labels)} labels have no words: {shown(empty)}; correct the list")
    part_of = [position for position, parts in enumerate(cut) for _ in parts]
    return LabelParts(tuple(part for parts in cut for part in parts), torch.tensor(part_of, dtype=torch.int64))


def encode_labels(labels: Sequence[str], encoder: TextEncoder) -> LabelText:
    """The parts of the labels through a text encoder, as they are, without a prompt. Raises DataError."""
    parts, part_of = label_parts(labels)
    position = {part: row for row, part in enumerate(dict.fromkeys(parts))}  # each is encoded once
    vectors = normalize(encoder.encode(list(position)).float(), dim=1)
    return LabelText(vectors[[position[part] for part in parts]], part_of)
