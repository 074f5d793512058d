"""How the text of classes is scaled before a method reads it: a hyper-parameter, `text_scale`, of every method.

The raw vectors of all parts of the text stand side by side. Each part is scaled by itself, then the K parts that serve
a modality are joined and divided by sqrt(K), so that unit parts give unit rows:

- raw: as they are; unit: each part of length 1 (the official code of AVGZSLNet);
- centred: each part of length 1, less the mean of the seen classes, of length 1 again. Vectors of names have a large
  common part, which says nothing of a class.

Vectors of the classes that are optimised (`text_prepare`, `_class_vectors.py`) take the place of the scaled text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.errors import ConfigError
from avgzsl.learning.nets import unit_rows
from avgzsl.methods._class_vectors import ClassVectors, TextPrepare
from avgzsl.types import MODALITIES, Modality

TextScale = Literal["raw", "unit", "centred"]
_PREFIX = "class_text."
_SERVES: tuple[Modality | None, ...] = (None, *MODALITIES)


class Columns(NamedTuple):
    """So many columns of the text of classes, and the modality that they serve; None serves both."""

    width: int
    modality: Modality | None = None


@dataclass(frozen=True, eq=False)
class TextPreparation:
    """`parts` is empty for text of one part, of any width; `mean` (t), of the seen classes, is None if it stays in.

    `vectors` are those that were optimised, by the modality whose text they take the place of: one for None, where no
    part is of a single modality; none where text stays as it is.
    """

    scale: TextScale
    parts: tuple[Columns, ...] = ()
    mean: Float[Tensor, " t"] | None = None
    vectors: Mapping[Modality | None, ClassVectors] = field(default_factory=dict)

    @classmethod
    def of(cls, text: Float[Tensor, "c t"], parts: Sequence[Columns], scale: TextScale) -> "TextPreparation":
        """Learned from the text of the seen classes, c rows."""
        known = tuple(parts) if len(parts) > 1 or any(part.modality for part in parts) else ()
        plain = cls(scale, known)
        if scale != "centred":
            return plain
        units = [unit_rows(part) for _, part in plain.split(text.to(torch.float32))]
        return cls(scale, known, torch.cat(units, 1).double().mean(0).float())

    def optimised(
        self,
        text: Float[Tensor, "c t"],
        modality: Modality | None,
        seed: int,
        others: Float[Tensor, "o t"] | None = None,
    ) -> "TextPreparation":
        """With vectors optimised from the text of the seen classes, and of `others` along with them.

        `modality` is the one that the method reads, None where it reads all. Raises ConfigError for another width.
        """
        served: list[Modality | None] = [modality]
        if self._lone and modality is None:
            served = [m for m in MODALITIES if any(part.modality in (None, m) for part in self.parts)]
        keys: list[Modality | None] = served if self._lone else [None]
        vectors = {
            key: ClassVectors.of(self(text, key), seed, None if others is None else self(others, key)) for key in keys
        }
        return replace(self, vectors=vectors)

    @property
    def _lone(self) -> list[Modality]:
        """The modalities of the parts that serve a single one."""
        return [part.modality for part in self.parts if part.modality is not None]

    def split(self, text: Float[Tensor, "c t"]) -> list[tuple[Columns, Float[Tensor, "c _w"]]]:
        """The parts. Raises ConfigError for text of another width."""
        parts = self.parts or (Columns(text.shape[1]),)
        expected = sum(part.width for part in parts)
        if text.shape[1] != expected:
            raise ConfigError(
                f"the text of classes has {text.shape[1]} numbers, the method was trained on {expected}; make it by "
                "the same encoders"
            )
        return list(zip(parts, text.split([part.width for part in parts], 1), strict=True))

    def __call__(self, text: Float[Tensor, "c t"], modality: Modality | None = None) -> Float[Tensor, "c _w"]:
        """The text as the method reads it: the parts that serve the modality; None takes what serves both.

        Raises ConfigError where no part serves it, or, for None, where one serves a single modality.
        """
        if modality is None and self._lone:
            raise ConfigError(
                f"a part of the text of classes is for {self._lone[0]} alone, and this method compares sound and "
                "picture with one text; leave the modality of the part out, or choose a method with a text for each"
            )
        chosen = [
            vectors for part, vectors in self.scaled(text) if modality is None or part.modality in (None, modality)
        ]
        if not chosen:
            raise ConfigError(f"no part of the text of classes serves {modality}; give one, as in --text {modality}=…")
        joined = chosen[0] if len(chosen) == 1 else torch.cat(chosen, 1) / len(chosen) ** 0.5
        made = self.vectors.get(modality if self._lone else None)
        return joined if made is None else made(joined)

    def scaled(self, text: Float[Tensor, "c t"]) -> list[tuple[Columns, Float[Tensor, "c _w"]]]:
        """The parts, each scaled by itself. Raises ConfigError for text of another width."""
        parts = self.split(text.to(torch.float32))
        means = [None] * len(parts) if self.mean is None else self.mean.split([part.width for part, _ in parts])
        return [(part, self._scaled(vectors, mean)) for (part, vectors), mean in zip(parts, means, strict=True)]

    def _scaled(self, vectors: Float[Tensor, "c w"], mean: Float[Tensor, " w"] | None) -> Float[Tensor, "c w"]:
        if self.scale == "raw":
            return vectors
        return unit_rows(vectors) if mean is None else unit_rows(unit_rows(vectors) - mean)

    def width(self, total: int, modality: Modality | None = None) -> int:
        """How many numbers `__call__` gives for text of `total` numbers."""
        parts = self.parts or (Columns(total),)
        return sum(part.width for part in parts if modality is None or part.modality in (None, modality))

    def state(self) -> dict[str, Tensor]:
        """As tensors; nothing for one part that is not centred, so that such runs are as they always were."""
        tensors = {} if self.mean is None else {f"{_PREFIX}mean": self.mean}
        if self.parts:
            rows = [[part.width, _SERVES.index(part.modality)] for part in self.parts]
            tensors[f"{_PREFIX}parts"] = torch.tensor(rows)
        for modality, made in self.vectors.items():
            tensors |= {f"{_place(modality)}{name}": value for name, value in made.state().items()}
        return tensors

    @classmethod
    def restored(
        cls, state: Mapping[str, Tensor], scale: TextScale, prepare: TextPrepare = "none"
    ) -> "TextPreparation":
        """From `state`. Raises LookupError or ValueError for what it did not write."""
        rows = state[f"{_PREFIX}parts"].tolist() if f"{_PREFIX}parts" in state else []
        mean = state[f"{_PREFIX}mean"] if scale == "centred" else None
        plain = cls(scale, tuple(Columns(int(width), _SERVES[int(serves)]) for width, serves in rows), mean)
        if prepare == "none":
            return plain
        places = [key for key in _SERVES if any(name.startswith(_place(key)) for name in state)]
        if not places:
            raise LookupError(f"there are no class vectors, and the settings say text_prepare={prepare}")
        vectors = {key: ClassVectors.restored(_inside(state, _place(key))) for key in places}
        return replace(plain, vectors=vectors)


def _place(modality: Modality | None) -> str:
    """What the names of the tensors of class vectors begin with."""
    return f"{_PREFIX}vectors.{modality or 'all'}."


def _inside(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def without_text(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a state that are not of the preparation."""
    return {name: value for name, value in state.items() if not name.startswith(_PREFIX)}
