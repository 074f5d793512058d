"""Words as fixed random directions: no weights, no meaning, but phrases that share words share directions.

A word's direction is a random sign in each dimension, from SHAKE-256 of the word: the same on every machine. Two words
are nearly orthogonal (Achlioptas 2003): their cosine has mean 0 and standard deviation 1/sqrt(dimension), 0.044 with
512. A phrase is the normalised sum of its words, whatever their order. Case does not count. Stop words are left out
unless there are no others: "a dog with a bone" and "a cat with a hat" have nothing in common.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from avgzsl.errors import ConfigError, DataError
from avgzsl.support.weights import WeightFile
from avgzsl.text.names import STOP_WORDS, shown

DESCRIPTION = "hashed-words[:DIM]: a random direction a word, no weights, any words (512 dimensions); for trials"
BRINGS_WEIGHTS = False

_DIMENSION = 512
_DIMENSIONS = range(64, 16385)  # fewer: words collide; more: for nothing


@dataclass(frozen=True, eq=False)
class HashedWords:
    """Encodes a name as the normalised sum of its words' random directions (see the module)."""

    spec: str
    dimension: int
    weights: tuple[WeightFile, ...] = ()
    open_vocabulary: bool = True

    def encode(self, names: Sequence[str]) -> Float[Tensor, "c t"]:
        """A unit row a name. Raises DataError for names without a letter, a digit or a picture."""
        words = {name: words_of(name) for name in names}
        if wordless := [name for name in names if not words[name]]:
            raise DataError(f"{self.spec}: no word in {shown(wordless)}; expected letters or digits")
        return torch.from_numpy(np.stack([self._row(words[name]) for name in names]))

    def _row(self, words: list[str]) -> Float32[np.ndarray, " t"]:
        total = np.sum([direction(word, self.dimension) for word in words], axis=0)
        row: Float32[np.ndarray, " t"] = (total / np.linalg.norm(total)).astype(np.float32)
        return row


def load(argument: str, models: Path | None, device: torch.device) -> HashedWords:
    """`argument` is the dimension, 512 if empty. Raises ConfigError."""
    if not argument:
        return HashedWords("hashed-words", _DIMENSION)
    if not argument.isdecimal() or int(argument) not in _DIMENSIONS:
        raise ConfigError(f"hashed-words:{argument}: expected a dimension of {_DIMENSIONS[0]} to {_DIMENSIONS[-1]}")
    return HashedWords(f"hashed-words:{argument}", int(argument))


def words_of(name: str) -> list[str]:
    """Runs of letters, marks, digits and pictures (emoji) in lower case, without stop words if others remain."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    characters = (character if _in_word(character) else " " for character in folded)
    words = "".join(characters).split()
    return [word for word in words if word not in STOP_WORDS] or words


def direction(word: str, dimension: int) -> Float32[np.ndarray, " t"]:
    """A fixed random sign in each dimension."""
    digest = hashlib.shake_256(word.encode()).digest((dimension + 7) // 8)
    bits = np.unpackbits(np.frombuffer(digest, np.uint8), count=dimension)
    return bits.astype(np.float32) * 2 - 1


def _in_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LMN" or category == "So"
