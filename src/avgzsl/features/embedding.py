"""A batch of clips through decoder and backbones: what every engine runs, so that every engine gives the same bytes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int

from avgzsl.backbones import Backbone, PreparingBackbone, SteppingBackbone, Steps
from avgzsl.errors import AvgzslError, MediaError, WeightsError
from avgzsl.features.clip_steps import ClipSteps
from avgzsl.media.needs import Decoded, SoundNeeds, Span
from avgzsl.media.workers import Request
from avgzsl.support.weights import identify
from avgzsl.types import MODALITIES, Modality

Backbones = Mapping[Modality, Backbone]


class Task(NamedTuple):
    """A span of a file, to be embedded; with `hashed`, the outcome is to have the hash of the file."""

    file: Path
    span: Span
    hashed: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """The features of a clip: a vector for each modality that it has and that is embedded; or the error instead.

    `info` are the facts of its file (`avgzsl.media.needs.Decoded.info`). `sequences` have the steps of which each
    vector is the mean, where they were asked for. `sha256` is of the whole file, where the task asked for it.
    """

    audio: Float32[np.ndarray, " _a"] | None = None
    video: Float32[np.ndarray, " _v"] | None = None
    info: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    sequences: Mapping[Modality, ClipSteps] = field(default_factory=dict)
    sha256: str | None = None


def requests(batch: Iterable[Task], backbones: Backbones) -> Iterator[Request]:
    """What to decode: picture and sound of a clip come from one decoding, each as its backbone needs it.

    What a `PreparingBackbone` is fed is made there, too.
    """
    needs: dict[Modality, Any] = {modality: backbone.needs for modality, backbone in backbones.items()}
    prepare = {m: backbone.prepare for m, backbone in backbones.items() if isinstance(backbone, PreparingBackbone)}
    return (Request(task.file, task.span, needs.get("video"), needs.get("audio"), prepare) for task in batch)


def page_locked(clip: Decoded | AvgzslError, backbones: Backbones) -> Decoded | AvgzslError:
    """The clip, what a backbone on CUDA is fed of it moved to memory that the card fetches without the processor."""
    if isinstance(clip, AvgzslError):
        return clip
    inputs = {
        modality: torch.from_numpy(content).pin_memory().numpy() if _on_cuda(backbones[modality]) else content
        for modality, content in clip.inputs.items()
    }
    return replace(clip, inputs=inputs)


def _on_cuda(backbone: Backbone) -> bool:
    device = getattr(backbone, "device", None)
    return isinstance(device, torch.device) and device.type == "cuda"


def embed_batch(
    decoded: Sequence[Decoded | AvgzslError], backbones: Backbones, keep_sequence: bool = False
) -> list[Outcome]:
    """The outcome of each clip of a batch, in its order; clips that cannot be embedded have an error, and no others.

    With `keep_sequence` they have their steps, too; the vectors are the same, bit for bit.
    """
    outcomes = [_before_embedding(clip, backbones) for clip in decoded]
    for modality, backbone in backbones.items():
        inputs = {
            place: content
            for place, clip in enumerate(decoded)
            if outcomes[place].error is None and (content := _content(clip, modality)) is not None
        }
        lengths = [_length(decoded[place], content, modality) for place, content in inputs.items()]
        embed = partial(_stepped, backbone) if keep_sequence else partial(_pooled, backbone)
        for place, steps in zip(inputs, _embed(embed, list(inputs.values()), lengths), strict=True):
            if isinstance(steps, str):
                outcomes[place] = Outcome(error=f"{backbone.spec}: {steps}")
                continue
            feature: dict[str, Any] = {modality: steps.row.numpy()}
            if keep_sequence:
                own = ClipSteps(steps.vectors.numpy(), _seconds(decoded[place], backbone, steps.places))
                feature["sequences"] = {**outcomes[place].sequences, modality: own}
            outcomes[place] = replace(outcomes[place], **feature)
    return outcomes


def with_hashes(batch: Sequence[Task], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes of the tasks, with the hashes that they ask for, or the error where a file cannot be read."""
    return [_hashed(task, outcome) if task.hashed else outcome for task, outcome in zip(batch, outcomes, strict=True)]


def _hashed(task: Task, outcome: Outcome) -> Outcome:
    try:
        return replace(outcome, sha256=file_hash(task.file))
    except MediaError as problem:
        return Outcome(error=outcome.error or str(problem))


def file_hash(file: Path) -> str:
    """SHA-256 of a media file. Raises MediaError when it cannot be read."""
    try:
        return identify(file).sha256
    except (OSError, WeightsError) as problem:
        raise MediaError(f"{file}: cannot be read ({problem})") from problem


def _before_embedding(clip: Decoded | AvgzslError, backbones: Backbones) -> Outcome:
    if isinstance(clip, AvgzslError):
        return Outcome(error=str(clip))
    return Outcome(info=clip.info, error=_lacking(clip, backbones))


_Embed = Callable[[list[np.ndarray], list[int]], list[Steps]]


def _embed(embed: _Embed, clips: list[np.ndarray], lengths: list[int]) -> list[Steps | str]:
    """A row a clip, or why there is none; a clip that its backbone refuses does not stop the others."""
    if not clips:
        return []
    try:
        made = embed(clips, lengths)
    except AvgzslError as problem:
        if len(clips) == 1:
            return [str(problem)]
        pairs = zip(clips, lengths, strict=True)
        return [steps for clip, length in pairs for steps in _embed(embed, [clip], [length])]
    finite = [bool(steps.row.isfinite().all() and steps.vectors.isfinite().all()) for steps in made]
    return [steps if good else "gave values that are not finite" for steps, good in zip(made, finite, strict=True)]


def _pooled(backbone: Backbone, clips: list[np.ndarray], lengths: list[int]) -> list[Steps]:
    """Each clip as one step: its row."""
    # the process that decodes has prepared the clips of some
    rows = (backbone.embed_prepared if isinstance(backbone, PreparingBackbone) else backbone.embed)(clips)
    return [Steps(row, row[None], np.array([[0, length]])) for row, length in zip(rows, lengths, strict=True)]


def _stepped(backbone: Backbone, clips: list[np.ndarray], lengths: list[int]) -> list[Steps]:
    if isinstance(backbone, SteppingBackbone):
        return backbone.embed_steps(clips, lengths)
    return _pooled(backbone, clips, lengths)


def _length(clip: Decoded | AvgzslError, content: np.ndarray, modality: Modality) -> int:
    """Frames or samples of a clip, also where something else was made of them."""
    if isinstance(clip, AvgzslError) or modality not in clip.inputs:
        return len(content)
    return clip.samples if modality == "audio" or clip.times is None else len(clip.times)


def _seconds(
    clip: Decoded | AvgzslError, backbone: Backbone, places: Int[np.ndarray, "t 2"]
) -> Float32[np.ndarray, " t"]:
    """The middle of each step, from where the clip begins."""
    if isinstance(backbone.needs, SoundNeeds):
        return np.asarray(places.sum(1) / 2 / backbone.needs.rate, np.float32)
    if isinstance(clip, AvgzslError) or clip.times is None:
        return np.zeros(len(places), np.float32)
    begin = (clip.info.get("span") or (0.0,))[0]
    return np.array([clip.times[first:last].mean() - begin for first, last in places], np.float32)


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
