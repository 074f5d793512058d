"""Training clips as the training device holds them: preprocessed once, zero where a modality is absent."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from avgzsl.data import ClassTable, ClipSet
from avgzsl.nets import unit_rows
from avgzsl.types import MODALITIES, Modality

_CHUNK = 8192


@dataclass(frozen=True, eq=False)
class TrainSet:
    """Features by modality (only modalities that some clip has), presence, labels, and the text of the classes."""

    feature: Mapping[Modality, Float[Tensor, "n _d"]]
    has: Mapping[Modality, Bool[Tensor, " n"]]
    complete: Mapping[Modality, bool]
    labels: Int[Tensor, " n"]
    text: Float[Tensor, "c t"]

    def presence(
        self, modality: Modality, pairs: Int[Tensor, "2 b"]
    ) -> tuple[Bool[Tensor, " b"] | None, Bool[Tensor, " b"] | None]:
        """Whether clips p and q have the modality; (None, None) where every clip has, so that nothing is masked."""
        if self.complete[modality]:
            return None, None
        has = self.has[modality]
        return has[pairs[0]], has[pairs[1]]


def load_train_set(
    train: ClipSet, classes: ClassTable, normalise: bool, device: torch.device, dtype: torch.dtype = torch.float32
) -> TrainSet:
    """Copy to the device, scaling rows to length 1 on the way (the official code does so again at every step)."""
    feature: dict[Modality, Tensor] = {}
    has: dict[Modality, Tensor] = {}
    for modality in MODALITIES:
        given = train.feature(modality)
        if given is not None and bool(train.has(modality).any()):
            feature[modality] = _prepare(given, train.has(modality), normalise, device, dtype)
            has[modality] = train.has(modality).to(device)
    text = classes.text.to(device, torch.float32)
    return TrainSet(
        feature,
        has,
        {modality: bool(mask.all()) for modality, mask in has.items()},
        train.labels.to(device),
        unit_rows(text) if normalise else text,
    )


def _prepare(
    given: Float[Tensor, "n d"], has: Bool[Tensor, " n"], normalise: bool, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "n d"]:
    """In chunks, so that no second full copy in another type or on another device stands in memory."""
    out = torch.zeros(given.shape, device=device, dtype=dtype)
    for rows in torch.arange(len(given)).split(_CHUNK):
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        x = torch.where(has[part, None], given[part].to(torch.float32), 0.0).to(device)
        out[part] = unit_rows(x) if normalise else x
    return out
