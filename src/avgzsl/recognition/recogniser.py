"""A run and the encoders of its features, loaded once, and the classes it is asked about."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.backbones import Backbone
from avgzsl.data.clips import ClassTable
from avgzsl.errors import ConfigError, DataError
from avgzsl.experiments.calibration import Recognition, read_recognition
from avgzsl.experiments.protocol import Mode, choose_mode, served_modes
from avgzsl.experiments.run import Run, load_run, read_classes
from avgzsl.recognition.encoders import clip_encoders, load_backbones
from avgzsl.recognition.text_encoders import load_text_encoder
from avgzsl.text.names import check_names, shown, spellings
from avgzsl.text.part_record import columns_of
from avgzsl.text.parts import PartEncoder, PartEncoders, split_sentence, unused_sentence
from avgzsl.types import MODALITIES, EncoderChoice, Fusion, Modality, TestModality


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A run and its encoders, loaded. Those of the text come when a new name first asks for them."""

    run: Run
    classes: ClassTable
    recognition: Recognition
    mode: Mode
    backbones: Mapping[Modality, Backbone]
    load_text: Callable[[], PartEncoders]

    @property
    def keep_sequence(self) -> bool:
        """Whether the run's method reads the steps of clips."""
        return bool(self.run.config.data.sequences)

    @cached_property
    def text(self) -> PartEncoders:
        """The encoders of the run's text, part by part."""
        return self.load_text()


def load_recogniser(
    run: str | Path | Run,
    *,
    encoders: EncoderChoice | None = None,
    modality: TestModality | str | None = None,
    fusion: Fusion | None = None,
) -> Recogniser:
    """A run, or the one in a folder, with the encoders that its features came from.

    `encoders` are for a run that does not know its own, or whose weights have moved. Clips are recognised by
    `modality`, by default by all that the run serves, and fused by attention where it has that, unless `fusion` says
    equal. Raises RunError, WeightsError, ConfigError, UnknownNameError, ModalityError.
    """
    encoders = encoders or EncoderChoice()
    opened = run if isinstance(run, Run) else load_run(Path(run))
    trained = [m for m in MODALITIES if m in opened.config.data.dimensions]
    mode = choose_mode(opened.method, served_modes(opened.method, trained), modality, fusion, opened.folder)
    classes = read_classes(opened)
    needed = [m for m in trained if mode.modality in (m, "both")]
    if unused := [m for m in clip_encoders(encoders) if m not in needed]:
        raise ConfigError(f"{opened.folder}: needs no {unused[0]} encoder for modality {mode.modality}; leave it out")
    return Recogniser(
        run=opened,
        classes=classes,
        recognition=read_recognition(opened.folder) or Recognition(modes={}),
        mode=mode,
        backbones=load_backbones(opened, needed, encoders),
        load_text=partial(load_text_encoder, opened, classes, encoders),
    )


def class_table(recogniser: Recogniser, names: Sequence[str] | None) -> ClassTable:
    """The classes of `asked_classes`, without the notes."""
    return asked_classes(recogniser, names)[0]


def asked_classes(recogniser: Recogniser, names: Sequence[str] | None) -> tuple[ClassTable, tuple[str, ...]]:
    """The classes of these names, in their order, and notes on how they were encoded; None stands for the run's.

    A name that the run knows, in this or another spelling, has its vector and its seen mark; every other is unseen and
    goes through the encoders of the run's text. A name may bring a sentence of its own (`split_sentence`), for parts
    that are made of sentences. Raises DataError for what is no name or has no vector, ConfigError for names of one
    class.
    """
    known = recogniser.classes
    if names is None:
        if not known.names:
            raise ConfigError(f"{recogniser.run.folder}: knows no class, for it saw no data; name those to choose from")
        return known, ()
    check_names(names)
    if not names:
        raise ConfigError("an empty list of classes was given; name one, or leave it out for those of the run")
    index = {name: c for c, name in enumerate(known.names)}
    asked = [_asked(phrase, index) for phrase in names]
    times = Counter(name if c is None else known.names[c] for name, _, c in asked)
    if twice := [name for name, count in times.items() if count > 1]:
        raise ConfigError(f"given more than once among the classes: {shown(twice)}; give each once")
    text, notes = _encode(recogniser, asked)
    seen = torch.tensor([c is not None and bool(known.seen[c]) for _, _, c in asked])
    return ClassTable(tuple(name for name, _, _ in asked), text, seen, known.parts), tuple(notes)


class _Asked(NamedTuple):
    """A name, its own sentence, and its place among the classes of the run, where it has them."""

    name: str
    sentence: str | None
    known: int | None


def _asked(phrase: str, index: Mapping[str, int]) -> _Asked:
    """A phrase that is a class as it stands is that; else what stands before its colon is the name."""
    if (whole := _place(phrase, index)) is not None:
        return _Asked(phrase.strip(), None, whole)
    name, sentence = split_sentence(phrase)
    return _Asked(name.strip(), sentence, _place(name, index))


def _place(name: str, index: Mapping[str, int]) -> int | None:
    return next((index[spelling] for spelling in spellings(name) if spelling in index), None)


def _encode(recogniser: Recogniser, asked: Sequence[_Asked]) -> tuple[Float[Tensor, "c t"], list[str]]:
    """The vector of each: a known class has its own, but for parts made of sentences where it brings another."""
    known = recogniser.classes.text.float()
    blank = known.new_zeros(known.shape[1])  # of names that go through the encoders
    text = torch.stack([blank if one.known is None else known[one.known] for one in asked])
    new = [place for place, one in enumerate(asked) if one.known is None]
    again = [place for place, one in enumerate(asked) if one.known is not None and one.sentence is not None]
    if not new and not again:
        return text, []
    parts, notes = recogniser.text, list[str]()
    for part, columns in zip(parts.parts, columns_of(recogniser.classes.parts), strict=True):
        places = [*new, *again] if part.descriptions is not None else new
        sentences = {one.name: one.sentence for one in asked if one.sentence is not None}
        if places:
            rows, said = _of_part(recogniser, part, [asked[place].name for place in places], sentences)
            text[places, columns] = rows
            notes += said
    if not parts.of_sentences:
        notes += [unused_sentence(one.name) for one in asked if one.sentence is not None]
    return text, list(dict.fromkeys(notes))


def _of_part(
    recogniser: Recogniser, part: PartEncoder, names: Sequence[str], sentences: Mapping[str, str]
) -> tuple[Float[Tensor, "k w"], list[str]]:
    """Names in the space of a part. Raises DataError for those that its encoder has no vector for."""
    try:
        return part.encode(names, sentences)
    except DataError as problem:
        if part.encoder.open_vocabulary:
            raise
        raise DataError(
            f"{recogniser.run.folder}: its text encoder has vectors for a closed list of names, and cannot encode new "
            f"ones. {problem}"
        ) from problem
