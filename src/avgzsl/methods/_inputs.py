"""What goes into a method: training data that was checked, features as the model was trained on them, and the text."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet, restrict
from avgzsl.errors import ConfigError, DataError, ModalityError
from avgzsl.learning.nets import unit_rows
from avgzsl.learning.training import Job
from avgzsl.methods._class_vectors import ALL_NAMES, TextPrepare
from avgzsl.methods._embeddings import TextEmbeddings
from avgzsl.methods._text import Columns, TextPreparation
from avgzsl.types import MODALITIES, Modality

_CHUNK = 8192


def check_training(train: ClipSet, classes: ClassTable) -> None:
    """What every method needs of its training data. Raises DataError."""
    if not bool(classes.seen.all()):
        raise DataError("training was given unseen classes; pass what Dataset.training() gives")
    if len(classes) < 2:
        raise DataError(f"only one seen class ({', '.join(classes.names)}); learning to tell classes apart needs two")
    count = torch.bincount(train.labels, minlength=len(classes))
    if not bool(count.all()):
        empty = [name for name, n in zip(classes.names, count.tolist(), strict=True) if n == 0]
        raise DataError(f"no training clip of: {', '.join(empty)}; add clips or leave these classes out")
    for modality in MODALITIES:
        feature = train.feature(modality)
        if feature is not None and not _all_finite(feature, train.has(modality)):
            raise DataError(f"{modality} features hold NaN or infinite values; drop or repair these clips")


def _all_finite(feature: Float[Tensor, "n d"], has: Bool[Tensor, " n"]) -> bool:
    """In chunks: `isfinite` makes several copies of what it looks at."""
    parts = zip(feature.split(_CHUNK), has.split(_CHUNK), strict=True)
    return all(bool(torch.isfinite(rows[present]).all()) for rows, present in parts)


def usable(method: str, train: ClipSet, classes: ClassTable, needed: Sequence[Modality]) -> tuple[ClipSet, ClassTable]:
    """The clips that have every modality that is read, without the others' features, and the classes of these.

    Raises ModalityError when fewer than two classes are left.
    """
    absent = torch.zeros(len(train), dtype=torch.bool)
    without: dict[str, Any] = {}
    for other in set(MODALITIES) - set(needed):
        without |= {other: None, f"has_{other}": absent}
    full = torch.stack([train.has(modality) for modality in needed]).all(0)
    clips = replace(train, **without).where(full)
    left = torch.bincount(clips.labels, minlength=len(classes)) > 0
    if int(left.sum()) < 2:
        raise ModalityError(
            f"{method} learns from clips with {' and '.join(needed)}; {len(clips)} training clips of "
            f"{int(left.sum())} classes have that, and learning to tell classes apart needs two"
        )
    return restrict(clips, classes, left)


def columns_of(classes: ClassTable) -> list[Columns]:
    """The parts of the text of classes."""
    return [Columns(part.width, part.modality) for part in classes.parts]


def names_along(way: TextPrepare, job: Job) -> Float[Tensor, "c t"] | None:
    """The text of all classes, where the published form of class vectors asks for it. Raises ConfigError without it."""
    if way != ALL_NAMES:
        return None
    if job.all_text is None:
        raise ConfigError(
            f"text_prepare={way} optimises the text of unseen classes along, and the job has none; give "
            "Job(all_text=dataset.classes.text), or set text_prepare=ez, which needs the seen ones alone"
        )
    return job.all_text


def by_modality(
    prepare: TextPreparation, text: Float[Tensor, "c t"], modalities: Collection[Modality]
) -> TextEmbeddings:
    """The scaled text of each of the modalities; of text that serves both, one in one space."""
    if all(part.modality is None for part, _ in prepare.split(text)):
        return TextEmbeddings.shared(prepare(text))
    audio, video = (prepare(text, m) if m in modalities else None for m in MODALITIES)
    return TextEmbeddings(audio, video, None)


def dimensions(train: ClipSet, classes: ClassTable) -> dict[str, int]:
    """Feature dimensions of each modality that some clip of a seen class has, and of the text."""
    sizes: dict[str, int] = {}
    for modality in MODALITIES:
        feature = train.feature(modality)
        if feature is not None and bool((train.has(modality) & classes.seen[train.labels]).any()):
            sizes[modality] = feature.shape[1]
    return {**sizes, "text": classes.text.shape[1]}


def check_widths(clips: ClipSet, sizes: Mapping[str, int]) -> None:
    """Raises ModalityError for features of another dimension than the model was trained on."""
    for modality in MODALITIES:
        given = clips.feature(modality)
        if given is not None and modality in sizes and given.shape[1] != sizes[modality]:
            raise ModalityError(
                f"{modality} features have {given.shape[1]} dimensions, the model was trained on {sizes[modality]}"
            )


def clip_features(
    clips: ClipSet, sizes: Mapping[str, int], normalise: bool, device: torch.device
) -> dict[Modality, Float[Tensor, "n _d"]]:
    """Features of the modalities that were trained on, preprocessed as in training; absent rows are zero.

    Raises ModalityError for another dimension than the model was trained on.
    """
    check_widths(clips, sizes)
    features: dict[Modality, Tensor] = {}
    for modality in MODALITIES:
        given = clips.feature(modality)
        if given is None or modality not in sizes:
            continue
        x = torch.where(clips.has(modality)[:, None], given.to(torch.float32), 0.0).to(device)
        features[modality] = unit_rows(x) if normalise else x
    return features
