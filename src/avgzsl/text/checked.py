"""What every text encoder has in common: which names it takes, which words stand for them, what a row must be."""

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
class Checked:
    """A `TextEncoder` around another; `overrides` maps a name to the words that are encoded for it."""

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
        bad = ~torch.isfinite(rows).all(1) | (rows == 0).all(1)
        if bad.any():
            wrong = [name for name, is_bad in zip(names, bad.tolist(), strict=True) if is_bad]
            raise DataError(f"{self.spec}: its vectors are zero or not finite for {shown(wrong)}; use other words")
        return rows
