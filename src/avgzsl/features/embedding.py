"""A batch of clips through decoder and backbones: what every engine runs, so that every engine gives the same bytes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from avgzsl.backbones import Backbone, PreparingBackbone
from avgzsl.errors import AvgzslError
from avgzsl.media.needs import Decoded, Span
from avgzsl.media.workers import Request
from avgzsl.types import MODALITIES, Modality

Backbones = Mapping[Modality, Backbone]


class Task(NamedTuple):
    """A span of a file, to be embedded."""

    file: Path
    span: Span


@dataclass(frozen=True, eq=False)
class Outcome:
    """The features of a clip: a vector for each modality that it has and that is embedded; or the error instead.

    `info` are the facts of its file (`avgzsl.media.needs.Decoded.info`).
    """

    audio: Float32[np.ndarray, " _a"] | None = None
    video: Float32[np.ndarray, " _v"] | None = None
    info: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


def requests(batch: Iterable[Task], backbones: Backbones) -> Iterator[Request]:
    """What to decode: picture and sound of a clip come from one decoding, each as its backbone needs it.

    What a `PreparingBackbone` is fed is made there, too.
    """
    needs: dict[Modality, Any] = {modality: backbone.needs for modality, backbone in backbones.items()}
    prepare = {m: backbone.prepare for m, backbone in backbones.items() if isinstance(backbone, PreparingBackbone)}
    return (Request(task.file, task.span, needs.get("video"), needs.get("audio"), prepare) for task in batch)


def embed_batch(decoded: Sequence[Decoded | AvgzslError], backbones: Backbones) -> list[Outcome]:
    """The outcome of each clip of a batch, in its order; clips that cannot be embedded have an error, and no others."""
    outcomes = [_before_embedding(clip, backbones) for clip in decoded]
    for modality, backbone in backbones.items():
        inputs = {
            place: content
            for place, clip in enumerate(decoded)
            if outcomes[place].error is None and (content := _content(clip, modality)) is not None
        }
        for place, row in zip(inputs, _embed(backbone, list(inputs.values())), strict=True):
            if isinstance(row, str):
                outcomes[place] = Outcome(error=f"{backbone.spec}: {row}")
            else:
                feature: dict[str, Any] = {modality: row}
                outcomes[place] = replace(outcomes[place], **feature)
    return outcomes


def _before_embedding(clip: Decoded | AvgzslError, backbones: Backbones) -> Outcome:
    if isinstance(clip, AvgzslError):
        return Outcome(error=str(clip))
    return Outcome(info=clip.info, error=_lacking(clip, backbones))


def _embed(backbone: Backbone, clips: list[np.ndarray]) -> list[Float32[np.ndarray, " d"] | str]:
    """A row a clip, or why there is none; a clip that its backbone refuses does not stop the others."""
    if not clips:
        return []
    try:
        if isinstance(backbone, PreparingBackbone):  # the process that decodes has prepared the clips
            rows = backbone.embed_prepared(clips).numpy()
        else:
            rows = backbone.embed(clips).numpy()
    except AvgzslError as problem:
        if len(clips) == 1:
            return [str(problem)]
        return [row for clip in clips for row in _embed(backbone, [clip])]
    return [row if np.isfinite(row).all() else "gave values that are not finite" for row in rows]


def _content(clip: Decoded | AvgzslError, modality: Modality) -> np.ndarray | None:
    if isinstance(clip, AvgzslError):
        return None
    decoded = clip.waveform if modality == "audio" else clip.frames
    return clip.inputs.get(modality, decoded)


def _lacking(clip: Decoded, backbones: Backbones) -> str | None:
    """Why a clip has no feature at all: it has none of the modalities that are embedded. None if it has one."""
    if any(_content(clip, modality) is not None for modality in backbones):
        return None
    words = {"audio": "sound", "video": "picture"}
    return f"no {' and no '.join(words[modality] for modality in MODALITIES if modality in backbones)} in it"
