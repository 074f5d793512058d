"""Files that others made: pipes, devices, nesting, sizes and numbers that no reader expects end in a named error."""

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from avgzsl.backbones._cards import read_card
from avgzsl.cli import app
from avgzsl.data.layouts import open_dataset
from avgzsl.data.reading.avca_lists import read_rows
from avgzsl.data.reading.class_lists import read_names
from avgzsl.errors import AvgzslError, ConfigError, DataError, RunError, WeightsError
from avgzsl.experiments import benchmark, tuning, two_stage
from avgzsl.experiments import run as runs
from avgzsl.experiments.calibration import read_recognition
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.features import feature_store as stores
from avgzsl.features.class_splits import ClassSplit, read_class_split, write_class_split
from avgzsl.features.journal import open_journal
from avgzsl.features.manifest import read_manifest
from avgzsl.learning.audio_net import _read as read_audio_record
from avgzsl.learning.checkpoint import read_checkpoint
from avgzsl.methods import build, method_class, parse_override
from avgzsl.packing import pack
from avgzsl.reports.model_card import read_results
from avgzsl.support.trust import DENSEST, LARGE, parse_json, parse_yaml, read_regular, require_regular, require_written
from avgzsl.support.weights import find_folder, identify
from avgzsl.text.class_vectors import read_class_vectors
from avgzsl.text.encoders.words import open_words
from avgzsl.text.overrides import read_overrides
from tests.small_set import write_set
from tests.test_store import make
from tests.worlds import world

DEEP = 200_000


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    settings = {"epochs": 1, "batch_size": 8, "milestones": (), "attention_epochs": 1}
    return train(data, out=tmp_path_factory.mktemp("runs") / "run", settings=settings, device="cpu").folder


