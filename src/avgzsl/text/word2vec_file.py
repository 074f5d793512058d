"""Files of word vectors in the two formats of word2vec, text (`.vec`, and GloVe's `.txt`) and binary (`.bin`).

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

_MARK = b"\xef\xbb\xbf"  # the byte order mark, which some programs put before UTF-8
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
    """Open a file of either format and index its words. A text file may lack the first line of sizes, as GloVe's do.

    Raises DataError for a file that is damaged, truncated or in another format.
    """
    with path.open("rb") as stream:
        first_byte = len(_MARK) if stream.read(len(_MARK)) == _MARK else 0
        stream.seek(first_byte)
        header = stream.readline(_longest(_LARGEST_DIMENSION))
        sizes = _sizes(path, header)
        if sizes is None:
            dimension = _dimension(path, header)
            stream.seek(first_byte)
            return Word2VecFile(path, dimension, _lines(path, stream, None, dimension), _text_vector)
        count, dimension = sizes
        first = stream.readline(_longest(dimension))
        stream.seek(first_byte + len(header))
        if _is_text(first):
            return Word2VecFile(path, dimension, _lines(path, stream, count, dimension), _text_vector)
    return Word2VecFile(path, dimension, _records(path, first_byte + len(header), count, dimension), _binary_vector)


def _sizes(path: Path, header: bytes) -> tuple[int, int] | None:
    """The number of words and their dimension; None where the first line does not tell them."""
    fields = header.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields) or not header.endswith(b"\n"):
        return None
    if max(map(len, fields)) > _LONGEST_NUMBER:
        raise DataError(_other_format(path, header))
    count, dimension = int(fields[0]), int(fields[1])
    if not count or not 0 < dimension <= _LARGEST_DIMENSION:
        raise DataError(f"{path}: its first line promises {count} words of {dimension} numbers; fetch it again")
    return count, dimension


def _dimension(path: Path, line: bytes) -> int:
    """How many numbers the first word has, in a file that does not say it."""
    fields = line.split()
    numbers = next((i for i, field in enumerate(reversed(fields[1:])) if not _is_text(field)), len(fields) - 1)
    if not 2 <= numbers <= _LARGEST_DIMENSION or not line.endswith(b"\n"):
        raise DataError(_other_format(path, line))
    return numbers


def _other_format(path: Path, line: bytes) -> str:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"{path}: is text in UTF-16; write it again in UTF-8 (`iconv -f UTF-16 -t UTF-8`)"
    return (
        f"{path}: begins with {line[:40]!r}; expected word vectors: a .vec or word2vec .bin file, whose first line is "
        "the number of words and their dimension, text as that of GloVe, in each line a word and its numbers between "
        "blanks or tabs, or a fastText .bin file"
    )


def _longest(dimension: int) -> int:
    return _LONGEST_WORD + _LONGEST_NUMBER * dimension


def _is_text(first: bytes) -> bool:
    """Whether a line, or a field of one, ends in a number."""
    try:
        return math.isfinite(float(first.split()[-1]))
    except (ValueError, IndexError):
        return False


def _lines(path: Path, stream: BufferedReader, count: int | None, dimension: int) -> dict[str, int]:
    """By word, the byte at which its line begins; `count` words, or all with None."""
    places: dict[str, int] = {}
    place, number = stream.tell(), 0
    while number != count:
        line = stream.readline(_longest(dimension))
        if count is None and not line.strip():
            break
        word = _word(line, dimension)
        if word is None:
            raise DataError(_damaged(path, number, count, dimension))
        if not line.endswith(b"\n"):
            raise DataError(
                f"{path}: its last line does not end, so that its last number may be cut; if the file is whole, end it "
                f"with a new line (`echo >> {path.name}`), else fetch it again"
            )
        places.setdefault(word.decode(errors="replace"), place)
        place, number = place + len(line), number + 1
    _check_end(path, stream.read(_LONGEST_WORD), number)
    return places


def _word(line: bytes, dimension: int) -> bytes | None:
    """The word of a line, which stands before its numbers and may have blanks in it; None for a line too short."""
    if b"\t" not in line and line.rstrip().count(b" ") == dimension:
        return line[: line.find(b" ")] or None
    fields = line.rsplit(None, dimension)
    return fields[0].strip() if len(fields) == dimension + 1 else None


def _records(path: Path, place: int, count: int, dimension: int) -> dict[str, int]:
    places: dict[str, int] = {}
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for number in range(count):
            space = content.find(b" ", place, place + _LONGEST_WORD)
            end = space + 1 + 4 * dimension
            if space < 0 or end > len(content):
                raise DataError(_cut(path, f"word {number + 1}", count, dimension))
            word = content[place:space].lstrip(b"\n")  # some writers end a vector with a new line
            places.setdefault(word.decode(errors="replace"), space + 1)
            place = end
        _check_end(path, content[place : place + _LONGEST_WORD], count)
    return places


def _check_end(path: Path, following: bytes, count: int) -> None:
    if following.strip():
        raise DataError(f"{path}: goes on after the {count} words that its first line promises; fetch it again")


def _damaged(path: Path, number: int, count: int | None, dimension: int) -> str:
    """The message for a damaged line of a text file."""
    if count is not None:
        return _cut(path, f"line {number + 2}", count, dimension)
    return (
        f"{path}: its first line has {dimension} numbers, line {number + 1} has not; it is damaged or truncated, or "
        "its words and numbers do not stand between blanks or tabs; fetch or write it again"
    )


def _cut(path: Path, where: str, count: int, dimension: int) -> str:
    return (
        f"{path}: damaged or truncated at {where}: its first line promises {count} words of {dimension} numbers; "
        "fetch or write it again"
    )


def _text_vector(content: bytes, dimension: int) -> Float32[np.ndarray, " d"]:
    numbers = content.partition(b"\n")[0].rsplit(None, dimension)[1:]
    if len(numbers) != dimension:
        raise ValueError(f"{len(numbers)} numbers, expected {dimension}")
    return np.array([float(number) for number in numbers]).astype(np.float32)


def _binary_vector(content: bytes, dimension: int) -> Float32[np.ndarray, " d"]:
    return np.frombuffer(content, "<f4", dimension).astype(np.float32)
