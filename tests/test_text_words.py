"""Files of word vectors, held against gensim's own readers, and the rule from names to vectors."""

import pickle
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.errors import DataError
from avgzsl.text import encoders as text
from avgzsl.text.fasttext_file import open_fasttext
from avgzsl.text.word2vec_file import open_word2vec

gensim = pytest.importorskip("gensim")

PUBLISHED = Path(__file__).parents[2] / "shared/data/benchmarks/w2v/googlenews-1000.vec"
WORDS = ["dog", "Dog", "bark", "church", "bell", "New_York", "york", "ice-cream", "Paris", "of", "écho", "3d"]


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@pytest.fixture(scope="module")
def vectors() -> "gensim.models.KeyedVectors":
    found = gensim.models.KeyedVectors(vector_size=11)
    found.add_vectors(WORDS, np.random.default_rng(0).normal(size=(len(WORDS), 11)).astype(np.float32))
    return found


@pytest.fixture(scope="module", params=["text", "binary"])
def word2vec(request: pytest.FixtureRequest, vectors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("w2v") / "words"  # what it is, its content tells
    vectors.save_word2vec_format(str(path), binary=request.param == "binary")
    return path


@pytest.fixture(scope="module")
def fasttext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sentences = [["dog", "barking", "loudly"], ["church", "bell", "ringing"], ["écho", "of", "bell", "</s>"]] * 5
    with warnings.catch_warnings(action="ignore"):
        model = gensim.models.FastText(sentences, vector_size=8, min_count=1, bucket=50, epochs=2, seed=1, workers=1)
    path = tmp_path_factory.mktemp("fasttext") / "model.bin"
    gensim.models.fasttext.save_facebook_model(model, str(path))
    return path


@pytest.fixture(scope="module")
def oracle(fasttext: Path) -> "gensim.models.fasttext.FastTextKeyedVectors":
    with warnings.catch_warnings(action="ignore"):
        return gensim.models.fasttext.load_facebook_vectors(str(fasttext))


# The files


def test_word2vec_as_gensim_reads_it(word2vec: Path, vectors) -> None:
    got = open_word2vec(word2vec)
    assert list(got.places) == vectors.index_to_key and got.dimension == 11
    for word in vectors.index_to_key:
        assert np.array_equal(got.find(word), vectors[word])
    assert got.find("cat") is None and got.compose("cat") is None


def test_the_published_file_as_gensim_reads_it() -> None:
    if not PUBLISHED.is_file():
        pytest.skip("published vectors are not there")
    expected = gensim.models.KeyedVectors.load_word2vec_format(str(PUBLISHED))
    got = open_word2vec(PUBLISHED)
    assert list(got.places) == expected.index_to_key
    assert all(np.array_equal(got.find(word), expected[word]) for word in expected.index_to_key)
    rows = text.load(f"words:{PUBLISHED}").encode(["man", "young-woman", "NewPeople", "the home of a man"])
    words = [["man"], ["young", "woman"], ["new", "people"], ["the", "home", "of", "a", "man"]]
    means = np.stack([unit(expected.get_mean_vector(some)) for some in words])
    assert np.allclose(rows, means, atol=1e-6)


def test_a_binary_file_with_new_lines_between_words(tmp_path: Path) -> None:
    """As the C tool of word2vec writes it."""
    rows = {"dog": [1.0, 2.0], "cat": [3.0, -1.0]}
    body = b"".join(word.encode() + b" " + struct.pack("<2f", *row) + b"\n" for word, row in rows.items())
    (tmp_path / "c.bin").write_bytes(b"2 2\n" + body)
    got = open_word2vec(tmp_path / "c.bin")
    assert {word: got.find(word).tolist() for word in got.places} == rows


def test_odd_words_in_a_text_file(tmp_path: Path) -> None:
    """Words with spaces, other line ends inside, bytes not UTF-8, spaces at the end, twice the same."""
    lines = [
        b". . . 1 2",
        "a\u2028b 3 4".encode(),
        b"\xff\xfe 5 6",
        b"dog 7 8 ",
        b"dog 9 9",
        "x\u00a0y 1e-3 -2".encode(),
    ]
    (tmp_path / "o.vec").write_bytes(b"6 2\n" + b"\n".join(lines) + b"\n\n")
    got = open_word2vec(tmp_path / "o.vec")
    assert [got.find(word).tolist() for word in (". . .", "a\u2028b", "dog")] == [[1, 2], [3, 4], [7, 8]]
    assert np.allclose(got.find("x\u00a0y"), [1e-3, -2])
    assert got.find(".") is None and len(got.places) == 5


LINES = {
    "dog": [1.5, -2.0, 3e-2],
    "New York": [0.25, 1.0, 4.0],
    ". . . .": [1.0, 2.0, 3.0],
    "7": [5.0, 6.0, 7.0],
    "é": [0, 1, 2],
}


@pytest.mark.parametrize("blank", [" ", "\t", "  ", " \t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n", "\t\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("header", [True, False])
def test_text_as_other_programs_write_it(tmp_path: Path, blank: str, end: str, mark: bytes, header: bool) -> None:
    """Tabs or several blanks between the numbers, other ends of lines, a byte-order mark, no line of sizes."""
    lines = [blank.join([word, *map(str, row)]) for word, row in LINES.items()]
    content = end.join([f"{len(LINES)} 3"] * header + lines) + end
    (tmp_path / "w.vec").write_bytes(mark + content.encode())
    got = open_word2vec(tmp_path / "w.vec")
    assert got.dimension == 3 and list(got.places) == list(LINES)
    for word, row in LINES.items():
        np.testing.assert_allclose(got.find(word), row)


def test_glove_gives_the_vectors_that_were_written(tmp_path: Path, vectors) -> None:
    rows = [" ".join([word, *map(repr, vectors[word].tolist())]) for word in WORDS]
    (tmp_path / "glove.txt").write_text("\n".join(rows) + "\n")
    encoder = text.load(f"words:{tmp_path / 'glove.txt'}")
    assert encoder.dimension == 11
    for word in WORDS:
        assert np.allclose(encoder.encode([word])[0], unit(vectors[word]), atol=1e-6)


def test_a_line_of_too_few_numbers_is_named_when_it_is_asked_for_at_the_latest(tmp_path: Path) -> None:
    (tmp_path / "w.vec").write_text("2 3\ndog 1 2 3\ncat  1 2\n")
    with pytest.raises(DataError, match=r"line 3|'cat' is damaged"):
        open_word2vec(tmp_path / "w.vec").find("cat")


def test_fasttext_as_gensim_reads_it(fasttext: Path, oracle) -> None:
    got = open_fasttext(fasttext)
    assert got.dimension == 8 and list(got.rows) == oracle.index_to_key
    for word in oracle.index_to_key:
        if word != "</s>":  # gensim cuts it to pieces, fastText does not
            assert np.allclose(got.find(word), oracle[word], atol=1e-6), word
    assert np.allclose(got.find("</s>"), oracle.vectors_vocab[oracle.key_to_index["</s>"]], atol=1e-6)
    for word in ("dogs", "bellringing", "x", "日本", "Écho"):
        assert got.find(word) is None
        assert np.allclose(got.compose(word), oracle.get_vector(word), atol=1e-6), word


def test_fasttext_without_pieces(tmp_path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):
        model = gensim.models.FastText([["dog", "bell"]] * 3, vector_size=4, min_count=1, bucket=9, max_n=0, workers=1)
        gensim.models.fasttext.save_facebook_model(model, str(tmp_path / "m.bin"))
        expected = gensim.models.fasttext.load_facebook_vectors(str(tmp_path / "m.bin"))
    got = open_fasttext(tmp_path / "m.bin")
    assert np.allclose(got.find("dog"), expected["dog"])
    assert got.compose("dogs") is None
    with pytest.raises(DataError, match="no vector for 'dogs'"):
        text.load(f"words:{tmp_path / 'm.bin'}").encode(["dogs"])


# The rule


def test_rule_of_names(word2vec: Path, vectors) -> None:
    encoder = text.load(f"words:{word2vec}")
    assert (encoder.dimension, encoder.open_vocabulary) == (11, True)
    single = {
        "dog": "dog",
        "Dog": "Dog",
        "DOG": "dog",
        "BARK": "bark",
        "paris": "Paris",
        "new york": "New_York",
        "New-York": "New_York",
        "Ice Cream": "ice-cream",
        "IceCream": None,
        "York": "york",
        "3D": "3d",
        "ÉCHO": "écho",
    }
    for name, word in single.items():
        if word is not None:
            assert np.allclose(encoder.encode([name])[0], unit(vectors[word]), atol=1e-6), name
    several = {
        "church bell": ["church", "bell"],
        "church-bell, bark": ["church", "bell", "bark"],
        "ChurchBell": ["church", "bell"],
        "Dog_bark": ["Dog", "bark"],
        "dog dog bark": ["dog", "dog", "bark"],
        "the bark of a dog": ["bark", "of", "dog"],
    }
    for name, words in several.items():
        loop = sum(unit(vectors[word].astype(np.float64)) for word in words)
        assert np.allclose(encoder.encode([name])[0], unit(loop), atol=1e-6), name
        assert np.allclose(encoder.encode([name])[0], unit(vectors.get_mean_vector(words)), atol=1e-6), name


def test_every_missing_word_is_named(word2vec: Path) -> None:
    with pytest.raises(DataError) as caught:
        text.load(f"words:{word2vec}").encode(["dog barking", "dog", "zebra-bell", "IceCream", "the", "!?"])
    message = str(caught.value)
    assert "in 5 of 6 names" in message
    for word in ("'barking'", "'zebra'", "'ice'", "'cream'", "'the'", "'!?'", "'dog barking'", "'zebra-bell'"):
        assert word in message
    assert "'dog'," not in message and "'bell'" not in message


def test_overrides_give_the_words(word2vec: Path, tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("original,manual\nzebra,dog bark\n")
    plain = text.load(f"words:{word2vec}")
    named = text.load(f"words:{word2vec}", overrides=tmp_path / "o.csv")
    assert torch.equal(named.encode(["zebra"]), plain.encode(["dog bark"]))


def test_fasttext_knows_any_word(fasttext: Path, oracle) -> None:
    encoder = text.load(f"words:{fasttext}")
    for name, words in {
        "dogs": ["dogs"],
        "Church-Bells": ["church", "Bells"],
        "bell of Zyx": ["bell", "of", "Zyx"],
    }.items():
        loop = sum(unit(oracle.get_vector(word)) for word in words)
        assert np.allclose(encoder.encode([name])[0], unit(loop), atol=1e-5), name


def test_a_zero_or_infinite_vector_is_refused(tmp_path: Path) -> None:
    (tmp_path / "z.vec").write_text("4 2\ndog 0 0\ncat inf 1\nowl 1 1\ncow 1 x\n")
    encoder = text.load(f"words:{tmp_path / 'z.vec'}")
    for name, message in {
        "dog": "'dog' is zero",
        "cat": "'cat' is zero or not finite",
        "cow": "'cow' is damaged",
    }.items():
        with pytest.raises(DataError, match=message):
            encoder.encode(["owl", f"owl {name}"])


def test_words_that_cancel(tmp_path: Path) -> None:
    (tmp_path / "z.vec").write_text("2 2\nup 0 1\ndown 0 -1\n")
    with pytest.raises(DataError, match="'up down' is zero"):
        text.load(f"words:{tmp_path / 'z.vec'}").encode(["up down"])


def test_no_file_needs_gensim(word2vec: Path, fasttext: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gensim", None)
    monkeypatch.setitem(sys.modules, "gensim.models.fasttext", None)
    assert text.load(f"words:{word2vec}").encode(["dog"]).shape == (1, 11)
    assert text.load(f"words:{fasttext}").encode(["dogs"]).shape == (1, 8)


# Damage


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected word vectors"),
        (b"dog\ncat\n", "first line"),
        (b"dog,1,2\ncat,3,4\n", "between blanks or tabs"),
        (b"dog 1 2\ncat 3\n", "first line has 2 numbers, line 2 has not"),
        (b"dog 1 2\ncat 3 4\n\nowl 5 6\n", "goes on after the 2 words"),
        (b"dog 1 2\ncat 3 4", "echo >> w.vec"),
        (b"\xff\xfe2\x00 \x002\x00\n\x00", "UTF-16.*iconv"),
        (b"BZh9rest", "bunzip2"),
        (b"2 2", "first line"),
        (b"2 2\n", "truncated"),
        (b"0 2\n", "promises 0 words"),
        (b"2 0\ndog\ncat\n", "promises 2 words of 0"),
        (b"2 -2\ndog 1 2\n", "first line"),
        (b"2 2\ndog 1 2\n", "line 3"),
        (b"2 2\ndog 1 2\ncat 3\n", "line 3"),
        (b"2 2\ndog 1 2\ncat 3", "line 3"),
        (b"2 2\ndog 1 2\ncat 3 4", "echo >> w.vec"),
        (b"1 2\ndog 1 2\ncat 3 4\n", "goes on after the 1 words"),
        (b"99999999999999999999 2\ndog 1 2\n", "line 3"),
        (b"2 99999999999999999999\ndog 1 2\n", "fetch it again"),
        (b"2 2\ndog " + bytes(8) + b"cat " + bytes(7), "word 2"),
        (b"1 2\ndog " + bytes(8) + b"cat " + bytes(8), "goes on after"),
        (b"1 2\n" + b"x" * 100_000, "word 1"),
        (b"\x1f\x8b\x08rest", "gunzip"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"\xba\x16\x4f\x2f", "damaged or truncated fastText"),
    ],
)
def test_files_that_are_not_whole(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "w.vec").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        text.load(f"words:{tmp_path / 'w.vec'}")
    assert "w.vec" in str(caught.value)


def test_gensims_own_format_is_refused_unread(tmp_path: Path, vectors) -> None:
    marker = tmp_path / "it-ran"
    vectors.save(str(tmp_path / "v.kv"))
    (tmp_path / "evil.kv").write_bytes(pickle.dumps(Runs(marker)))
    for name in ("v.kv", "evil.kv"):
        with pytest.raises(DataError, match=r"a pickle.*save_word2vec_format"):
            text.load(f"words:{tmp_path / name}")
    assert not marker.exists()


class Runs:
    """A pickle of this writes a file when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


def damaged(whole: bytes) -> list[bytes]:
    rng = np.random.default_rng(0)
    flips = zip(rng.integers(len(whole), size=80).tolist(), rng.integers(8, size=80).tolist(), strict=True)
    flips = [*flips, *((at, bit) for at in range(min(100, len(whole))) for bit in (0, 7))]
    return [whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for at, bit in flips]


def test_a_cut_file_is_refused(word2vec: Path, fasttext: Path, tmp_path: Path) -> None:
    for source in (word2vec, fasttext):
        whole = source.read_bytes()
        for length in [*range(0, len(whole) - 1, 37), len(whole) - 2]:
            (tmp_path / "cut").write_bytes(whole[:length])
            with pytest.raises(DataError, match="cut"):
                text.load(f"words:{tmp_path / 'cut'}")


def test_a_changed_word2vec_file_is_refused_or_gives_vectors(word2vec: Path, tmp_path: Path) -> None:
    refused_or_vectors(word2vec.read_bytes(), tmp_path / "changed")


def test_a_changed_fasttext_file_is_refused_or_gives_vectors(fasttext: Path, tmp_path: Path) -> None:
    refused_or_vectors(fasttext.read_bytes(), tmp_path / "changed")


def refused_or_vectors(whole: bytes, path: Path) -> None:
    for content in damaged(whole):
        path.write_bytes(content)
        try:
            rows = text.load(f"words:{path}").encode(["dog bell", "church"])
        except DataError:
            continue
        assert torch.isfinite(rows).all() and torch.allclose(rows.norm(dim=1), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [(8, b"\x07", "matrix"), (72, b"\x01", "classifier"), (84, b"\x01" + bytes(7), "pruned"), (68, b"\x01", "matrix")],
)
def test_other_kinds_of_fasttext(fasttext: Path, tmp_path: Path, place: int, value: bytes, message: str) -> None:
    whole = bytearray(fasttext.read_bytes())
    assert place < len(whole)
    whole[place : place + len(value)] = value
    (tmp_path / "m.bin").write_bytes(whole)
    with pytest.raises(DataError, match=message):
        text.load(f"words:{tmp_path / 'm.bin'}")


def test_quantised_fasttext(fasttext: Path, tmp_path: Path) -> None:
    whole = bytearray(fasttext.read_bytes())
    place = open_fasttext(fasttext).place - 17
    assert whole[place] == 0
    whole[place] = 1
    (tmp_path / "m.ftz").write_bytes(whole)
    with pytest.raises(DataError, match="quantised"):
        text.load(f"words:{tmp_path / 'm.ftz'}")
