"""Files of word vectors in the two formats of word2vec, text (`.vec`) and binary (`.bin`).

Loading notes where each word stands; vectors are read when they are asked for. So a file of three million words costs
one pass and its list of words, not the gigabytes of its numbers.
"""

import math
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avgzsl.errors import DataError

_LONGEST_WORD = 10_000  # bytes
_LONGEST_NUMBER = 64  # bytes
_LARGEST_DIMENSION = 100_000


@dataclass(frozen=True, eq=False)
class Word2VecFile:
    """`places[word]` is the byte at which the line (text), or the numbers (binary), of a word begin."""

    path: Path
    dimension: int
    places: dict[str, int]
    read: Callable[[bytes, int], Float32[np.ndarray, " d"]]

    def find(self, word: str) -> Float32[np.ndarray, " d"] | None:
        """The vector of a word, None if it is not in the vocabulary. Raises DataError for a damaged vector."""
        if word not in self.places:
            return None
        with self.path.open("rb") as stream:
            stream.seek(self.places[word])
            content = stream.read(_longest(self.dimension))
        try:
            return self.read(content, self.dimension)
        except ValueError as problem:
            raise DataError(f"{self.path}: the vector of {word!r} is damaged ({problem}); fetch it again") from problem

    def compose(self, word: str) -> None:
        """A word outside the vocabulary has no vector."""


def open_word2vec(path: Path) -> Word2VecFile:
    """Raises DataError for a file that is damaged, truncated or in another format."""
    with path.open("rb") as stream:
        header = stream.readline(_LONGEST_NUMBER)
        count, dimension = _sizes(path, header)
        first = stream.readline(_longest(dimension))
        stream.seek(len(header))
        if _is_text(first):
            return Word2VecFile(path, dimension, _lines(path, stream, count, dimension), _text_vector)
    return Word2VecFile(path, dimension, _records(path, len(header), count, dimension), _binary_vector)


def _sizes(path: Path, header: bytes) -> tuple[int, int]:
    fields = header.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields) or not header.endswith(b"\n"):
        raise DataError(
            f"{path}: begins with {header[:40]!r}; expected word vectors: a .vec or word2vec .bin file, whose first "
            "line is the number of words and their dimension, or a fastText .bin file"
        )
    count, dimension = int(fields[0]), int(fields[1])
    if not count or not 0 < dimension <= _LARGEST_DIMENSION:
        raise DataError(f"{path}: its first line promises {count} words of {dimension} numbers; fetch it again")
    return count, dimension


def _longest(dimension: int) -> int:
    return _LONGEST_WORD + _LONGEST_NUMBER * dimension


def _is_text(first: bytes) -> bool:
    """Whether the first line ends in a number."""
    try:
        return math.isfinite(float(first.split()[-1]))
    except (ValueError, IndexError):
        return False


def _lines(path: Path, stream: BufferedReader, count: int, dimension: int) -> dict[str, int]:
    places: dict[str, int] = {}
    place = stream.tell()
    for number in range(count):
        line = stream.readline(_longest(dimension))
        numbers = line.strip().count(b" ")
        if numbers < dimension or not line.endswith(b"\n"):
            raise DataError(_damaged(path, f"line {number + 2}", count, dimension))
        word = line[: line.find(b" ")] if numbers == dimension else line.rstrip().rsplit(b" ", dimension)[0]
        places.setdefault(word.decode(errors="replace"), place)
        place += len(line)
    _check_end(path, stream.read(_LONGEST_WORD), count)
    return places


def _records(path: Path, place: int, count: int, dimension: int) -> dict[str, int]:
    places: dict[str, int] = {}
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for number in range(count):
            space = content.find(b" ", place, place + _LONGEST_WORD)
            end = space + 1 + 4 * dimension
            if space < 0 or end > len(content):
                raise DataError(_damaged(path, f"word {number + 1}", count, dimension))
            word = content[place:space].lstrip(b"\n")  # some writers end a vector with a new line
            places.setdefault(word.decode(errors="replace"), space + 1)
            place = end
        _check_end(path, content[place : place + _LONGEST_WORD], count)
    return places


def _check_end(path: Path, rest: bytes, count: int) -> None:
    if rest.strip():
        raise DataError(f"{path}: goes on after the {count} words that its first line promises; fetch it again")


def _damaged(path: Path, where: str, count: int, dimension: int) -> str:
    return (
        f"{path}: damaged or truncated at {where}: its first line promises {count} words of {dimension} numbers; "
        "fetch or write it again"
    )


def _text_vector(content: bytes, dimension: int) -> Float32[np.ndarray, " d"]:
    numbers = content.partition(b"\n")[0].rstrip().rsplit(b" ", dimension)[1:]
    return np.array([float(number) for number in numbers]).astype(np.float32)


def _binary_vector(content: bytes, dimension: int) -> Float32[np.ndarray, " d"]:
    return np.frombuffer(content, "<f4", dimension).astype(np.float32)