@pytest.fixture
def copy(run, tmp_path) -> Path:
    (tmp_path / "run").mkdir()
    for file in run.iterdir():
        (tmp_path / "run" / file.name).write_bytes(file.read_bytes())
    return tmp_path / "run"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def plug(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket may have a hundred letters
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


def holes(path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(b"\x93NUMPY")
        stream.truncate(16 << 30)


STRANGE = [pipe, device, folder, plug, holes]


def journal(path: Path) -> None:
    with open_journal(path):
        pass


CELL = benchmark.Cell("m", {}, "s", 0, "none", "f", "c")
READERS: dict[str, tuple[str, Callable[[Path], object], type[AvgzslError]]] = {
    "class vectors": ("v.npy", read_class_vectors, DataError),
    "class vectors as csv": ("v.csv", read_class_vectors, DataError),
    "archive of class vectors": ("v.npz", read_class_vectors, DataError),
    "word vectors": ("v.vec", open_words, DataError),
    "other words": ("words.csv", read_overrides, DataError),
    "manifest": ("clips.csv", lambda path: read_manifest(path, path.parent), DataError),
    "class list": ("all_class.txt", read_names, DataError),
    "list of clips": ("stage.csv", lambda path: read_rows(path, ("filename",)), DataError),
    "card": ("card.yaml", read_card, ConfigError),
    "preset": ("preset.yaml", lambda path: method_class("avgzslnet").preset(path), ConfigError),
    "weights": ("model.safetensors", identify, WeightsError),
    "checkpoint": ("checkpoint.safetensors", read_checkpoint, RunError),
    "cell": (f"{CELL.key}.json", lambda path: benchmark.read_cell(path.parent.parent, CELL), RunError),
    "history": ("history.jsonl", lambda path: two_stage.best_epoch(path.parent), RunError),
    "search": ("search.json", lambda path: tuning._claim(path.parent, {"a": 1}), RunError),
    "trials": ("trials.jsonl", tuning._read, RunError),
    "training of kumar": ("kumar.json", read_audio_record, RunError),
    "results": ("results.json", lambda path: read_results(path.parent), RunError),
    "recognition": ("recognition.json", lambda path: read_recognition(path.parent), RunError),
    "journal": ("journal.sqlite", journal, RunError),
    "a model's folder": ("config.json", lambda path: find_folder("x", str(path.parent), None, [], "x"), WeightsError),
}


@pytest.mark.parametrize("make_strange", STRANGE)
@pytest.mark.parametrize("kind", READERS)
def test_only_plain_files_are_read(kind, make_strange, tmp_path):
    name, read, error = READERS[kind]
    path = tmp_path / "cells" / name
    path.parent.mkdir()
    make_strange(path)
    if kind == "a model's folder" and make_strange is folder:
        return  # a model has folders
    with pytest.raises(error) as refused:
        read(path)
    assert name in str(refused.value)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("make_strange", STRANGE)
@pytest.mark.parametrize("name", [runs.CONFIG, runs.MODEL, runs.CLASSES])
def test_only_plain_files_make_a_run(copy, name, make_strange):
    (copy / name).unlink()
    make_strange(copy / name)
    with pytest.raises(RunError, match=name):
        runs.read_classes(runs.load_run(copy))


@pytest.mark.parametrize("make_strange", STRANGE)
@pytest.mark.parametrize("name", ["store.json", "clips.jsonl", "audio.npy", "text.npy", "splits/one.json"])
def test_only_plain_files_make_a_store(name, make_strange, tmp_path):
    path = make(tmp_path / "store") / name
    path.unlink()
    make_strange(path)
    with pytest.raises(
        DataError, match=r"no plain file|is not a store|is not there|has \d+ bytes|ever written|more than"
    ):
        read_class_split(stores.open_store(tmp_path / "store").folder, "one")


@pytest.mark.parametrize("make_strange", STRANGE)
@pytest.mark.parametrize(
    "name", ["class-split/all_class.txt", "features/audio/trn/dog.h5", "features/text/word_embeddings-dict.npy"]
)
def test_only_plain_files_make_a_tree_of_features(name, make_strange, tmp_path, monkeypatch):
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    path = write_set(tmp_path / "set") / name
    path.unlink()
    make_strange(path)
    with pytest.raises(DataError, match=path.name):
        open_dataset(tmp_path / "set")


NESTED = {
    "lists": "[" * DEEP,
    "whole lists": "[" * DEEP + "]" * DEEP,
    "objects": '{"a":' * DEEP,
    "a hundred lists": "[" * 100 + "]" * 100,
    "digits": "9" * 5000,
    "a number that no float holds": "9" * 400,
    "half a character": '{"format": 1, "method": "\\ud800"}',
}


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("name", [runs.CONFIG, "results.json", "recognition.json"])
def test_json_that_stumbles_is_no_record(copy, name, kind, tmp_path):
    (copy / name).write_text(NESTED[kind])
    begun = time.process_time()
    with pytest.raises(RunError, match=name):
        pack(copy, tmp_path / "out")
    assert time.process_time() - begun < 15


@pytest.mark.parametrize("kind", NESTED)
def test_json_of_other_readers(kind, tmp_path):
    for name in ("cell", "history", "search", "trials", "training of kumar"):
        file, read, error = READERS[name]
        path = tmp_path / "cells" / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(NESTED[kind])
        with pytest.raises(error, match=file):
            read(path)


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
YAMLS = {
    **NESTED,
    "short lists": "[" * 60_000,
    "short objects": "{a: " * 15_000,
    "dashes": "- " * 30_000,
    "questions": "? " * 30_000,
    "many numbers": "[" + "1," * 30_000 + "]",
    "open quotes": "a: '" + "x\n\n" * 20_000,
    "aliases of aliases": LAUGHS,
    "an alias of itself": "&a [*a]",
    "merged for ever": "a: &a {x: 1}\n" + "".join(f"b{n}: {{<<: [*a, *a]}}\n" for n in range(3)),
    "huge whole number": "lr: 0x" + "f" * 5000,
    "minutes of minutes": "lr: 1" + ":59" * 5000,
    "no such day": "lr: 2001-99-99",
    "code": "lr: !!python/object/apply:os.system ['true']",
    "binary": "lr: !!binary x",
    "a list as a key": "? [1, 2]\n: 3",
    "numbers as keys": "1: 2",
    "long": "a: " + "x" * (1 << 20),
    "many": "[" + "1," * (1 << 16) + "]",
}


@pytest.mark.parametrize("kind", YAMLS)
def test_yaml_that_stumbles_is_no_preset_and_no_card(kind, tmp_path):
    (tmp_path / "one.yaml").write_text(YAMLS[kind])
    begun = time.process_time()
    with pytest.raises(ConfigError) as refused:
        build("avgzslnet", preset=tmp_path / "one.yaml")
    with pytest.raises(ConfigError, match=r"one\.yaml: (not a card|has more than)"):
        read_card(tmp_path / "one.yaml")
    assert time.process_time() - begun < 15
    assert len(str(refused.value)) < 3000


def test_what_is_typed_is_read_with_the_same_care():
    for text in ("lr=" + "[" * DEEP, "lr=" + "9" * 5000, "lr=&a [*a]"):
        with pytest.raises(ConfigError):
            parse_override(text)
    assert parse_override("milestones=1,2") == ("milestones", [1, 2])


def test_what_is_fit_is_read():
    value = {"a": [1, -2.5, None, True, "ü犬", {"b": [[[]]]}], "big": 2**64, "tiny": 1.5e-10}
    assert parse_json(json.dumps(value)) == value
    assert parse_yaml(json.dumps(value)) == value


def with_settings(copy: Path, **settings: object) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["settings"] |= settings
    (copy / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "size", [1e30, 10**18, 10**9, 10**5, 2**62, 2**31, -1, 0, "many", None, [], 0.5, True, float("nan")]
)
@pytest.mark.parametrize("name", ["hidden", "embedding", "decoder_hidden"])
def test_sizes_that_the_model_has_not_are_refused_before_anything_is_made(copy, name, size):
    with_settings(copy, **{name: size})
    begun = time.process_time()
    with pytest.raises(RunError, match=r"config\.json"):
        runs.load_run(copy)
    assert time.process_time() - begun < 15


@pytest.mark.parametrize(
    "sizes",
    [
        {"text": 10**30},
        {"audio": 10**9},
        {"video": 10**6},
        {"text": 0},
        {"audio": -1},
        {"text": "x"},
        {"more": 3},
        {"text": None},
    ],
)
def test_dimensions_that_the_model_has_not_are_refused(copy, sizes):
    config = json.loads((copy / "config.json").read_text())
    config["data"]["dimensions"] |= sizes
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"config\.json"):
        runs.load_run(copy)


def test_the_dimension_of_text_is_needed(copy):
    config = json.loads((copy / "config.json").read_text())
    del config["data"]["dimensions"]["text"]
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="expected the dimension of text"):
        runs.load_run(copy)


