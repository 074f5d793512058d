"""Labels that are one class written differently, and classes with one text vector: told, and merged on demand."""

import json
import logging
import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avgzsl.archive.sources import open_source
from avgzsl.cli import app
from avgzsl.data.clips import ClassTable, ClipSet, Dataset
from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import open_dataset
from avgzsl.data.merging import merged
from avgzsl.data.splitting import split
from avgzsl.errors import DataError
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.features.class_splits import read_class_split
from avgzsl.features.extract import extract
from avgzsl.features.feature_store import open_store
from avgzsl.features.manifest import read_manifest
from avgzsl.text.spellings import class_key, same_vectors, spelling_notes, usual_spellings, vector_notes
from avgzsl.types import DataChoice, EncoderChoice
from tests.small_clips import write_wav

ENCODERS = EncoderChoice(audio="descriptors", text="hashed-words")
LABELS = ("École-Bell", "école bell", unicodedata.normalize("NFD", "École_bell"), "drum", "flute", "horn")


@pytest.mark.parametrize(
    "twins",
    [
        ("Dog", "dog", "DOG"),
        ("church-bell", "church bell", "church_bell", " Church  Bell ", "church\u00a0bell", "church–bell"),
        ("café", unicodedata.normalize("NFD", "CAFÉ")),
        ("straße", "STRASSE"),
        ("ＤＯＧ", "d\u200bog", "\ufeffdog"),
    ],
)
def test_spellings_of_one_class_have_one_key(twins):
    assert len({class_key(name) for name in twins}) == 1
    assert len(spelling_notes(twins)) == 1


@pytest.mark.parametrize("pair", [("dog", "dogs"), ("bell tower", "belltower"), ("a-b", "ab"), ("é", "e"), ("-", "_")])
def test_other_names_are_other_classes(pair):
    assert class_key(pair[0]) != class_key(pair[1])
    assert not spelling_notes(pair)


@given(st.text(min_size=1))
def test_a_key_is_its_own_key(label):
    assert class_key(class_key(label)) == class_key(label)


def test_the_usual_spelling_is_that_of_most_clips():
    assert usual_spellings(["dog", "Dog", "Dog", "b", "B"]) == {"dog": "Dog", "Dog": "Dog", "b": "B", "B": "B"}


def test_same_vectors_are_those_of_a_slow_loop():
    vectors = np.random.default_rng(0).normal(size=(1100, 7)).astype(np.float32)
    vectors[900] = vectors[3]
    vectors[1099] = vectors[600] = vectors[5] * np.float32(1 + 1e-7)
    vectors[7], vectors[8] = np.nan, np.nan
    names = [f"class {number}" for number in range(1100)]
    slow = {
        (a, b) for a in range(1100) for b in range(a) if np.abs(vectors[a] - vectors[b]).max() < 1e-6
    }  # NaN is near nothing
    found = same_vectors(names, vectors)
    assert found == [("class 3", "class 900"), ("class 5", "class 600", "class 1099")]
    assert {(a, b) for a, b in slow} == {(900, 3), (600, 5), (1099, 5), (1099, 600)}


