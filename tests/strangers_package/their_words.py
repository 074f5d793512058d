"""How often the letters come in a name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import normalize

from avgzsl.errors import ConfigError, DataError
from avgzsl.support.weights import WeightFile

DESCRIPTION = "their-words: counts of letters, no weights"
BRINGS_WEIGHTS = False


@dataclass(frozen=True)
class Letters:
    spec: str = "their-words"
    dimension: int = 64
    open_vocabulary: bool = True
    weights: tuple[WeightFile, ...] = ()

    def encode(self, names: Sequence[str]) -> torch.Tensor:
        rows = torch.zeros(len(names), self.dimension)
        for position, name in enumerate(names):
            letters = [ord(letter) % self.dimension for letter in name.lower() if letter.isalnum()]
            if not letters:
                raise DataError(f"their-words: no letter in {name!a}; use other words")
            rows[position] = torch.bincount(torch.tensor(letters), minlength=self.dimension).float()
        return normalize(rows, dim=1)


def load(argument: str, models: Path | None, device: torch.device) -> Letters:
    if argument:
        raise ConfigError(f"their-words:{argument}: takes no argument; name it alone")
    return Letters()
