"""The one currency: clips with features, classes with text vectors, and a data set made of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from avgzsl.data.sequences import Sequences, sequence_hash
from avgzsl.errors import DataError, UnknownNameError
from avgzsl.support.registry import unknown
from avgzsl.support.weights import Encoder
from avgzsl.text.part_record import Descriptions, Prompts, TextPart, in_parts, written
from avgzsl.types import MODALITIES, DataChoice, Modality

__all__ = [
    "ClassTable",
    "ClipSet",
    "Dataset",
    "Descriptions",
    "Encoder",
    "Prompts",
    "Sequences",
    "TextPart",
    "content_hash",
    "fingerprint",
    "restrict",
]


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Classes in a fixed order: `names[c]` has the text vector `text[c]`, and clips to train on if `seen[c]`.

    `parts` say what the columns of `text` are, from the left; not given, they are one part of which nothing is known.
    Raises DataError for a repeated name, a row count that differs, parts that are not as wide as `text`, or a vector
    that is not finite or is zero.
    """

    names: tuple[str, ...]
    text: Float[Tensor, "_c t"]
    seen: Bool[Tensor, " _c"]
    parts: tuple[TextPart, ...] = ()

    def __post_init__(self) -> None:
        if not self.parts or self.parts == (TextPart(self.parts[0].width),):  # of which nothing is known
            object.__setattr__(self, "parts", (TextPart(self.text.shape[1]),))
        if sum(widths := [part.width for part in self.parts]) != self.text.shape[1] or min(widths) < min(
            1, sum(widths)
        ):
            given = " + ".join(map(str, widths))
            raise DataError(
                f"parts of {given} numbers for text vectors of {self.text.shape[1]}; expected as many in all"
            )
        if len(set(self.names)) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise DataError(f"class names must differ; given more than once: {', '.join(twice)}")
        if not len(self.names) == len(self.text) == len(self.seen):
            raise DataError(
                f"{len(self.names)} class names, {len(self.text)} text vectors and {len(self.seen)} seen marks; "
                "expected one of each per class"
            )
        bad = ~torch.isfinite(self.text).all(1) | (self.text == 0).all(1)
        if bad.any():
            names = ", ".join(name for name, wrong in zip(self.names, bad.tolist(), strict=True) if wrong)
            raise DataError(
                f"the text vectors of these classes are zero or not finite: {names}; give each a real vector"
            )

    def __len__(self) -> int:
        return len(self.names)

    def both_groups(self, labels: Int[Tensor, " n"]) -> bool:
        """Whether clips of these labels are of seen and of unseen classes, as choosing a penalty needs."""
        return 0 < int(self.seen[labels].sum()) < len(labels)

    def take(self, index: Int[Tensor, " k"]) -> "ClassTable":
        """The classes at `index`, in that order."""
        names = tuple(self.names[i] for i in index.tolist())
        return ClassTable(names, self.text[index], self.seen[index], self.parts)


