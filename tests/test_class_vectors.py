"""The restricted reader of pickled dicts: reads every published file, runs nothing, refuses the rest by name."""

import builtins
import os
import pickle
import struct
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from avgzsl.errors import DataError
from avgzsl.text import restricted_pickle
from avgzsl.text.class_vectors import read_class_vectors

SHARED = Path(__file__).parents[2] / "shared"
PUBLISHED = sorted((SHARED / "data").glob("**/*.npy"))
VECTORS = {"dog": np.arange(3, dtype=np.float32), "church-bell": np.ones(3, dtype=np.float32)}


def wrap(body: bytes, shape: tuple[int, ...] = (), descr: str = "|O") -> bytes:
    """A .npy file around any pickle."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def saved(value: object, protocol: int) -> bytes:
    return wrap(pickle.dumps(np.array(value, dtype=object), protocol=protocol))


def read(tmp_path: Path, content: bytes) -> dict[str, np.ndarray]:
    path = tmp_path / "word_embeddings-dict.npy"
    path.write_bytes(content)
    return read_class_vectors(path)


@pytest.mark.skipif(not PUBLISHED, reason="needs ../shared/data")
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_published_files(path: Path) -> None:
    expected = np.load(path, allow_pickle=True, encoding="latin1").item()
    got = read_class_vectors(path)
    assert got.keys() == expected.keys()
    for name, vector in expected.items():
        assert got[name].dtype == np.float32
        assert np.array_equal(got[name], vector.astype(np.float32))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i8"])
def test_every_protocol_and_number(tmp_path: Path, protocol: int, dtype: str) -> None:
    got = read(tmp_path, saved({name: vector.astype(dtype) for name, vector in VECTORS.items()}, protocol))
    assert {name: vector.tolist() for name, vector in got.items()} == {n: v.tolist() for n, v in VECTORS.items()}


def test_what_numpy_itself_writes_today(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array(VECTORS, dtype=object))
    assert read_class_vectors(tmp_path / "a.npy")["dog"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_numpy_1_and_2_name_their_modules_differently(tmp_path: Path, core: str) -> None:
    body = saved(VECTORS, 2)
    for other in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
        body = body.replace(other, f"{core}.multiarray".encode())
    assert read(tmp_path, body)["dog"].tolist() == [0, 1, 2]


def test_python_2_wrote_text_as_bytes(tmp_path: Path) -> None:
    """Opcodes as Python 2 wrote them: STRING keys and array contents, numpy.core.multiarray."""
    dtype = b"cnumpy\ndtype\n(S'%s'\nI0\nI1\ntR(I3\nS'%s'\nNNNI-1\nI-1\nI%d\ntb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(%stI00\n"
    raw = repr(np.array([1.5, -2.0], "<f4").tobytes())[1:].encode()
    vector = array % b"I2\n" + dtype % (b"f4", b"<", 0) + b"I00\nS" + raw + b"\ntb"
    vector = vector.replace(b"tI00\n" + dtype[:6], b"t" + dtype[:6])
    body = array % b"" + b""
    body = body.replace(b"tI00\n", b"t") + dtype % (b"O8", b"|", 63) + b"I00\n(lp1\n(dp2\nS'dog'\n" + vector
    assert read(tmp_path, wrap(body + b"satb."))["dog"].tolist() == [1.5, -2.0]


def test_numbers_without_an_array(tmp_path: Path) -> None:
    got = read(tmp_path, saved({"dog": [1, 2.5, np.float32(3)], b"cat": [4, 5, 6]}, 4))
    assert got["dog"].tolist() == [1, 2.5, 3]
    assert got["cat"].tolist() == [4, 5, 6]


class Runs:
    """A pickle of this calls something when it is read."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.how = (call, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.how


