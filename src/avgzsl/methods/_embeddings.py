"""Clips in the space of the classes: all that evaluation, recognition and the archive know of a clip."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from avgzsl.data.clips import ClipSet
from avgzsl.errors import ModalityError
from avgzsl.types import MODALITIES, Fusion, Modality, TestModality


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Clips in the space of the classes, on the CPU, or where the clips lie (`Method.follows_clips`).

    `audio` and `video` are embeddings of one modality each (None where the method has none), `joint` one of both
    together; widths may differ. `video_weight` is the attention's weight of video per clip; None where the method has
    no attention.
    """

    audio: Float[Tensor, "n a"] | None
    video: Float[Tensor, "n v"] | None
    joint: Float[Tensor, "n j"] | None
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


@dataclass(frozen=True, eq=False)
class TextEmbeddings:
    """Classes, or phrases, in the space of the clips of each modality; widths may differ by modality.

    None stands for a modality that the method does not compare. `video_weight` is how much video counts against audio
    for a class, where the text itself says so. `fit` is how well the best label fits a class that clips meet by labels
    (0 to 1).
    """

    audio: Float[Tensor, "c a"] | None
    video: Float[Tensor, "c v"] | None
    joint: Float[Tensor, "c j"] | None
    video_weight: Float[Tensor, " c"] | None = None
    fit: Float[Tensor, " c"] | None = None

    @classmethod
    def shared(cls, z: Float[Tensor, "c d"]) -> "TextEmbeddings":
        """Text that meets sound, picture and both in one space."""
        return cls(z, z, z)

    def __len__(self) -> int:
        return len(next(z for z in (self.audio, self.video, self.joint) if z is not None))

    def of(self, modality: TestModality) -> Float[Tensor, "c _d"] | None:
        """The text that clips are compared with by the modality; of `both`, that of joint embeddings."""
        return {"audio": self.audio, "video": self.video, "both": self.joint}[modality]

    def take(self, rows: Int[Tensor, " k"]) -> "TextEmbeddings":
        """The classes at these rows, in that order."""
        return self._each(lambda part: part[rows])

    def to(self, device: torch.device) -> "TextEmbeddings":
        """The same on a device."""
        return self._each(lambda part: part.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "TextEmbeddings":
        """What is one text stays one."""
        kept = {name: None if part is None else change(part) for name, part in vars(self).items()}
        if self.one_space:
            kept |= dict.fromkeys(("audio", "video", "joint"), kept["audio"])
        return TextEmbeddings(**kept)

    @property
    def one_space(self) -> bool:
        """Whether sound and picture are compared with one and the same text."""
        return self.audio is not None and self.audio is self.video


def present(text: Float[Tensor, "c d"] | None, modality: TestModality) -> Float[Tensor, "c d"]:
    """Raises ModalityError where the method embeds no text for the modality."""
    if text is None:
        raise ModalityError(f"the text of classes was not embedded for {modality}; give a part of text that serves it")
    return text


def video_weight(
    clips: Embeddings, text: TextEmbeddings, fusion: Fusion, weight: float | None
) -> Float[Tensor, "_n _c"] | None:
    """How much video counts against audio, by clip (n x 1), by class (1 x c), or for all (1 x 1); None is equally."""
    if fusion == "attention":
        return None if clips.video_weight is None else clips.video_weight[:, None]
    if fusion == "weighted":
        if text.video_weight is not None:
            return text.video_weight[None]
        return torch.full((1, 1), 0.5 if weight is None else weight, dtype=torch.float64)
    return None


def late(z: Mapping[Any, Tensor], clips: ClipSet, weight: Tensor | None = None) -> Embeddings:
    """From the embeddings by name (`audio`, `video`, `joint`); a clip has a modality that it brings and that z has."""
    absent = torch.zeros(len(clips), dtype=torch.bool, device=clips.labels.device)
    audio, video = (clips.has(modality) if modality in z else absent for modality in MODALITIES)
    return Embeddings(z.get("audio"), z.get("video"), z.get("joint"), audio, video, weight)


def concatenate(chunks: Sequence[Embeddings]) -> Embeddings:
    """The clips of all chunks (at least one, all of one method), in their order."""

    def joined(name: str) -> Any:
        parts = [getattr(chunk, name) for chunk in chunks]
        return None if parts[0] is None else torch.cat(parts)

    return Embeddings(**{field.name: joined(field.name) for field in fields(Embeddings)})
