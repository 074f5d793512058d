"""The pieces of a word, and their numbers, as fastText has them (Bojanowski et al. 2017).

A word stands between `<` and `>`, and its pieces are all runs of so many letters of that, but a lone `<` or `>`. The
number of a piece is its 32 bit FNV-1a hash (Fowler, Noll, Vo), in which fastText takes a byte for a signed number
(`Dictionary::hash` and `Dictionary::computeSubwords` in dictionary.cc of fastText 0.9). Files were written by it, so
that this has to stay.
"""

_BASIS, _PRIME, _ALL = 2166136261, 16777619, 0xFFFFFFFF
_SIGNED = 0xFFFFFF00  # what a byte from 128 on becomes, as a signed number of 32 bits


def pieces(word: str, shortest: int, longest: int) -> list[bytes]:
    """The pieces of a word of `shortest` to `longest` letters in UTF-8, from its first letter on, the short ones first.

    A letter is a code point.
    """
    letters = [letter.encode(errors="replace") for letter in f"<{word}>"]
    return [
        b"".join(letters[start:end])
        for start in range(len(letters))
        for end in range(start + max(shortest, 1), min(start + longest, len(letters)) + 1)
        if end - start > 1 or 0 < start < len(letters) - 1
    ]


def piece_hash(piece: bytes) -> int:
    """The number of a piece, 0 to 2^32 - 1."""
    value = _BASIS
    for byte in piece:
        value = (value ^ (byte | _SIGNED if byte > 127 else byte)) * _PRIME & _ALL
    return value