def hostile(marker: Path) -> dict[str, tuple[bytes, str]]:
    touch = f"touch {marker}"
    nested = np.empty((), dtype=object)
    nested[()] = {"dog": np.array([Runs(os.system, touch)], dtype=object)}
    scalar = pickle.dumps(np.array(VECTORS, dtype=object), protocol=2)
    inner = pickle.dumps(Runs(os.system, touch))
    return {
        "os.system": (saved({"dog": Runs(os.system, touch)}, 4), "posix.system"),
        "eval": (saved({"dog": Runs(builtins.eval, f"open({str(marker)!r}, 'w')")}, 2), "eval"),
        "as a key": (saved({Runs(os.system, touch): 1}, 3), "system"),
        "nested": (wrap(pickle.dumps(nested)), "system"),
        "bare": (wrap(pickle.dumps(Runs(os.system, touch))), "system"),
        "numpy.load": (saved(Runs(np.load, str(marker), None, True), 4), "load"),
        "numpy.fromfile": (saved(Runs(np.fromfile, str(marker)), 4), "fromfile"),
        "pickle.loads": (saved(Runs(pickle.loads, inner), 4), "pickle.loads"),
        "getattr": (saved(Runs(getattr, "a", "upper"), 4), "getattr"),
        "ordered": (saved(OrderedDict(VECTORS), 4), "collections.OrderedDict"),
        "matrix": (saved({"dog": np.zeros((1, 2)).view(np.matrix)}, 4), "matrix"),
        "structured": (saved({"dog": np.zeros(2, [("a", "f4")])}, 4), "structured dtype"),
        "forged dtype": (wrap(scalar.replace(b"\x02\x00\x00\x00f4", b"\x02\x00\x00\x00V4")), "V4"),
        "text array": (saved({"dog": np.array(["a"])}, 4), "U1"),
        "codec": (wrap(b"c_codecs\nencode\n(S'abc'\nS'rot13'\ntR."), "_codecs.encode"),
        "state of a global": (wrap(b"cnumpy\ndtype\n}S'code'\nI1\nsb."), "the reader itself"),
        "call of ndarray": (wrap(b"cnumpy\nndarray\n(I5\ntR."), "numpy.ndarray"),
        "instance": (wrap(b"(S'x'\nios\nsystem\n."), "INST"),
        "newobj": (wrap(b"\x80\x02csubprocess\nPopen\n)\x81."), "NEWOBJ"),
        "extension": (wrap(b"\x80\x02\x82\x01."), "EXT1"),
        "persistent": (wrap(b"Pabc\n."), "PERSID"),
    }


@pytest.mark.parametrize("name", hostile(Path("marker")))
def test_nothing_runs(tmp_path: Path, name: str) -> None:
    marker = tmp_path / "it-ran"
    content, refused = hostile(marker)[name]
    with pytest.raises(DataError, match=f"it asks for .*{refused}") as caught:
        read(tmp_path, content)
    assert "word_embeddings-dict.npy" in str(caught.value)
    assert not marker.exists()


def test_the_hostile_files_would_run(tmp_path: Path) -> None:
    """The proof above proves something only if an unrestricted reader falls for it."""
    marker = tmp_path / "it-ran"
    (tmp_path / "a.npy").write_bytes(hostile(marker)["nested"][0])
    np.load(tmp_path / "a.npy", allow_pickle=True)
    assert marker.exists()


