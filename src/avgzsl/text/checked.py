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

    def encode(self, names: Sequence[str]) -> Float[Tensor, "c t"]:
        """One finite, non-zero float32 row on the CPU a name; see `TextEncoder.encode`. Raises DataError."""
        check_names(names)
        if not names:
            return torch.zeros(0, self.dimension)
        rows = self.encoder.encode([self.overrides.get(name, name) for name in names])
        invalid = ~torch.isfinite(rows).all(1) | (rows == 0).all(1)
        if invalid.any():
            invalid_names = [name for name, is_invalid in zip(names, invalid.tolist(), strict=True) if is_invalid]
            raise DataError(
                f"{self.spec}: its vectors are zero or not finite for {shown(invalid_names)}; use other words"
            )
        return rows
