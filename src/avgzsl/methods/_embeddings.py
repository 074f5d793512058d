"""Clips in the space of the classes: all that evaluation, recognition and the archive know of a clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avgzsl.data.clips import ClipSet
from avgzsl.types import MODALITIES, Modality, TestModality


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Clips in the space of the classes, on the CPU.

    `audio` and `video` are embeddings of one modality each (None where the method has none), `joint` one of both
    together. `video_weight` is the attention's weight of video per clip; None where the method has no attention.
    """

    audio: Float[Tensor, "n d"] | None
    video: Float[Tensor, "n d"] | None
    joint: Float[Tensor, "n d"] | None
    has_audio: Bool[Tensor, " n"]
    has_video: Bool[Tensor, " n"]
    video_weight: Float[Tensor, " n"] | None = None

    def __len__(self) -> int:
        return len(self.has_audio)

    def of(self, modality: Modality) -> Float[Tensor, "n d"] | None:
        """The embeddings by one modality, or None where the method has none."""
        return self.audio if modality == "audio" else self.video

    def has(self, modality: TestModality) -> Bool[Tensor, " n"]:
        """Which clips have the modality; by `both`, which have audio and video."""
        if modality == "both":
            return self.has_audio & self.has_video
        return self.has_audio if modality == "audio" else self.has_video

    def scorable(self, modality: TestModality) -> Bool[Tensor, " n"]:
        """Which clips can be scored by the modality.

        By `both` these are also clips with one of the two, which are scored by that one; not so where the method
        embeds the two together.
        """
        if modality == "both" and self.joint is None:
            return self.has_audio | self.has_video
        return self.has(modality)

    def where(self, mask: Bool[Tensor, " n"]) -> "Embeddings":
        """The clips where `mask` is true; all of them are given back as they are, uncopied."""
        if bool(mask.all()):
            return self
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        kept: dict[str, Any] = {name: None if part is None else part[mask] for name, part in parts.items()}
        return Embeddings(**kept)


def late(z: Mapping[Any, Tensor], clips: ClipSet, weight: Tensor | None = None) -> Embeddings:
    """From the embeddings by name (`audio`, `video`, `joint`); a clip has a modality that it brings and that z has."""
    absent = torch.zeros(len(clips), dtype=torch.bool)
    audio, video = (clips.has(modality) if modality in z else absent for modality in MODALITIES)
    return Embeddings(z.get("audio"), z.get("video"), z.get("joint"), audio, video, weight)


def concatenate(chunks: Sequence[Embeddings]) -> Embeddings:
    """The clips of all chunks (at least one, all of one method), in their order."""

    def joined(name: str) -> Any:
        parts = [getattr(chunk, name) for chunk in chunks]
        return None if parts[0] is None else torch.cat(parts)

    return Embeddings(**{field.name: joined(field.name) for field in fields(Embeddings)})
