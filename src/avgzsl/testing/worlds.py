"""Small data sets in memory, with enough structure that a method can learn something of unseen classes."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet, Dataset, TextPart
from avgzsl.types import Modality


def world(
    seed: int = 0,
    *,
    seen: int = 6,
    unseen: int = 3,
    clips: int = 24,
    sizes: tuple[int, int, int] = (20, 24, 8),
    missing: float = 0.0,
    noise: float = 0.4,
) -> Dataset:
    """Clips are a fixed linear image of their class's text vector plus noise; `missing` of them lack one modality."""
    g = torch.Generator().manual_seed(seed)
    count = seen + unseen
    d_a, d_v, d_t = sizes
    text = torch.nn.functional.normalize(torch.randn(count, d_t, generator=g), dim=1)
    maps = torch.randn(d_t, d_a, generator=g), torch.randn(d_t, d_v, generator=g)
    order = torch.randperm(count, generator=g)
    mask = torch.zeros(count, dtype=torch.bool)
    mask[order[:seen]] = True
    classes = ClassTable(tuple(f"class {c}" for c in range(count)), text, mask)

    def part(name: str) -> ClipSet:
        labels = torch.arange(count).repeat_interleave(clips)
        labels = labels[torch.randperm(len(labels), generator=g)]
        features = [text[labels] @ m + noise * torch.randn(len(labels), m.shape[1], generator=g) for m in maps]
        draw = torch.rand(len(labels), generator=g)
        return ClipSet(
            features[0],
            features[1],
            labels,
            np.array([f"{name}-{i}" for i in range(len(labels))]),
            has_audio=draw >= missing / 2,
            has_video=draw < 1 - missing / 2,
        )

    return Dataset.of(classes, {name: part(name) for name in ("train", "val", "test")})


@cache
def small_world() -> Dataset:
    """The usual one, made once; nobody is to change it."""
    return world()


def features(clips: ClipSet) -> tuple[Tensor, Tensor]:
    """Audio and video features of clips that have both."""
    assert clips.audio is not None and clips.video is not None
    return clips.audio, clips.video


def same_clips(x: ClipSet, y: ClipSet) -> bool:
    """Whether two clip sets are equal in every bit."""
    tensors = ("audio", "video", "labels", "has_audio", "has_video")
    return bool((x.ids == y.ids).all()) and all(torch.equal(getattr(x, t), getattr(y, t)) for t in tensors)


def in_parts(classes: ClassTable, modalities: tuple[Modality | None, ...]) -> ClassTable:
    """The classes with a second part, of another width, beside their text."""
    other = torch.randn(len(classes), 7, generator=torch.Generator().manual_seed(3)) + 1
    text = torch.cat([classes.text, other], 1)
    widths = (classes.text.shape[1], 7)
    parts = tuple(TextPart(width, modality) for width, modality in zip(widths, modalities, strict=True))
    return ClassTable(classes.names, text, classes.seen, parts)
