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
from avgzsl.experiments import run as runs
from avgzsl.experiments.calibration import Recognition, read_recognition
from avgzsl.experiments.protocol import Mode, choose_mode, served_modes
from avgzsl.recognition.encoders import load_backbones, load_text_encoder
from avgzsl.text.base import TextEncoder
from avgzsl.text.names import check_names, shown, spellings
from avgzsl.types import MODALITIES, Fusion, Modality, TestModality


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A run and its encoders, loaded. The text encoder comes when a new name first asks for it."""

    run: runs.Run
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
    run: str | Path,
    *,
    modality: TestModality | str | None = None,
    fusion: Fusion | None = None,
    models: Path | None = None,
    device: str = "auto",
    audio: str | None = None,
    video: str | None = None,
    text: str | None = None,
) -> Recogniser:
    """A run with the encoders that its features came from; weights are looked for in the folder `models`.

    Clips are recognised by `modality`, by default by all that the run serves, and fused by attention where it has that,
    unless `fusion` says equal. `audio`, `video` and `text` are specs of the encoders, for a run that does not know its
    own or whose weights have moved. Raises RunError, WeightsError, ConfigError, UnknownNameError, ModalityError.
    """
    loaded = runs.load_run(Path(run))
    modalities = [m for m in MODALITIES if m in loaded.config.data.dimensions]
    mode = choose_mode(loaded.method, served_modes(loaded.method, modalities), modality, fusion, loaded.folder)
    classes = runs.read_classes(loaded)
    recognition = read_recognition(loaded.folder) or Recognition(modes={})
    specs = {name: spec for name, spec in (("audio", audio), ("video", video)) if spec is not None}
    wanted = [m for m in modalities if mode.modality in (m, "both")]
    unused = [name for name in specs if name not in wanted]
    if unused:
        raise ConfigError(f"{loaded.folder}: needs no {unused[0]} encoder for modality {mode.modality}; leave it out")
    backbones = load_backbones(loaded, wanted, specs, models, device)
    return Recogniser(
        loaded,
        classes,
        recognition,
        mode,
        backbones,
        partial(load_text_encoder, loaded, classes, text, models, device),
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
    place = [next((index[way] for way in spellings(name) if way in index), -1) for name in names]
    same = Counter(name.strip() if c < 0 else known.names[c] for name, c in zip(names, place, strict=True))
    if twice := [name for name, count in same.items() if count > 1]:
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
