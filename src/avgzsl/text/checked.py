"""Checks around any text encoder: of the names that go in and the rows that come out; and overrides of names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.errors import DataError
from avgzsl.support.weights import WeightFile
from avgzsl.text.base import TextEncoder
from avgzsl.text.names import check_names, shown


@dataclass(frozen=True, eq=False)
class CheckedEncoder:
    """A `TextEncoder` around another, whose names and rows it checks.

    `overrides` maps a class name to the words that are encoded in its place; `spec` and `weights` include them.
    """

    encoder: TextEncoder
    spec: str
    weights: tuple[WeightFile, ...]
    overrides: Mapping[str, str]

    @property
    def dimension(self) -> int:
        return self.encoder.dimension

    @property
    def open_vocabulary(self) -> bool:
        return self.encoder.open_vocabulary

    def words(self, name: str) -> str:
        """What is encoded for a name."""
        return self.overrides.get(name, name)

    def encode(self, names: Sequence[str]) -> Float[Tensor, "c t"]:
        """One finite, non-zero float32 row on the CPU a name; see `TextEncoder.encode`. Raises DataError."""
        check_names(names)
        return self._checked(names, [self.words(name) for name in names])

    def encode_sentences(self, sentences: Sequence[str]) -> Float[Tensor, "k t"]:
        """One finite, non-zero float32 row a sentence, as it is: overrides are for names. Raises DataError."""
        return self._checked(sentences, sentences)

    def _checked(self, asked: Sequence[str], words: Sequence[str]) -> Float[Tensor, "c t"]:
        if not asked:
            return torch.zeros(0, self.dimension)
        rows = self.encoder.encode(words)
        invalid = ~torch.isfinite(rows).all(1) | (rows == 0).all(1)
        if invalid.any():
            wrong = [name for name, is_invalid in zip(asked, invalid.tolist(), strict=True) if is_invalid]
            raise DataError(f"{self.spec}: its vectors are zero or not finite for {shown(wrong)}; use other words")
        return rows
