"""fastText's own `.bin`: words and pieces of words, so that a word it has never met gets a vector from its pieces.

The matrix stays on disk and only the rows that are asked for are read: a file of 8 GB costs one pass over its words.
The layout is that of fastText 0.9 (args.cc, dictionary.cc, densematrix.cc).
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from avgzsl.errors import DataError
from avgzsl.text.word_pieces import piece_hash, pieces

MAGIC = struct.pack("<i", 793712314)
_HEADER = struct.Struct("<2i12id")  # magic, version, dim, ws, …, model, bucket, minn, maxn, lrUpdateRate, t
_VOCABULARY = struct.Struct("<3i2q")  # size, words, labels, tokens, pruned
_ENTRY = struct.Struct("<qb")  # count, type
_MATRIX = struct.Struct("<?2q")  # quantised, rows, columns
_LONGEST_WORD = 10_000
_END_OF_SENTENCE = "</s>"  # the one word that fastText does not cut to pieces


@dataclass(frozen=True, eq=False)
class FastTextFile:
    """An opened file: a matrix of `len(rows) + buckets` rows of `dimension` float32, that begins at byte `place`.

    `rows[word]` is the row of a word; a piece of a word, of `pieces[0]` to `pieces[1]` letters, has the row
    `len(rows) + hash % buckets`.
    """

    path: Path
    dimension: int
    rows: dict[str, int]
    buckets: int
    pieces: tuple[int, int]
    place: int

    def find(self, word: str) -> Float32[np.ndarray, " d"] | None:
        """The vector of a word, None if it is not in the vocabulary: the mean of its own row and its pieces'."""
        if word not in self.rows:
            return None
        pieces = [] if word == _END_OF_SENTENCE else self._pieces(word)
        return self._mean([self.rows[word], *pieces])

    def compose(self, word: str) -> Float32[np.ndarray, " d"] | None:
        """The mean of the rows of a word's pieces, None if the file has no pieces (fastText, `-maxn 0`)."""
        pieces = self._pieces(word)
        return self._mean(pieces) if pieces else None

    def _pieces(self, word: str) -> list[int]:
        if not self.buckets or not self.pieces[1]:
            return []
        return [len(self.rows) + piece_hash(piece) % self.buckets for piece in pieces(word, *self.pieces)]

    def _mean(self, rows: list[int]) -> Float32[np.ndarray, " d"]:
        shape = (len(self.rows) + self.buckets, self.dimension)
        matrix = np.memmap(self.path, "<f4", "r", self.place, shape)
        mean: Float32[np.ndarray, " d"] = np.asarray(matrix[rows]).mean(0, dtype=np.float64).astype(np.float32)
        return mean


def open_fasttext(path: Path) -> FastTextFile:
    """Open a fastText `.bin` and index its words. Raises DataError if it is damaged, quantised or of a classifier."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            return _parse(path, content)
        except (struct.error, ValueError, OverflowError) as problem:
            raise DataError(f"{path}: damaged or truncated fastText file ({problem}); fetch it again") from problem


def _parse(path: Path, content: mmap.mmap) -> FastTextFile:
    header: tuple[Any, ...] = _HEADER.unpack_from(content)
    dimension, buckets, shortest, longest = header[2], *header[10:13]
    size, words, labels, _, pruned = _VOCABULARY.unpack_from(content, _HEADER.size)
    if labels or pruned > 0:
        raise DataError(f"{path}: a fastText classifier or a pruned model; expected word vectors (skipgram or cbow)")
    rows, place = _rows(content, _HEADER.size + _VOCABULARY.size, size)
    quantised, height, width = _MATRIX.unpack_from(content, place)
    place += _MATRIX.size
    if quantised:
        raise DataError(f"{path}: a quantised fastText model (.ftz); expected the .bin it was made from")
    if not (size == words == len(rows) > 0 and width == dimension > 0 <= buckets and height == words + buckets):
        raise ValueError(f"{words} words and {buckets} pieces of {dimension} numbers, but a matrix {height} x {width}")
    if longest and not 0 <= shortest <= longest <= _LONGEST_WORD:
        raise ValueError(f"pieces of {shortest} to {longest} letters")
    output_layer = place + 4 * height * width
    _, rows_out, columns_out = _MATRIX.unpack_from(content, output_layer)
    if (end := output_layer + _MATRIX.size + 4 * rows_out * columns_out) != len(content):
        raise ValueError(f"{len(content)} bytes, expected {end}")
    return FastTextFile(path, dimension, rows, buckets, (shortest, longest), place)


def _rows(content: mmap.mmap, place: int, size: int) -> tuple[dict[str, int], int]:
    rows: dict[str, int] = {}
    for row in range(size):
        end = content.find(b"\0", place, place + _LONGEST_WORD)
        if end < 0:
            raise ValueError(f"word {row + 1} of {size} has no end")
        rows[content[place:end].decode(errors="backslashreplace")] = row
        place = end + 1 + _ENTRY.size
    return rows, place
