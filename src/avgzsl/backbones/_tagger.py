"""The labels of a tagger's card, and their probabilities from the features that a store keeps.

The mean of a clip's features goes through the network's last layer, so that a store made for other ends serves, too. A
card whose feature is the probabilities themselves has no such layer, and a clip's are the mean over windows or frames.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.backbones import _engines as engines
from avgzsl.backbones._cards import Card, Labels, read_card
from avgzsl.backbones._exported import find_weights
from avgzsl.backbones._last_layer import LastLayer
from avgzsl.errors import DataError, ModalityError, WeightsError
from avgzsl.support.trust import read_regular
from avgzsl.support.weights import WeightFile, find
from avgzsl.types import Modality

_LIST_BYTES = 4 << 20  # of a list of labels; one of 20,000 takes a quarter of it


@dataclass(frozen=True, eq=False)
class LabelHead:
    """A `Tagger`; without a `layer` the features are the probabilities."""

    spec: str
    modality: Modality
    dimension: int
    labels: tuple[str, ...]
    weights: tuple[WeightFile, ...]
    layer: LastLayer | None

    def probabilities(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """See `Tagger`. Raises DataError."""
        if features.ndim != 2 or features.shape[1] != self.dimension:
            raise DataError(
                f"{self.spec}: features of {' x '.join(map(str, features.shape))}, expected n x {self.dimension}; give "
                f"those that {self.spec} made"
            )
        return features.float() if self.layer is None else self.layer(features)


def load_label_head(
    spec: str, path: Path, modality: Modality, weights: str | None, models: Path | None
) -> LabelHead | None:
    """The tagger of the card in `path`, None where it names no labels. Raises ConfigError, ModalityError, WeightsError.

    `weights` is a file in place of the one that the card names.
    """
    card = read_card(path)
    if card.modality != modality:
        raise ModalityError(f"backbone {spec} embeds {card.modality}, not {modality}")
    if card.labels is None:
        return None
    file, identity = find_weights(spec, card, path, weights, models)
    content, place = _find_labels(spec, card.labels, (path.parent, file.parent), file, models)
    listed = _read_labels(content, place, card.labels)
    layer = _last_layer(card, file)
    count = card.dimension if layer is None else len(layer.bias)
    if len(listed) != count:
        raise WeightsError(
            f"{place}: has {len(listed)} labels, {file} has probabilities of {count}; give the list that belongs to "
            f"the model ({card.labels.published})"
        )
    of_labels = WeightFile(card.labels.file, sha256(content).hexdigest())
    return LabelHead(spec, modality, card.dimension, listed, (identity, of_labels), layer)


def _find_labels(
    spec: str, labels: Labels, folders: tuple[Path, ...], model: Path, models: Path | None
) -> tuple[bytes, Path]:
    """The list, and where it was found: beside the card or the weights, in the models folder, inside the model."""
    beside = next((folder / labels.file for folder in folders if (folder / labels.file).is_file()), None)
    if beside is None and (inside := _inside(model, labels.file)) is not None:
        return inside, model / labels.file
    place = beside or find(spec, labels.file, models, labels.published, "labels")
    return read_regular(place, WeightsError, _LIST_BYTES), place


def _inside(model: Path, name: str) -> bytes | None:
    """A file that TensorFlow Lite's metadata keep in the model's own file, which is then a zip archive as well."""
    try:
        with ZipFile(model) as archive:
            return archive.read(name) if archive.getinfo(name).file_size <= _LIST_BYTES else None
    except (BadZipFile, KeyError, OSError, ValueError, NotImplementedError, RuntimeError):
        return None


def _read_labels(content: bytes, place: Path, labels: Labels) -> tuple[str, ...]:
    """One label a line. Raises WeightsError for another file than the card's, no UTF-8, and blank lines."""
    if labels.sha256 not in (None, digest := sha256(content).hexdigest()):
        raise WeightsError(
            f"{place}: not the list of labels that the card describes (SHA-256 {digest}, expected {labels.sha256}); "
            f"fetch it again from {labels.published}"
        )
    try:
        lines = tuple(line.strip() for line in content.decode().splitlines())
    except UnicodeDecodeError as problem:
        raise WeightsError(f"{place}: no list of labels ({problem}); expected one label a line, in UTF-8") from problem
    if "" in lines or not lines:
        where = f"line {lines.index('') + 1} is blank" if lines else "it is empty"
        raise WeightsError(f"{place}: no list of labels ({where}); expected one label a line")
    return lines


def _last_layer(card: Card, file: Path) -> LastLayer | None:
    if card.labels is None or card.labels.head is None:
        return None
    head = card.labels.head
    weights, bias = engines.read_constants(card.engine, file, (head.weights, head.bias))
    rows = weights.reshape(len(weights), -1) if weights.ndim else weights  # a 1 x 1 convolution has axes of 1
    if bias.ndim != 1 or rows.shape != (len(bias), card.dimension):
        raise WeightsError(
            f"{file}: tensor {head.weights!r} is {_words(weights)}, tensor {head.bias!r} is {_words(bias)}; expected "
            f"K x {card.dimension} and K numbers for K labels: correct the card's head"
        )
    return LastLayer(torch.from_numpy(rows).float(), torch.from_numpy(bias).float(), head.activation)


def _words(values: object) -> str:
    shape: tuple[int, ...] = getattr(values, "shape", ())
    return " x ".join(map(str, shape)) or "one number"