@pytest.fixture(scope="module")
def of_each_method(data, tmp_path_factory) -> dict[str, Path]:
    import avgzsl.methods

    quick = {
        "epochs": 1,
        "steps": 0,
        "depth": 1,
        "batch_size": 8,
        "milestones": (),
        "attention_epochs": 1,
    }
    made, one_space = {}, world(sizes=(5, 5, 5))
    for name in avgzsl.methods.methods():
        method, folder = method_class(name), tmp_path_factory.mktemp("of") / name
        settings = {key: value for key, value in quick.items() if key in method.__dataclass_fields__}
        settings |= {"space": "shared"} if method.untrained else {}
        of = one_space if method.untrained else data
        made[name] = train(of, name, out=folder, settings=settings, device="cpu").folder
    return made


def test_no_method_takes_tensors_of_other_shapes_or_types(of_each_method):
    """Found when the run is opened, not when a clip comes."""
    for name, folder_ in of_each_method.items():
        whole = load_file(folder_ / runs.MODEL)
        runs.load_run(folder_)
        for key, value in whole.items():
            if not value.numel() or not value.ndim:
                continue
            for other in (value[..., :-1].contiguous(), torch.cat([value, value]), value.long(), value.double()):
                if other.dtype == value.dtype and other.shape == value.shape:
                    continue
                save_file({**whole, key: other}, folder_ / runs.MODEL)
                try:
                    loaded = runs.load_run(folder_)
                except RunError:
                    continue
                assert name and len(loaded.method.embed_text(torch.ones(2, 5))) == 2  # then it does no harm
        save_file(whole, folder_ / runs.MODEL)


