"""Pieces of words and their hashes: stored values, a slow loop over bytes as fastText's own code has it, and gensim."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avgzsl.text.word_pieces import piece_hash, pieces

# FNV-1a, 32 bits: test vectors of its authors (draft-eastlake-fnv, appendix C)
PUBLISHED = {b"": 0x811C9DC5, b"a": 0xE40C292C, b"foobar": 0xBF9CF968}
# with a byte from 128 on fastText departs from FNV-1a
OF_FASTTEXT = {"é": 0x3CFA68C1, "日本": 0xF8378251}


def by_the_byte(word: str, shortest: int, longest: int) -> list[bytes]:
    """`Dictionary::computeSubwords`, line by line."""
    text, found = b"<" + word.encode() + b">", []
    for i in range(len(text)):
        if text[i] & 0xC0 == 0x80:
            continue
        piece, j, n = b"", i, 1
        while j < len(text) and n <= longest:
            piece += text[j : j + 1]
            j += 1
            while j < len(text) and text[j] & 0xC0 == 0x80:
                piece += text[j : j + 1]
                j += 1
            if n >= shortest and not (n == 1 and (i == 0 or j == len(text))):
                found.append(piece)
            n += 1
    return found


def in_c(piece: bytes) -> int:
    """`Dictionary::hash` in the types of C: h ^= uint32_t(int8_t(byte)); h *= 16777619."""
    value = ctypes.c_uint32(2166136261)
    for byte in piece:
        value = ctypes.c_uint32(value.value ^ ctypes.c_uint32(ctypes.c_int8(byte).value).value)
        value = ctypes.c_uint32(value.value * 16777619)
    return value.value


def test_hashes_as_they_are_published():
    assert {piece: piece_hash(piece) for piece in PUBLISHED} == PUBLISHED
    assert {word: piece_hash(word.encode()) for word in OF_FASTTEXT} == OF_FASTTEXT


def test_pieces_of_a_word_in_fasttexts_order():
    assert pieces("où", 2, 3) == [b"<o", "<où".encode(), "où".encode(), "où>".encode(), "ù>".encode()]
    assert pieces("a", 1, 1) == [b"a"] and pieces("", 1, 2) == [b"<>"] and pieces("a", 7, 9) == []


@given(
    word=st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    ends=st.tuples(st.integers(0, 7), st.integers(0, 7)),
)
def test_pieces_and_hashes_of_any_word(word, ends):
    assert pieces(word, *sorted(ends)) == by_the_byte(word, *sorted(ends))
    for piece in pieces(word, *sorted(ends)):
        assert piece_hash(piece) == in_c(piece)


@pytest.mark.parametrize("word", ["dog", "écho", "日本語", "x", "naïve café"])
def test_hashes_as_gensim_has_them(word):
    gensim = pytest.importorskip("gensim.models.fasttext")
    ours = [piece_hash(piece) % 2_000_000 for piece in pieces(word, 3, 6)]
    assert ours == [int(value) for value in gensim.ft_ngram_hashes(word, 3, 6, 2_000_000)]


def test_a_lone_surrogate_is_a_letter_like_others():
    assert pieces("\ud800", 3, 3) == [b"<?>"]
