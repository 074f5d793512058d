"""The text of classes, part by part: each part's encoder, its prompts, and the sentences of classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from avgzsl.errors import ConfigError
from avgzsl.support.weights import Encoder
from avgzsl.text import encoders
from avgzsl.text.checked import CheckedEncoder
from avgzsl.text.descriptions import DescriptionTable, read_descriptions
from avgzsl.text.part_record import Descriptions, Prompts, TextPart
from avgzsl.text.part_spec import PartSpec, parse_parts
from avgzsl.text.prompt_sets import USUAL, filled, read_prompts
from avgzsl.types import Modality


@dataclass(frozen=True, eq=False)
class PartEncoder:
    """One part; `load` gives its encoder when that is first needed.

    A part with `descriptions` encodes the sentence that comes with a name, else those of the `table`, where it is at
    hand; a name that has neither goes through the prompts, and the notes say so. `spec` is what the notes call it.
    With `many`, names are encoded many at once where the encoder can: quicker, but last digits hang on the other names.
    """

    spec: str
    load: Callable[[], CheckedEncoder]
    modality: Modality | None = None
    prompts: Prompts | None = None
    descriptions: Descriptions | None = None
    table: DescriptionTable | None = None
    many: bool = False

    @cached_property
    def encoder(self) -> CheckedEncoder:
        """Raises what `text.encoders.load` raises."""
        return self.load()

    def many_at_once(self) -> "PartEncoder":
        """The same with `many`; the encoder is loaded once for both."""
        return replace(self, load=lambda: self.encoder, many=True)

    @property
    def record(self) -> TextPart:
        """What is recorded with vectors of this part."""
        encoder = Encoder(self.encoder.spec, self.encoder.weights)
        return TextPart(self.encoder.dimension, self.modality, encoder, self.prompts, self.descriptions)

    def encode(
        self, names: Sequence[str], sentences: Mapping[str, str] | None = None
    ) -> tuple[Float[Tensor, "c w"], list[str]]:
        """A float32 row a name on the CPU, and notes about names without a sentence.

        `sentences[name]` is what a name brings itself. Rows of prompts and sentences are means of unit vectors, of unit
        length; those of bare names are the encoder's. Raises DataError for what the encoder has no vector for.
        """
        if self.prompts is None and self.descriptions is None:
            words = [self.encoder.words(name) for name in names]
            return self.encoder.encode_many(words) if self.many else self.encoder.encode(names), []
        given = {name: (sentence,) for name, sentence in (sentences or {}).items() if self.descriptions is not None}
        known = {} if self.table is None else self.table.find([name for name in names if name not in given])
        written = {**known, **given}
        bare = [name for name in names if name not in written]
        prompted = {name: tuple(self._prompted(name)) for name in bare}
        notes = [] if self.descriptions is None else [_note(name, prompted[name], self.spec) for name in bare]
        return self._means([{**written, **prompted}[name] for name in names]), notes

    def _prompted(self, name: str) -> list[str]:
        words = self.encoder.words(name.strip())
        return [filled(template, words) for template in (self.prompts or USUAL).templates]

    def _means(self, texts: Sequence[Sequence[str]]) -> Float[Tensor, "c w"]:
        """A row a group of texts: the mean of their unit vectors, of unit length."""
        different = list(dict.fromkeys(text for group in texts for text in group))
        encode = self.encoder.encode_many if self.many else self.encoder.encode_sentences
        rows = normalize(encode(different).double(), dim=1)
        place = {text: row for row, text in enumerate(different)}
        means = [rows[[place[text] for text in group]].mean(0) for group in texts]
        if not means:
            return torch.zeros(0, self.encoder.dimension)
        return normalize(torch.stack(means), dim=1).float()


@dataclass(frozen=True, eq=False)
class PartEncoders:
    """The parts in the order of their columns."""

    parts: tuple[PartEncoder, ...]

    @property
    def record(self) -> tuple[TextPart, ...]:
        """What is recorded with vectors of these parts; loads every encoder."""
        return tuple(part.record for part in self.parts)

    @property
    def of_sentences(self) -> bool:
        """Whether a part is made of sentences."""
        return any(part.descriptions is not None for part in self.parts)

    def many_at_once(self) -> "PartEncoders":
        """The same for a long list of phrases whose last digits do not matter: see `PartEncoder.many`."""
        return PartEncoders(tuple(part.many_at_once() for part in self.parts))

    @property
    def open_vocabulary(self) -> bool:
        """Whether every part encodes other names than those of a closed list; loads every encoder."""
        return all(part.encoder.open_vocabulary for part in self.parts)

    def encode(
        self, names: Sequence[str], sentences: Mapping[str, str] | None = None
    ) -> tuple[Float[Tensor, "c t"], list[str]]:
        """The rows of all parts side by side, and notes: names that a part had no sentence for, sentences without use.

        Raises what `PartEncoder.encode` raises.
        """
        encoded = [part.encode(names, sentences) for part in self.parts]
        notes = list(dict.fromkeys(note for _, some in encoded for note in some))
        if not self.of_sentences:
            notes += map(unused_sentence, sentences or {})
        return torch.cat([rows for rows, _ in encoded], dim=1), notes


def load_parts(
    specs: Sequence[str | PartSpec],
    models: Path | None = None,
    device: str = "cpu",
    overrides: Path | None = None,
) -> PartEncoders:
    """The parts that the specs name. Prompts and descriptions are read now, encoders loaded when they are first needed.

    Of `own=ENCODER` the encoder is taken. `overrides` are for the encoders of all parts (see `text.encoders.load`).
    Raises ConfigError for a spec that cannot be read or names no encoder, DataError for files that are not what they
    should be.
    """
    parsed = parse_parts([str(spec) for spec in specs])
    return PartEncoders(tuple(load_part(spec, models, device, overrides) for spec in parsed))


def load_part(spec: PartSpec, models: Path | None, device: str, overrides: Path | None = None) -> PartEncoder:
    """One part, see `load_parts`."""
    if spec.encoder is None:
        raise ConfigError(f"--text {spec}: names no encoder, and here one is needed; give own=ENCODER, or ENCODER")
    prompts = None if spec.prompts is None else read_prompts(spec.prompts)
    table = None if spec.descriptions is None else read_descriptions(spec.descriptions, spec.columns, models)
    load = partial(encoders.load, spec.encoder, overrides=overrides, models=models, device=device)
    descriptions = None if table is None else table.record
    return PartEncoder(spec.encoder, load, spec.modality, prompts, descriptions, table)


def describe_classes(parts: PartEncoders, names: Sequence[str]) -> tuple[Float[Tensor, "c t"], tuple[TextPart, ...]]:
    """The text of classes of a data set, all of which have a sentence in each table, and what is recorded with it.

    Raises DataError that names the classes without, before an encoder is loaded.
    """
    for part in parts.parts:
        if part.table is not None:
            part.table.of(names)
    rows, _ = parts.encode(names)
    return rows, parts.record


def split_sentence(phrase: str) -> tuple[str, str | None]:
    """The name and the sentence of "church bell: a large bronze bell in a tower"; a name alone has none."""
    name, mark, sentence = phrase.partition(": ")
    if not mark or not name.strip() or not sentence.strip():
        return phrase, None
    return name.strip(), sentence.strip()


def unused_sentence(name: str) -> str:
    """The note on a sentence that no part takes."""
    return f"{name}: its sentence was not used, for no part of the text is made of sentences"


def _note(name: str, texts: Sequence[str], spec: str) -> str:
    more = f" and {len(texts) - 1} more were" if len(texts) > 1 else " was"
    return f"{name}: no sentence; {texts[0]!r}{more} encoded for {spec}"
