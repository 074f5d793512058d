"""Word vectors: a name is a word of the file, or the mean of its words.

The rule for a name, and each of its words (Mikolov et al. 2018 for the files; the paper's class names are 33 words, one
of them compound): first under its own spelling; then with other joints (`-`, `_`, space, none) or in another case; then
the mean of the unit vectors of its words, split at `-`, `_`, spaces, punctuation and CamelCase. With fastText a word
that is not in the file gets a vector from its pieces. Stop words that the file lacks are left out where other words
remain (Google's word2vec vectors have neither "a" nor "of"). Rows have unit length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from avgzsl.errors import ConfigError, DataError
from avgzsl.support.trust import open_regular
from avgzsl.support.weights import WeightFile, find, identify
from avgzsl.text.fasttext_file import MAGIC, FastTextFile, open_fasttext
from avgzsl.text.names import STOP_WORDS, shown, spellings, tokens
from avgzsl.text.word2vec_file import Word2VecFile, open_word2vec

DESCRIPTION = (
    "words:FILE: word vectors, a phrase is the mean of its words (.vec, GloVe .txt, word2vec .bin, fastText .bin)"
)
BRINGS_WEIGHTS = False

_PUBLISHED = "https://fasttext.cc/docs/en/english-vectors.html or https://code.google.com/archive/p/word2vec"
_REFUSED = {
    b"\x1f\x8b": "compressed; unpack it with gunzip",
    b"BZh": "compressed; unpack it with bunzip2",
    b"\xfd7zX": "compressed; unpack it with unxz",
    b"PK": "a zip archive; unpack it",
    b"\x80": "a pickle, which could run anything; write it again with gensim's save_word2vec_format",
}


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Encodes a name by the word vectors of a file, by the rule above."""

    spec: str
    dimension: int
    weights: tuple[WeightFile, ...]
    words: Word2VecFile | FastTextFile
    open_vocabulary: bool = True

    def encode(self, names: Sequence[str]) -> Float[Tensor, "c t"]:
        """A unit row a name. Raises DataError that names every name and word for which there is no vector."""
        rows = [self._encode(name) for name in names]
        if lacking := {name: row for name, row in zip(names, rows, strict=True) if isinstance(row, list)}:
            missing = dict.fromkeys(word for words in lacking.values() for word in words)
            raise DataError(
                f"{self.spec}: no vector for {shown(missing)}, in {len(lacking)} of {len(names)} names: "
                f"{shown(lacking)}. Give other words for them (overrides, a csv original,manual), or use vectors with "
                "more words"
            )
        return torch.from_numpy(np.stack(rows))

    def _encode(self, name: str) -> Float32[np.ndarray, " t"] | list[str]:
        """The row of a name, or the words that are missing."""
        if (whole := self._look_up(name)) is not None:
            return whole
        words = tokens(name)
        by_word = {word: self._look_up(word, pieces=True) for word in words}
        missing = [word for word, vector in by_word.items() if vector is None]
        vectors = [vector for word in words if (vector := by_word[word]) is not None]
        if not vectors or any(word.lower() not in STOP_WORDS for word in missing):
            return missing or [name]
        return _unit(self.spec, name, np.mean(vectors, axis=0))

    def _look_up(self, word: str, pieces: bool = False) -> Float32[np.ndarray, " t"] | None:
        vectors = (vector for spelling in spellings(word) if (vector := self.words.find(spelling)) is not None)
        vector = next(vectors, None)
        if vector is None and pieces:
            vector = self.words.compose(word)
        return None if vector is None else _unit(self.spec, word, vector)


def load(argument: str, models: Path | None, device: torch.device) -> WordVectors:
    """The vectors of the file `argument`. Raises ConfigError, WeightsError, DataError."""
    if not argument:
        raise ConfigError("words needs a file of word vectors: words:FILE, .vec, word2vec .bin or fastText .bin")
    path = find("words", argument, models, _PUBLISHED)
    weights = (identify(path),)
    words = open_words(path)
    return WordVectors(f"words:{argument}", words.dimension, weights, words)


def open_words(path: Path) -> Word2VecFile | FastTextFile:
    """A file of word vectors, in the format that its first bytes tell. Raises DataError."""
    with open_regular(path, DataError) as stream:
        start = stream.read(len(MAGIC))
    for beginning, kind in _REFUSED.items():
        if start.startswith(beginning):
            raise DataError(f"{path}: {kind}. Expected .vec, word2vec .bin or fastText .bin")
    return open_fasttext(path) if start == MAGIC else open_word2vec(path)


def _unit(spec: str, word: str, vector: np.ndarray) -> Float32[np.ndarray, " t"]:
    length = np.linalg.norm(vector.astype(np.float64))
    if not np.isfinite(length) or not length:
        raise DataError(f"{spec}: the vector of {word!r} is zero or not finite; use other words, or mend the file")
    unit: Float32[np.ndarray, " t"] = (vector / length).astype(np.float32)
    return unit
