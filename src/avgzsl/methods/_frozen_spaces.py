"""How features that nobody trained here are compared with words: in a space that both share, or by labels.

- A shared space: the backbone and a part of the text were trained together; the score is the cosine.
- Labels: the backbone is a tagger. A clip is the roots of its K probabilities, a phrase weights over the K labels by a
  text encoder (`scores/label_mix.py`).

Each holds all that it needs, so that a model made of them asks for no other file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avgzsl.backbones import Activation, LastLayer
from avgzsl.learning.nets import unit_rows
from avgzsl.methods._text import TextPreparation
from avgzsl.scores.label_mix import clip_roots, label_weights

_ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)


class Phrases(NamedTuple):
    """Phrases as clips meet them, and, of labels, how well the best label fits each (`label_mix.LabelWeights`)."""

    vectors: Float[Tensor, "c k"]
    kappa: Float[Tensor, " c"] | None


@dataclass(frozen=True, eq=False)
class SharedSpace:
    """Features and the parts of the text at `places` stand in one space; several parts count by their mean."""

    places: tuple[int, ...]

    def clips(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Unit features."""
        return unit_rows(features)

    def phrases(self, prepare: TextPreparation, text: Float[Tensor, "c t"]) -> Phrases:
        """Unit text, scaled as `text_scale` says. Raises ConfigError for text of another width."""
        parts = prepare.scaled(text)
        return Phrases(unit_rows(torch.stack([unit_rows(parts[place][1]) for place in self.places]).mean(0)), None)

    def state(self) -> dict[str, Tensor]:
        """As tensors."""
        return {"places": torch.tensor(self.places)}


@dataclass(frozen=True, eq=False)
class LabelSpace:
    """Clips by the probabilities of a tagger's labels, phrases by the cosines of the parts of the text at `places`.

    `vectors` are the unit vectors of the parts of the labels' names by the encoders of these parts of the text, side by
    side and over sqrt of their number; `part_of` is the label of each. Without a `layer` features are probabilities.
    """

    places: tuple[int, ...]
    labels: tuple[str, ...]
    vectors: Float[Tensor, "p t"]
    part_of: Int[Tensor, " p"]
    layer: LastLayer | None

    def clips(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The roots of the probabilities."""
        return clip_roots(features if self.layer is None else self.layer(features))

    def phrases(self, prepare: TextPreparation, text: Float[Tensor, "c t"]) -> Phrases:
        """Weights over the labels. The text is taken as its encoders made it, since labels are not centred either."""
        parts = prepare.split(text.to(torch.float32))
        rows = side_by_side([parts[place][1] for place in self.places])
        return Phrases(*label_weights(rows, self.vectors, self.part_of, len(self.labels)))

    def state(self) -> dict[str, Tensor]:
        """As tensors; the labels are their bytes in UTF-8, a line each."""
        tensors = {
            "places": torch.tensor(self.places),
            "labels": torch.tensor(list("\n".join(self.labels).encode()), dtype=torch.uint8),
            "label_vectors": self.vectors,
            "part_of": self.part_of,
        }
        if self.layer is not None:
            tensors |= {"layer_weights": self.layer.weights, "layer_bias": self.layer.bias}
            tensors["layer_activation"] = torch.tensor(_ACTIVATIONS.index(self.layer.activation))
        return tensors


Space = SharedSpace | LabelSpace


def restored(state: Mapping[str, Tensor]) -> Space:
    """The space whose `state` this is. Raises LookupError, ValueError for what none wrote."""
    places = tuple(state["places"].tolist())
    if "labels" not in state:
        return SharedSpace(places)
    labels = tuple(bytes(state["labels"].tolist()).decode().split("\n"))
    part_of, layer = state["part_of"], None
    if not len(part_of) or not bool(((part_of >= 0) & (part_of < len(labels))).all()):
        raise ValueError(f"parts of other labels than the {len(labels)} that are listed")
    if "layer_weights" in state:
        activation = _ACTIVATIONS[int(state["layer_activation"])]
        layer = LastLayer(state["layer_weights"], state["layer_bias"], activation)
    return LabelSpace(places, labels, state["label_vectors"], part_of, layer)


def side_by_side(parts: Sequence[Float[Tensor, "c _w"]]) -> Float[Tensor, "c _t"]:
    """Parts of unit length joined to rows of unit length."""
    joined: Tensor = torch.cat([unit_rows(part) for part in parts], 1) / len(parts) ** 0.5
    return joined