def test_a_model_of_holes_is_not_read(copy):
    header = json.dumps(
        {"text.weight": {"dtype": "F32", "shape": [1 << 30, 4], "data_offsets": [0, 16 << 30]}}
    ).encode()
    with (copy / runs.MODEL).open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + (16 << 30))
    with pytest.raises(RunError, match=r"model\.safetensors"):
        runs.load_run(copy)


def test_a_large_file_that_was_written_is_read(tmp_path, monkeypatch):
    (tmp_path / "large").write_bytes(bytes(1 << 20))
    monkeypatch.setattr("avgzsl.support.trust.LARGE", 1 << 10)
    require_regular(tmp_path / "large", DataError)
    assert LARGE > 1 << 20 and DENSEST > 1032


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="the system does not tell where data are")
def test_a_file_of_holes_is_refused_where_the_file_system_tells_of_them(tmp_path):
    for name, written in (("empty", b""), ("begun", b"some bytes")):
        (tmp_path / name).write_bytes(written)
        os.truncate(tmp_path / name, LARGE + 1)
        with pytest.raises(DataError, match="were ever written"):
            require_regular(tmp_path / name, DataError)
        os.truncate(tmp_path / name, LARGE)
        require_regular(tmp_path / name, DataError)


def test_a_file_system_that_says_of_no_file_that_it_has_blocks_is_believed_nothing(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"some bytes")
    for blocks in (0, None):  # there are data in it, whatever is said; and Windows says nothing
        require_written(path, os.stat_result((0,) * 6 + (LARGE + 1, 0, 0, 0), {"st_blocks": blocks}), DataError)
    with pytest.raises(DataError, match="only 512 were ever written"):
        require_written(path, os.stat_result((0,) * 6 + (LARGE + 1, 0, 0, 0), {"st_blocks": 1}), DataError)


def test_a_file_longer_than_it_may_be_is_not_read(tmp_path):
    (tmp_path / "long").write_bytes(bytes(11))
    assert len(read_regular(tmp_path / "long", DataError, 11)) == 11
    with pytest.raises(DataError, match="more than the 10 bytes"):
        read_regular(tmp_path / "long", DataError, 10)


def test_a_file_of_the_system_is_no_plain_file(tmp_path):
    (tmp_path / "all").symlink_to("/proc/self/environ")
    if not Path("/proc/self/environ").exists():
        return  # only Linux has such files
    with pytest.raises(DataError, match="more than the 0 bytes that it says"):
        read_regular(tmp_path / "all", DataError)


def test_lists_that_are_links_out_of_the_data_are_not_read(tmp_path, monkeypatch):
    """Lines of a file of this machine would become class names."""
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    secret = tmp_path / "secret.txt"
    secret.write_text("canary-77aa\n")
    for name in ("all_class.txt", "seen_class.txt"):
        path = write_set(tmp_path / name / "set") / "class-split" / name
        path.unlink()
        path.symlink_to(secret)
        with pytest.raises(DataError, match=f"{name}: is a link that leads out of its folder") as refused:
            open_dataset(tmp_path / name / "set")
        assert "canary" not in str(refused.value)
    root = write_set(tmp_path / "linked" / "set")
    (root / "class-split" / "all_class.txt").rename(root / "class-split" / "every.txt")
    (root / "class-split" / "all_class.txt").symlink_to("every.txt")
    assert len(open_dataset(root).classes) == 5
    (tmp_path / "other").symlink_to(root)  # a link to the data is as good as the data
    assert len(open_dataset(tmp_path / "other").classes) == 5


