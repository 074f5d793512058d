"""Which space the features of a modality stand in, found out from what made them: or why in none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from avgzsl import backbones
from avgzsl.backbones import Tagger
from avgzsl.errors import AvgzslError, ConfigError, WeightsError
from avgzsl.methods._frozen_spaces import LabelSpace, SharedSpace, Space, side_by_side
from avgzsl.support.weights import Encoder, nothing_fetched
from avgzsl.text import encoders as text_encoders
from avgzsl.text.base import TextEncoder
from avgzsl.text.labels import LabelText, encode_labels
from avgzsl.text.part_record import TextPart
from avgzsl.types import Modality

_OVERRIDES = ",overrides="
_KNOWN = 0.5  # of the labels: with words for fewer, a phrase is met by whichever labels happen to have one


@dataclass(frozen=True)
class Made:
    """What made the features of a data set (`encoders`, by modality), the parts of its text, and where weights lie."""

    encoders: Mapping[str, Encoder]
    parts: Sequence[TextPart]
    models: Path | None = None
    _loaded: dict[str, TextEncoder] = field(default_factory=dict)

    def serving(self, modality: Modality) -> list[tuple[int, TextPart]]:
        """The parts that serve a modality, and their places."""
        return [(place, part) for place, part in enumerate(self.parts) if part.modality in (None, modality)]

    def encoder_of(self, part: TextPart) -> Encoder | None:
        """What made a part; older data sets know it of the whole text."""
        return part.encoder or (self.encoders.get("text") if len(self.parts) == 1 else None)

    def load(self, encoder: Encoder) -> TextEncoder:
        """A text encoder that made the text, loaded once. Raises WeightsError where it has other weights here."""
        if encoder.spec not in self._loaded:
            with nothing_fetched():
                loaded = text_encoders.load(encoder.spec, models=self.models)
            _require_same(encoder, Encoder(loaded.spec, loaded.weights), "the text")
            self._loaded[encoder.spec] = loaded
        return self._loaded[encoder.spec]


def same_width(modality: Modality, size: int, made: Made) -> SharedSpace:
    """The space that features of `size` share with the parts of their width, as the user says that they do.

    Raises ConfigError where no part has that width.
    """
    places = [place for place, part in made.serving(modality) if part.width == size]
    if not places:
        widths = ", ".join(str(part.width) for _, part in made.serving(modality)) or "none"
        raise ConfigError(
            f"space=shared: {modality} features of {size} numbers and parts of the text of {widths}; what stands in "
            "one space has one width"
        )
    return SharedSpace(tuple(places))


def find_space(modality: Modality, made: Made) -> Space:
    """The space by what made the features. Raises ConfigError that says why there is none and what to do.

    Weights of a tagger and of a text encoder are looked for on this machine alone. Raises WeightsError where they are
    not there, or are others than those that made the data.
    """
    encoder = made.encoders.get(modality)
    if encoder is None:
        raise ConfigError(
            "what made the features is not known, so nothing relates them to words without training; extract them with "
            "`avgzsl extract`, or say space=shared if they stand in one space with the text"
        )
    words = backbones.text_encoder_of(encoder.spec, modality)
    if words is not None:
        places = tuple(place for place, part in made.serving(modality) if _is(made.encoder_of(part), words, encoder))
        if places:
            return SharedSpace(places)
        raise ConfigError(
            f"{modality} features of {encoder.spec} stand in one space with the words of {words}, which made no part "
            f"of the text that serves {modality}; give one: --text {modality}={words}"
        )
    with nothing_fetched():
        tagger = backbones.load_tagger(encoder.spec, modality, models=made.models)
    if tagger is None:
        raise ConfigError(
            f"{encoder.spec} stands in no space with words and names no labels, so nothing relates its features to "
            "words without training; extract with clip, clap, or a tagger such as yamnet"
        )
    _require_same(encoder, Encoder(tagger.spec, tagger.weights), "the features")
    return _by_labels(modality, tagger, made)


def _by_labels(modality: Modality, tagger: Tagger, made: Made) -> LabelSpace:
    """By the parts whose encoders know the labels' names, too; of encoders that lack words, by the best alone."""
    found: dict[int, LabelText] = {}
    refused = [f"no part of the text that serves {modality} is known by its encoder"]
    for place, part in made.serving(modality):
        encoder = made.encoder_of(part)
        if encoder is not None:
            try:
                found[place] = _labels(tagger, made.load(encoder))
            except AvgzslError as problem:  # another part may do
                refused.append(str(problem))
    if not found:
        raise ConfigError(
            f"{modality} features of {tagger.spec} are met by words over {len(tagger.labels)} labels, and no text "
            f"encoder of this data can encode these ({refused[-1]}); give one that can, as in --text minilm"
        )
    widest = max(found.values(), key=lambda labels: len(labels.part_of)).part_of  # an encoder may lack some words
    kept = {place: labels for place, labels in found.items() if torch.equal(labels.part_of, widest)}
    vectors = side_by_side([labels.vectors for labels in kept.values()])
    return LabelSpace(tuple(kept), tagger.labels, vectors, widest, tagger.layer)


def _labels(tagger: Tagger, encoder: TextEncoder) -> LabelText:
    """The names of the labels by an encoder. Raises ConfigError for one that knows too few words to tell them apart."""
    if not encoder.open_vocabulary:
        raise ConfigError(f"{encoder.spec} knows a closed list of names")
    labels = encode_labels(tagger.labels, encoder)
    known = len(labels.part_of.unique())
    if known < _KNOWN * labels.total:
        raise ConfigError(f"{encoder.spec} has words for {known} of them alone")
    return labels


def _is(part: Encoder | None, words: str, backbone: Encoder) -> bool:
    """Whether the encoder of a part is `words`, the text encoder of a backbone's space.

    A folder of weights may have moved, or have been copied; then their hashes tell.
    """
    if part is None:
        return False
    spec = part.spec.partition(_OVERRIDES)[0]
    if spec.partition(":")[0] != words.partition(":")[0]:
        return False
    return spec == words or bool({file.sha256 for file in part.weights} & {file.sha256 for file in backbone.weights})


def _require_same(made_by: Encoder, here: Encoder, what: str) -> None:
    """Raises WeightsError where none of the files here is one of those that made the data."""
    known = {file.sha256 for file in made_by.weights}
    if known and not known & {file.sha256 for file in here.weights}:
        raise WeightsError(
            f"{here.spec}: has other weights here than those that made {what} of this data; put those back, or name "
            "their folder with --models"
        )