def test_what_is_seen_and_unseen_at_once_is_said_to_leak():
    (note,) = spelling_notes(("Dog", "dog"), {"Dog": True, "dog": False})
    assert "seen: 'Dog'; unseen: 'dog'" in note and "not zero-shot" in note
    assert "zero-shot" not in spelling_notes(("Dog", "dog"), {"Dog": True, "dog": True})[0]
    (look_alike,) = spelling_notes(("café", unicodedata.normalize("NFD", "café")))
    assert r"'caf\xe9'" in look_alike and r"'cafe\u0301'" in look_alike
    same = np.ones((2, 3), np.float32)
    assert "same text vector" in vector_notes(("cat", "dog"), same, {})[0]
    assert not vector_notes(("cat", "Cat"), same, {})  # told as spellings


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Four sounds of each label; the first label is École-Bell, the second and third its twins."""
    root = tmp_path_factory.mktemp("clips")
    lines = ["path,label,split,seen"]
    for row, label in enumerate(LABELS):
        for number in range(4 + (row == 0)):
            path = write_wav(root / str(row) / f"{number}.wav", 200.0 + 60 * row + number, 0.3)
            part = ("train", "train", "val", "test", "train")[number]
            lines.append(f"{path.relative_to(root)},{label},{part},{'no' if row in (1, 4) else 'yes'}")
    manifest = root / "manifest.csv"
    manifest.write_text("\n".join(lines), encoding="utf-8")
    return root, manifest


@pytest.fixture(scope="module")
def store(clips, tmp_path_factory):
    root, manifest = clips
    folder = tmp_path_factory.mktemp("store") / "store"
    found = extract(root, folder, manifest=manifest, encoders=ENCODERS)
    assert len(found.notes) == 1 and "École-Bell" in found.notes[0]
    return folder


def test_inspect_calls_twins_a_problem(store):
    problems = inspect(store).problems
    assert any("École-Bell" in one and "not zero-shot" in one for one in problems)


def test_train_tells_before_it_trains_and_merges_on_demand(store, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "avgzsl"):
        train(store, "least-squares", out=tmp_path / "told")
    assert "not zero-shot" in caplog.text
    caplog.clear()
    run = train(store, "least-squares", out=tmp_path / "one", choice=DataChoice(merge_spellings=True))
    assert "zero-shot" not in caplog.text
    about = run.config.data
    assert sorted([*about.seen, *about.unseen]) == ["drum", "flute", "horn", "École-Bell"]
    assert evaluate(run).provenance["data"]["merge_spellings"]  # opened as it was trained: the fingerprints agree
    labels = [clip.label for batch in open_source(run, store, None).batches for clip in batch.clips]
    assert set(labels) == {"drum", "flute", "horn", "École-Bell"} and labels.count("École-Bell") == 13


def test_merged_labels_point_at_the_class_of_their_key():
    names = ("Dog", "bell", "dog", "DOG")
    classes = ClassTable(names, torch.eye(4), torch.tensor([False, True, True, False]))
    clips = ClipSet(torch.rand(8, 2), None, torch.tensor([0, 1, 2, 3, 0, 1, 0, 3]), np.array(list("abcdefgh")))
    one = merged(Dataset.of(classes, {"test": clips}))
    assert one.classes.names == ("Dog", "bell") and one.classes.seen.tolist() == [True, True]
    assert torch.equal(one.classes.text, torch.eye(4)[[0, 1]])
    assert [one.classes.names[c] for c in one.split("test").labels.tolist()] == [
        "Dog",
        "bell",
        "Dog",
        "Dog",
        "Dog",
        "bell",
        "Dog",
        "Dog",
    ]
    plain = Dataset.of(one.classes, {})
    assert merged(plain) is plain


def test_extract_merges_labels_before_anything_is_made_of_them(clips, tmp_path):
    root, manifest = clips
    with pytest.raises(DataError, match="seen is yes and no"):
        extract(root, tmp_path / "store", manifest=manifest, merge_spellings=True, encoders=ENCODERS)
    agreeing = tmp_path / "agreeing.csv"
    agreeing.write_text(
        manifest.read_text(encoding="utf-8")
        .replace("école bell,train,no", "école bell,train,yes")
        .replace("école bell,val,no", "école bell,val,yes")
        .replace("école bell,test,no", "école bell,test,yes"),
        encoding="utf-8",
    )
    found = extract(root, tmp_path / "store", manifest=agreeing, merge_spellings=True, encoders=ENCODERS)
    assert found.store.record.classes == ("drum", "flute", "horn", "École-Bell")
    assert not found.notes
    assert not [one for one in inspect(tmp_path / "store").problems if "written" in one]


def test_split_draws_merged_classes(store, tmp_path):
    for seed in range(4):
        made = split(store, unseen=0.5, resplit=True, seed=seed, name=f"merged-{seed}", merge_spellings=True)
        file, division = made.file, made.class_split
        assert sorted([*division.seen, *division.unseen]) == ["drum", "flute", "horn", "École-Bell"]
        assert read_class_split(store, file.stem)[1] == division
        dataset = open_dataset(store, class_split=file.stem)
        counts = sum(int((clips.labels == 3).sum()) for clips in dataset.splits.values())
        assert dataset.classes.names[3] == "École-Bell" and counts == 13
        assert not [note for note in dataset.notes if "written" in note]


def test_split_like_reads_lists_in_other_spellings(store, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    for name, names in {"all": ("ECOLE", "Drum", "flute", "horn"), "seen": ("Drum", "flute", "horn")}.items():
        (lists / f"{name}_class.txt").write_text("\n".join(names).replace("ECOLE", "ÉCOLE BELL"), encoding="utf-8")
    (lists / "unseen_class.txt").write_text("ÉCOLE BELL", encoding="utf-8")
    division = split(store, unseen=lists, name="like", merge_spellings=True).class_split
    assert division.unseen == ("École-Bell",) and division.seen == ("drum", "flute", "horn")
    with pytest.raises(DataError, match="no clip of the store has"):
        split(store, unseen=lists, name="like-plain")


def test_a_name_composed_otherwise_than_on_disk_is_found(tmp_path):
    decomposed, composed = unicodedata.normalize("NFD", "café"), unicodedata.normalize("NFC", "café")
    write_wav(tmp_path / decomposed / f"{decomposed}.wav", seconds=0.1)
    (tmp_path / "Case.wav").write_bytes(b"x")
    listed = tmp_path / "list.csv"
    listed.write_text(f"path\n{composed}/{composed}.wav\n", encoding="utf-8")
    (row,) = read_manifest(listed, tmp_path)
    assert row.path == f"{decomposed}/{decomposed}.wav" and (tmp_path / row.path).is_file()
    listed.write_text("path\ncase.wav\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"there is Case\.wav"):
        read_manifest(listed, tmp_path)


def test_commands_say_it(store, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        app(["inspect", str(store), "--json"])
    assert ended.value.code == 1
    assert any("--merge-spellings" in one for one in json.loads(capsys.readouterr().out)["problems"])
    with pytest.raises(SystemExit):
        app(["split", str(store), "--unseen", "0.5", "--resplit", "--seed", "1", "--name", "shown"])
    assert "one class written differently" in capsys.readouterr().out


def test_old_class_splits_are_read(store):
    path = store / "splits" / "old.json"
    path.write_text(json.dumps({"seen": ["drum", "flute"], "unseen": ["horn"], "clips": None}))
    assert not read_class_split(store, "old")[1].merge_spellings
    path.unlink()
    assert len(open_store(store)) == 25