def test_nothing_is_written_behind_a_link(copy, data, tmp_path, monkeypatch):
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "home").mkdir()
    (copy / "test-val").symlink_to(tmp_path / "home")
    found = CliRunner().invoke(app, ["evaluate", str(copy), "--data", str(data)])
    assert isinstance(found.exception, RunError) and "leads out of its folder" in str(found.exception)
    store = make(tmp_path / "store")
    (store / "splits").rename(tmp_path / "gone")
    (store / "splits").symlink_to(tmp_path / "home")
    with pytest.raises(DataError, match="leads out of its folder"):
        write_class_split(store, "two", ClassSplit(seen=("a",), unseen=("b",)))
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("path", ["\0", "", ".", "/dev/zero", "/nowhere", "x" * 5000, "/proc/self"])
def test_the_data_of_a_run_may_be_anywhere(copy, path):
    config = json.loads((copy / "config.json").read_text())
    config["data"]["path"] = path
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(AvgzslError):
        evaluate(copy)


@pytest.mark.parametrize(
    "text", ["dict:" + "x" * 300, "dict:a\0b", "x/" * 3000, "hashed-words,overrides=" + "x" * 5000]
)
def test_what_is_no_path_is_no_encoder(copy, text):
    config = json.loads((copy / "config.json").read_text())
    for encoder in ({"spec": text, "weights": []}, {"spec": "dict:a", "weights": [{"name": text, "sha256": "0"}]}):
        config["data"] |= {"encoders": {"text": encoder}, "text": []}  # as runs from before text had parts
        (copy / "config.json").write_text(json.dumps(config))
        with pytest.raises(RunError, match="cannot be a path"):
            runs.load_run(copy)


def test_a_journal_that_is_a_link_is_not_written(tmp_path):
    (tmp_path / "precious").write_bytes(b"")
    (tmp_path / "journal.sqlite").symlink_to(tmp_path / "precious")
    with pytest.raises(RunError, match="is a link"):
        journal(tmp_path / "journal.sqlite")
    assert (tmp_path / "precious").read_bytes() == b""


@pytest.mark.parametrize("name", ["../secret.npy", "/etc/passwd", "a/b", ".."])
def test_a_store_names_its_own_files_alone(name, tmp_path):
    record = make(tmp_path / "store") / "store.json"
    content = json.loads(record.read_text())
    content["files"][name] = {"size": 1, "sha256": "0" * 64}
    record.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"store\.json: names the file"):
        stores.open_store(tmp_path / "store")


def test_long_lists_take_no_time(tmp_path):
    names = [f"class {n}" for n in range(50_000)]
    (tmp_path / "all_class.txt").write_text("\n".join(names))
    (tmp_path / "seen_class.txt").write_text("\n".join(f"other {n}" for n in range(50_000)))
    from avgzsl.data.reading.class_lists import read_class_lists

    begun = time.process_time()
    with pytest.raises(DataError, match="and 49990 more that are not in"):
        read_class_lists(tmp_path)
    assert time.process_time() - begun < 30


def test_a_fasttext_header_of_any_numbers_is_a_named_error(tmp_path):
    rng = np.random.default_rng(0)
    magic = np.array([793712314], "<i4").tobytes()
    for _ in range(300):
        content = magic + rng.integers(0, 256, size=400, dtype=np.uint8).tobytes()
        (tmp_path / "w.bin").write_bytes(content)
        with pytest.raises(DataError, match=r"w\.bin"):
            open_words(tmp_path / "w.bin")


def test_inspecting_says_it_where_no_file_of_a_modality_can_be_read(tmp_path):
    for path in (write_set(tmp_path / "set") / "features" / "audio").rglob("*.h5"):
        path.write_bytes(b"damaged")
    found = CliRunner().invoke(app, ["inspect", str(tmp_path / "set")])
    assert isinstance(found.exception, SystemExit) and found.exit_code == 1, found.exception
    assert "damaged or cut short" in " ".join(found.output.split())
