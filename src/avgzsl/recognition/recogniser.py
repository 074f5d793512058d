"""A run and the encoders of its features, loaded once, and the classes it is asked about."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.backbones import Backbone
from avgzsl.data.clips import ClassTable
from avgzsl.errors import ConfigError, DataError
from avgzsl.experiments.calibration import Recognition, read_recognition
from avgzsl.experiments.protocol import Mode, choose_mode, served_modes
from avgzsl.experiments.run import Run, load_run, read_classes
from avgzsl.recognition.encoders import clip_encoders, load_backbones, load_text_encoder
from avgzsl.text.base import TextEncoder
from avgzsl.text.names import check_names, shown, spellings
from avgzsl.types import MODALITIES, EncoderChoice, Fusion, Modality, TestModality


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A run and its encoders, loaded. The text encoder comes when a new name first asks for it."""

    run: Run
    classes: ClassTable
    recognition: Recognition
    mode: Mode
    backbones: Mapping[Modality, Backbone]
    load_text: partial[TextEncoder]

    @cached_property
    def text(self) -> TextEncoder:
        """The run's text encoder."""
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
    """The classes of these names, in their order; None stands for all of the run's.

    A name that the run knows, in this or another spelling, has its vector and its seen mark; every other is unseen and
    goes through the run's text encoder. Raises DataError for what is no name or has no vector, ConfigError for names of
    one class.
    """
    known = recogniser.classes
    if names is None:
        return known
    check_names(names)
    if not names:
        raise ConfigError("an empty list of classes was given; name one, or leave it out for those of the run")
    index = {name: c for c, name in enumerate(known.names)}
    place = [next((index[spelling] for spelling in spellings(name) if spelling in index), -1) for name in names]
    times = Counter(name.strip() if c < 0 else known.names[c] for name, c in zip(names, place, strict=True))
    if twice := [name for name, count in times.items() if count > 1]:
        raise ConfigError(f"given more than once among the classes: {shown(twice)}; give each once")
    new = [name for name, c in zip(names, place, strict=True) if c < 0]
    rows = dict(zip(new, encode_names(recogniser, new), strict=True)) if new else {}
    text = [rows[name] if c < 0 else known.text[c].float() for name, c in zip(names, place, strict=True)]
    seen = torch.tensor([c >= 0 and bool(known.seen[c]) for c in place])
    return ClassTable(tuple(name.strip() for name in names), torch.stack(text), seen)


def encode_names(recogniser: Recogniser, names: Sequence[str]) -> Float[Tensor, "c t"]:
    """Names in the run's space of text. Raises DataError for those that its encoder has no vector for."""
    try:
        return recogniser.text.encode(names)
    except DataError as problem:
        if recogniser.text.open_vocabulary:
            raise
        raise DataError(
            f"{recogniser.run.folder}: its text encoder has vectors for a closed list of names, and cannot encode new "
            f"ones. {problem}"
        ) from problem