@dataclass(frozen=True, eq=False)
class ClipSet:
    """Clips with the features of up to two modalities.

    Row i of `audio` (n x d_a) and of `video` (n x d_v) is clip `ids[i]` of class `labels[i]`. A modality that no clip
    has is None; a clip that lacks one has False in `has_audio` or `has_video`, and its feature row is not read.
    The presence masks default to "every clip has each modality that is given".

    Where the clips were kept as sequences, `sequences` has their steps, and the feature row of a clip is their mean.
    Sequences of a modality that is None are dropped with it.

    Raises DataError when row counts or dimensions differ, a presence mask claims a modality that is not given, or a
    clip that has a modality has no step in its sequences.
    """

    # `_n`: row counts are compared below, with an error for people
    audio: Float[Tensor, "_n a"] | None
    video: Float[Tensor, "_n v"] | None
    labels: Int[Tensor, " _n"]
    ids: Shaped[np.ndarray, " _n"]
    has_audio: Bool[Tensor, " _n"] = None  # type: ignore[assignment]
    has_video: Bool[Tensor, " _n"] = None  # type: ignore[assignment]
    sequences: Mapping[Modality, Sequences] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.labels)
        for modality in MODALITIES:
            feature = self.feature(modality)
            if getattr(self, f"has_{modality}") is None:
                object.__setattr__(self, f"has_{modality}", torch.full((count,), feature is not None))
            if feature is None and self.has(modality).any():
                raise DataError(f"clips are marked as having {modality}, but no {modality} features are given")
            rows = len(self.has(modality)) if feature is None else len(feature)
            if rows != count or len(self.has(modality)) != count:
                raise DataError(f"{rows} rows of {modality} for {count} labels; expected one row per clip")
        if len(self.ids) != count:
            raise DataError(f"{len(self.ids)} ids for {count} labels; expected one id per clip")
        if self.sequences:
            kept = {m: steps for m, steps in self.sequences.items() if self.feature(m) is not None}
            object.__setattr__(self, "sequences", kept)
            self._check_sequences()

    def _check_sequences(self) -> None:
        for modality, sequences in self.sequences.items():
            feature = self.feature(modality)
            if len(sequences) != len(self):
                raise DataError(
                    f"{len(sequences)} sequences of {modality} for {len(self)} labels; expected one per clip"
                )
            if feature is not None and sequences.dimension != feature.shape[1]:
                raise DataError(
                    f"steps of {sequences.dimension} numbers for {modality} features of {feature.shape[1]}; expected "
                    "the same, for a feature is the mean of its steps"
                )
            if empty := int((self.has(modality) & (sequences.length == 0)).sum()):
                raise DataError(
                    f"{empty} clips are marked as having {modality}, and their sequences have no step; expected one or "
                    f"more, or False in has_{modality}"
                )

    def __len__(self) -> int:
        return len(self.labels)

    def feature(self, modality: Modality) -> Float[Tensor, "n d"] | None:
        """The feature matrix of a modality, or None when no clip has it."""
        return self.audio if modality == "audio" else self.video

    def has(self, modality: Modality) -> Bool[Tensor, " n"]:
        """Which clips have the modality."""
        return self.has_audio if modality == "audio" else self.has_video

    def take(self, index: Int[Tensor, " k"]) -> "ClipSet":
        """The clips at `index`, in that order; feature rows are copied, the steps of sequences shared."""
        return replace(
            self,
            audio=None if self.audio is None else self.audio[index],
            video=None if self.video is None else self.video[index],
            labels=self.labels[index],
            ids=self.ids[index.numpy(force=True)],
            has_audio=self.has_audio[index],
            has_video=self.has_video[index],
            sequences={modality: sequences.take(index) for modality, sequences in self.sequences.items()},
        )

    def to(self, device: torch.device) -> "ClipSet":
        """Features, labels and marks on a device; what lies there already is not copied, and sequences stay."""
        parts = {"audio": self.audio, "video": self.video, "labels": self.labels}
        parts |= {"has_audio": self.has_audio, "has_video": self.has_video}
        moved: dict[str, Any] = {name: None if part is None else part.to(device) for name, part in parts.items()}
        return replace(self, **moved)

    def where(self, mask: Bool[Tensor, " n"]) -> "ClipSet":
        """The clips where `mask` is true; all of them are given back as they are, uncopied."""
        return self if bool(mask.all()) else self.take(mask.nonzero().squeeze(1))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Clips in splits (`train`, `val`, `test`; labels count in `classes`), and where they came from.

    `fingerprint` hashes features, ids, labels, class names, text vectors and the seen marks: two data sets with the
    same fingerprint train the same model. `encoders` are those of `audio`, `video` and `text` where the data set knows
    them: what new clips and new names must go through to meet this data. `notes` says what the reader did beyond
    reading (aligned, dropped, ignored); `text_notes` are those of them that are of the text that it brings, and they go
    where other text takes its place. `choice` is how it was read from the folder `source`, so that it can be opened
    again; None for one that was made in memory. `generated` says what of it is made up, if anything is. `also_called`
    has the other names of classes that its lists know.
    """

    classes: ClassTable
    splits: Mapping[str, ClipSet]
    fingerprint: str
    source: str = "memory"
    layout: str = "memory"
    class_split: str = ""
    notes: tuple[str, ...] = ()
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    choice: DataChoice | None = None
    generated: str = ""
    also_called: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text_notes: tuple[str, ...] = ()

    @property
    def text_parts(self) -> tuple[TextPart, ...]:
        """What the text of the classes is made of; a single part of which nothing is known has the encoder of names."""
        parts = self.classes.parts
        if len(parts) > 1 or parts[0].encoder is not None:
            return parts
        return (replace(parts[0], encoder=self.encoders.get("text")),)

    @classmethod
    def of(cls, classes: ClassTable, splits: Mapping[str, ClipSet], **about: str) -> "Dataset":
        """A data set from arrays in memory, with its fingerprint."""
        parts = [content_hash(clips) for _, clips in sorted(splits.items())]
        return cls(classes, splits, fingerprint(classes, [*sorted(splits), *parts]), **about)  # type: ignore[arg-type]

    def split(self, name: str) -> ClipSet:
        """The clips of a split. Raises UnknownNameError."""
        if name not in self.splits:
            raise UnknownNameError(f"{self.source}: {unknown('split', name, self.splits)}")
        return self.splits[name]

    def training(self) -> tuple[ClipSet, ClassTable]:
        """All that training may see: the seen classes, and their training clips with labels counting in these.

        Raises DataError when fewer than two classes are seen (a triplet needs another class).
        """
        return restrict(self.split("train"), self.classes, self.classes.seen)


def restrict(clips: ClipSet, classes: ClassTable, keep: Bool[Tensor, " c"]) -> tuple[ClipSet, ClassTable]:
    """The classes in `keep` and their clips, relabelled to count in the shorter table."""
    position = torch.cumsum(keep, 0) - 1
    chosen = clips.where(keep[clips.labels])
    return replace(chosen, labels=position[chosen.labels]), classes.take(keep.nonzero().squeeze(1))


def as_sequences(clips: ClipSet, modality: Modality) -> Sequences | None:
    """The steps of clips in a modality; of clips that are kept as vectors, each vector as one step, at 0 seconds.

    None where no clip has the modality. Clips without it have no step.
    """
    feature = clips.feature(modality)
    if feature is None or modality in clips.sequences:
        return clips.sequences.get(modality)
    return Sequences(feature, torch.arange(len(clips)), clips.has(modality).long(), feature.new_zeros(len(clips)))


def content_hash(clips: ClipSet) -> str:
    """SHA-256 of everything in `clips`, features included; sequences count where there are any."""
    digest = sha256()
    for part in (clips.audio, clips.video, clips.labels, clips.has_audio, clips.has_video):
        digest.update(b"absent" if part is None else repr((part.dtype, tuple(part.shape))).encode())
        if part is not None:
            digest.update(part.contiguous().numpy().data)
    digest.update("\0".join(clips.ids.tolist()).encode())
    for modality, sequences in sorted(clips.sequences.items()):
        digest.update(f"sequences {modality} {sequence_hash(sequences)}".encode())
    return digest.hexdigest()


def fingerprint(classes: ClassTable, content: list[str]) -> str:
    """The name of a data set: classes, their text vectors and seen marks, and the hashes of its clips.

    The parts of the text count where there are several, or one is of a modality: a single one changes nothing.
    """
    digest = sha256("\0".join(["avgzsl-data-1", *classes.names, *content]).encode())
    digest.update(classes.text.to(torch.float32).contiguous().numpy().data)
    digest.update(classes.seen.contiguous().numpy().data)
    if in_parts(classes.parts):
        digest.update(written(classes.parts).encode())
    return digest.hexdigest()
