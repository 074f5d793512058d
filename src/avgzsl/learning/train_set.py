"""Training clips as the training device holds them: preprocessed once, zero where a modality is absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet, Sequences
from avgzsl.learning.nets import unit_rows
from avgzsl.types import MODALITIES, Modality

_CHUNK = 8192


@dataclass(frozen=True, eq=False)
class TrainSet:
    """Features by modality (only modalities that some clip has), presence, labels, and the text of the classes.

    Of a method of sequences, `steps` in place of features: they stay where they are, in memory or mapped from a file.
    """

    feature: Mapping[Modality, Float[Tensor, "n _d"]]
    has: Mapping[Modality, Bool[Tensor, " n"]]
    complete: Mapping[Modality, bool]
    labels: Int[Tensor, " n"]
    text: Float[Tensor, "c t"]
    steps: Mapping[Modality, Sequences] = field(default_factory=dict)
    buffer: dict[Modality, Float[Tensor, "_r _d"]] = field(default_factory=dict)

    def fetch(self, modality: Modality, rows: Int[Tensor, " r"]) -> Float[Tensor, "r _d"]:
        """Feature rows, in a buffer that the next fetch of the modality fills again.

        Fresh memory at every step would cost more, in page faults, than the copy itself. A GPU has no such faults, and
        a recorded step (`learning/step_graph.py`) keeps its own memory.
        """
        features = self.feature[modality]
        if features.is_cuda:
            return features.index_select(0, rows)
        if modality not in self.buffer or len(self.buffer[modality]) < len(rows):
            self.buffer[modality] = features.new_empty(len(rows), features.shape[1])
        out = self.buffer[modality][: len(rows)]
        return torch.index_select(features, 0, rows, out=out)

    def presence(
        self, modality: Modality, pairs: Int[Tensor, "2 b"]
    ) -> tuple[Bool[Tensor, " b"] | None, Bool[Tensor, " b"] | None]:
        """Whether clips p and q have the modality; (None, None) where every clip has, so that nothing is masked."""
        if self.complete[modality]:
            return None, None
        has = self.has[modality]
        return has[pairs[0]], has[pairs[1]]


def load_train_set(
    train: ClipSet,
    classes: ClassTable,
    normalise: bool,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    overwrite: bool = False,
) -> TrainSet:
    """Copy to the device, scaling features to length 1 on the way (the official code does so again at every step).

    With `overwrite` the rows of `train` are scaled where they stand, if they stand in the right place and type.
    """
    feature: dict[Modality, Tensor] = {}
    has: dict[Modality, Tensor] = {}
    for modality in MODALITIES:
        given = train.feature(modality)
        if given is not None and bool(train.has(modality).any()):
            feature[modality] = _prepare(given, train.has(modality), normalise, device, dtype, overwrite)
            has[modality] = train.has(modality).to(device)
    return TrainSet(
        feature,
        has,
        {modality: bool(mask.all()) for modality, mask in has.items()},
        train.labels.to(device),
        classes.text.to(device, torch.float32),
    )


def _prepare(
    given: Float[Tensor, "n d"],
    has: Bool[Tensor, " n"],
    normalise: bool,
    device: torch.device,
    dtype: torch.dtype,
    overwrite: bool,
) -> Float[Tensor, "n d"]:
    """In chunks, so that no second full copy in another type or on another device stands in memory."""
    in_place = overwrite and (given.device, given.dtype) == (device, dtype)
    out = given if in_place else torch.zeros(given.shape, device=device, dtype=dtype)
    for start in range(0, len(given), _CHUNK):
        part = slice(start, start + _CHUNK)
        x = torch.where(has[part, None], given[part].to(torch.float32), 0.0).to(device)
        out[part] = unit_rows(x) if normalise else x
    return out