def test_no_file_changes_the_reader(tmp_path: Path) -> None:
    for content, _ in hostile(tmp_path / "it-ran").values():
        with pytest.raises(DataError):
            read(tmp_path, content)
    assert read(tmp_path, saved(VECTORS, 2))["dog"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_damaged_file_is_named(tmp_path: Path, protocol: int) -> None:
    """Cut anywhere, or with a byte changed, a file is refused or still gives vectors; no other exception comes out."""
    whole = saved(VECTORS, protocol)
    wrong = whole.replace(b"q\x09", b"r\x09", 1) if protocol == 2 else whole[:-1]  # a far place in the memo
    with pytest.raises(DataError):
        read(tmp_path, wrong)
    for length in range(0, len(whole), 7):
        with pytest.raises(DataError, match=r"word_embeddings-dict\.npy"):
            read(tmp_path, whole[:length])
    rng = np.random.default_rng(protocol)
    for position in rng.integers(len(whole), size=300).tolist():
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(7))
        try:
            vectors = read(tmp_path, bytes(damaged))
        except DataError:
            continue
        assert all(vector.dtype == np.float32 and vector.ndim == 1 for vector in vectors.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (saved({}, 4), "expected a dict"),
        (saved([1, 2], 4), "expected a dict"),
        (saved({1: VECTORS["dog"]}, 4), "class names as text"),
        (saved({"dog": np.ones((1, 3))}, 4), r"array \(1, 3\); expected one row"),
        (saved({"dog": "woof"}, 4), "a str; expected one row"),
        (saved({"dog": np.array([1, "a"], dtype=object)}, 4), "array of Python objects"),
        (saved({"dog": np.ones(2), "cat": np.ones(3)}, 4), "different lengths"),
        (wrap(np.ones(3).tobytes(), (3,), "<f8"), "array .3,. of float64"),
        (b"", "not a whole .npy"),
        (b"\x93NUMPY\x09\x00abc", "not a whole .npy"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not readable"):
        read_class_vectors(tmp_path / "none.npy")


MAKE = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
OBJECTS = b"cnumpy\ndtype\n(VO8\ntR(I3\nV|\nNNNI-1\nI-1\nI63\ntb"


def numbers(count: int) -> bytes:
    """What makes an array of `count` zeros of f4, from the text that is on the stack."""
    dtype = b"cnumpy\ndtype\n(Vf4\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb"
    return MAKE + b"(I1\n(I%d\nt%bI00\n" % (count, dtype)


def dict_of(entries: bytes) -> bytes:
    """A pickled object array that holds a dict of these entries."""
    return wrap(MAKE + b"(I1\n(I1\nt" + OBJECTS + b"I00\n(l}(" + entries + b"uatb.")


DEEP = b")" + b"\x85" * 200_000  # a tuple in a tuple in a …
LISTS = b"]" * 1_000_000 + b"a" * 999_999
BOMBS = {
    "nested tuples as a key": (dict_of(DEEP + b"I1\n"), "a key of its dict is a tuple"),
    "nested tuples as a key, one by one": (dict_of(b"").replace(b"}(u", b"}" + DEEP + b"I1\ns"), "a key of its dict"),
    "nested tuples as a key of another dict": (dict_of(b"Vdog\n(" + DEEP + b"I1\nd"), "a key of its dict is a tuple"),
    "nested tuples as a vector": (dict_of(b"Vdog\n" + DEEP), "the vector of 'dog' is a tuple"),
    "nested lists as a vector": (dict_of(b"Vdog\n" + b"]" * 700_000 + b"a" * 699_999), "the vector of 'dog' is a list"),
    "nested lists": (wrap(b"]" * 4_000_000 + b"a" * 3_999_999 + b"."), "more than 1,500,000 pickle instructions"),
    "marks": (wrap(b"(" * 4_000_000 + b"t" * 4_000_000 + b"."), "more than 1,500,000 pickle instructions"),
    "a huge number in a vector": (dict_of(b"Vdog\n(I1\nL%dL\nl" % 10**1000), "too large for a float"),
    "a huge number as a key": (dict_of(b"L%dL\nI1\n" % 10**2000), "a key of its dict is a int"),
    "a number of 4 MB": (wrap(b"\x80\x02\x8b" + (4 << 20).to_bytes(4, "little") + b"\xff" * (4 << 20) + b"."), "LONG4"),
    "digits without end": (dict_of(b"Vdog\nI" + b"9" * (4 << 20) + b"\n"), "damaged"),
    "a nested name of a dtype": (dict_of(b"Vdog\ncnumpy\ndtype\n(" + DEEP + b"tR"), "dtype of something else"),
    "a nested encoding": (dict_of(b"Vdog\nc_codecs\nencode\n(Va\n" + DEEP + b"tR"), "_codecs.encode to something"),
    "a shape to be multiplied": (
        dict_of(b"Vdog\n" + numbers(1).replace(b"(I1\nt", b"(I1000000000\n(I0\nlt", 1) + b"Vabcd\ntb"),
        "an array without a shape",
    ),
    "a shape of nested tuples": (
        dict_of(b"Vdog\n" + numbers(1).replace(b"(I1\nt", DEEP, 1) + b"Vabcd\ntb"), "an array without a shape"
    ),
    "one text copied for ever": (
        dict_of(b"V" + b"a" * (1 << 20) + b"\np0\nI1\n" + b"Vb\nc_codecs\nencode\n(g0\nVlatin1\ntR" * 100_000),
        "100,00. calls for texts of up to 1,048,576 letters",
    ),
    "a far place of the memo": (wrap(b"Nr\xff\xff\xff\x7f."), "place 2147483647 of its memo"),
    "no end": (wrap(b"N" * 100), "it has no end"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_what_costs_time_or_memory_is_refused_in_time(tmp_path: Path, name: str) -> None:
    content, reason = BOMBS[name]
    begun = time.process_time()
    with pytest.raises(DataError, match=reason) as refused:
        read(tmp_path, content)
    assert time.process_time() - begun < 15  # of the processor; about 2 at most
    assert "word_embeddings-dict.npy" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_arrays_in_arrays_come_apart_again(tmp_path: Path) -> None:
    """Python takes deep structures of its own apart without recursion; those of this reader must come apart so, too."""
    count, again = 20_000, MAKE + b"(NNg0\nN("
    nested = MAKE + b"(NN" + OBJECTS + b"p0\nN(" + again * (count - 1) + b"N" + b"ltb" * count
    with pytest.raises(DataError, match="the vector of 'dog' is an array of Python objects"):
        read(tmp_path, dict_of(b"Vdog\n" + nested))


def test_one_vector_of_many_names_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memo lets a small file name one array for many classes."""
    converted, convert = [], restricted_pickle._vector
    monkeypatch.setattr(restricted_pickle, "_vector", lambda *one: converted.append(one) or convert(*one))
    shared = np.ones(1000)
    vectors = read(tmp_path, saved({f"class {n}": shared for n in range(1000)}, 4))
    assert len(converted) == 1 and len(vectors) == 1000
    assert vectors["class 7"].tolist() == [1.0] * 1000


@pytest.mark.parametrize("seed", range(3))
def test_random_instructions_end_in_a_named_error(tmp_path: Path, seed: int) -> None:
    """Of the instructions that are allowed, in any order."""
    rng = np.random.default_rng(seed)
    parts = [b"N", b"(", b"t", b"]", b"}", b"a", b"e", b"s", b"u", b"d", b"l", b")", b"\x85", b"\x86", b"\x87", b"I1\n",
             b"Vf4\n", b"L99999999999999999999L\n", b"S'x'\n", b"cnumpy\ndtype\n", b"R", b"b", b"p0\n", b"g0\n",
             b"cnumpy.core.multiarray\n_reconstruct\n", b"c_codecs\nencode\n", b"cnumpy.core.multiarray\nscalar\n",
             b"\x96\x04\x00\x00\x00\x00\x00\x00\x00abcd", b"cnumpy.core.numeric\n_frombuffer\n", b"\x94",
             b"\x93"]  # fmt: skip
    for _ in range(700):
        content = b"".join(parts[n] for n in rng.integers(len(parts), size=rng.integers(2, 30)).tolist())
        with pytest.raises(DataError):
            read(tmp_path, wrap(content + b"."))
