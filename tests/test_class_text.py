"""Other text for the classes of a data set, from the data to the answer of a run, an index and a packed run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.archive.indexing import index
from avgzsl.archive.search import open_searcher, search
from avgzsl.data.class_text import with_text
from avgzsl.data.clips import ClassTable, Dataset, Encoder, TextPart
from avgzsl.data.layouts import as_dataset, open_dataset
from avgzsl.errors import ConfigError, DataError, RunError
from avgzsl.experiments import run as runs
from avgzsl.experiments.train_evaluate import evaluate, train
from avgzsl.features.extract import extract
from avgzsl.features.feature_store import read_record
from avgzsl.packing import pack
from avgzsl.recognition.recognise import predict
from avgzsl.recognition.recogniser import asked_classes, class_table, load_recogniser
from avgzsl.text.encoders import load
from avgzsl.text.parts import load_parts
from avgzsl.types import DataChoice, EncoderChoice
from tests.small_clips import CLASSES, write_clips
from tests.small_set import ORDER, SEEN, write_set

OWN = 5  # numbers of the vectors of tests.small_set


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def sentences(root: Path) -> Path:
    path = root.parent / "sentences.csv"
    path.write_text("label,description\n" + "".join(f"{name},a {name} that is heard far away\n" for name in ORDER))
    return path


@pytest.fixture(scope="module")
def asked(sentences: Path) -> DataChoice:
    return DataChoice(text=("own", f"hashed-words:64+descriptions={sentences}"))


@pytest.fixture(scope="module")
def run(root: Path, asked: DataChoice) -> runs.Run:
    return train(root, "least-squares", out=root.parent / "run", choice=asked)


def test_what_the_data_brings_is_the_very_same_data_set(root: Path) -> None:
    opened = open_dataset(root)
    assert with_text(opened) is opened is with_text(opened, ["own"])
    assert as_dataset(root, DataChoice(text="own")).fingerprint == opened.fingerprint


def test_parts_stand_side_by_side_in_the_order_given(root: Path, sentences: Path) -> None:
    opened = open_dataset(root)
    names = opened.classes.names
    more = with_text(
        opened, ["video=hashed-words:64+prompts=photo", "own", f"hashed-words:96+descriptions={sentences}"]
    )
    assert [(part.width, part.modality) for part in more.classes.parts] == [(64, "video"), (OWN, None), (96, None)]
    photo, own, written = more.classes.text.split([64, OWN, 96], dim=1)
    assert torch.equal(own, opened.classes.text.float())
    assert torch.equal(photo, load_parts(["hashed-words:64+prompts=photo"]).encode(names)[0])
    of_tram = load("hashed-words:96").encode(["a tram that is heard far away"])[0]
    torch.testing.assert_close(written[names.index("tram")], of_tram)
    assert more.classes.names == names and torch.equal(more.classes.seen, opened.classes.seen)
    assert more.split("test").audio is not None and "text" not in more.encoders


def test_other_text_is_another_data_set(root: Path) -> None:
    specs = [[], ["hashed-words:64"], ["own", "hashed-words:64"], ["own", "audio=hashed-words:64"], ["audio=own"]]
    opened = open_dataset(root)
    names = [with_text(opened, given).fingerprint for given in specs]
    assert len(set(names)) == len(names)
    assert [with_text(opened, given).fingerprint for given in specs] == names


def test_an_encoder_for_what_the_data_brings_has_to_make_its_vectors(root: Path, tmp_path: Path) -> None:
    opened = open_dataset(root)
    vectors = dict(zip(opened.classes.names, opened.classes.text.numpy(), strict=True))
    np.savez(tmp_path / "same.npz", **{name: 2 * vector for name, vector in vectors.items()})
    np.savez(tmp_path / "other.npz", **{name: -vector for name, vector in vectors.items()})
    known = with_text(opened, [f"own=dict:{tmp_path / 'same.npz'}", "hashed-words:64"])
    assert known.classes.parts[0].encoder is not None and known.classes.parts[0].encoder.spec.endswith("same.npz")
    assert torch.equal(known.classes.text[:, :OWN], opened.classes.text.float())
    with pytest.raises(ConfigError, match=r"another vector than .*set has"):
        with_text(opened, [f"own=dict:{tmp_path / 'other.npz'}"])
    with pytest.raises(ConfigError, match=f"gives 64 numbers, but the classes of .* vectors of {OWN}"):
        with_text(opened, ["own=hashed-words:64"])


def test_every_class_without_a_sentence_is_told_before_anything_is_encoded(root: Path, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("name,text\ndog,barks\n")
    with pytest.raises(DataError, match="no sentence for 4 of 5 classes") as no:
        open_dataset(root, text=[f"no-such-encoder+descriptions={tmp_path / 'few.csv'}"])
    assert all(repr(name) in str(no.value) for name in ORDER if name != "dog")


def test_a_run_keeps_its_text_and_is_tested_without_the_encoder(run, root, sentences, asked, monkeypatch) -> None:
    record = runs.load_run(run.folder).config.data
    assert [part.width for part in record.text] == [OWN, 64] and record.dimensions["text"] == OWN + 64
    assert record.choice.parts == asked.parts and record.own_choice.parts == ()
    assert record.text[1].descriptions is not None and record.text[1].descriptions.file == sentences.name
    of_choice = evaluate(run, as_dataset(root, record.choice)).results
    moved = sentences.rename(sentences.with_name("away.csv"))
    try:
        from avgzsl.text import encoders

        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("an encoder was loaded")

        monkeypatch.setattr(encoders, "load", refuse)
        assert evaluate(run).results == of_choice
    finally:
        moved.rename(sentences)
    assert evaluate(run, open_dataset(root)).results == of_choice


def test_other_vectors_of_the_data_are_other_data(run, root, tmp_path) -> None:
    other = write_set(tmp_path / "set", seed=1)
    with pytest.raises(RunError, match="fingerprint"):
        evaluate(run, other)


def test_a_run_does_not_go_on_with_other_text(run, root, asked, tmp_path) -> None:
    with pytest.raises(RunError, match="cannot be resumed with other settings"):
        train(root, "least-squares", out=run.folder, choice=replace(asked, text="own"), resume=True)
    assert train(root, "least-squares", out=run.folder, choice=asked, resume=True).config == run.config


def test_a_method_with_one_text_refuses_parts_by_modality(root, tmp_path) -> None:
    with pytest.raises(ConfigError, match="for video alone"):
        train(root, "avgzslnet", out=tmp_path / "run", choice=DataChoice(text=("own", "video=hashed-words:64")))


# from clips: the store, the run, the index


@pytest.fixture(scope="module")
def described(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("words") / "sentences.csv"
    lines = ("bell,it rings in a tower", "drum,it booms on stage", "flute,it sings softly")
    path.write_text("\n".join(["label,description", *lines]))
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory, described: Path) -> Path:
    folder = tmp_path_factory.mktemp("store")
    clips = write_clips(folder / "clips")
    rows = [f"{name}/{number}.mp4,{name},{split},{'no' if name == 'flute' else 'yes'}"
            for name in CLASSES for number, split in enumerate(("train", "val", "test"))]  # fmt: skip
    (folder / "clips.csv").write_text("\n".join(["path,label,split,seen", *rows]))
    extract(clips, folder / "store", manifest=folder / "clips.csv", workers=1, encoders=two_parts(described))
    return folder / "store"


def two_parts(described: Path) -> EncoderChoice:
    text = ("hashed-words:64", f"hashed-words:96+descriptions={described}")
    return EncoderChoice(audio="descriptors", video="descriptors", text=text)


def test_a_store_keeps_its_text_in_parts(store: Path, described: Path) -> None:
    record = read_record(store)
    assert [part.width for part in record.text] == [64, 96] and "text" not in record.encoders
    opened = open_dataset(store)
    assert opened.classes.parts == record.text and opened.classes.text.shape == (3, 160)
    assert torch.equal(opened.classes.text, load_parts(two_parts(described).parts).encode(opened.classes.names)[0])


def test_the_parts_of_a_store_are_one_own(store: Path) -> None:
    both = with_text(open_dataset(store), ["own", "hashed-words:128"])
    assert [part.width for part in both.classes.parts] == [64, 96, 128]
    with pytest.raises(ConfigError, match="of 2 parts, and one encoder does not make them all"):
        with_text(open_dataset(store), ["own=hashed-words:64"])


def test_other_words_extract_nothing_again(store: Path, described: Path) -> None:
    clips, manifest = store.parent / "clips", store.parent / "clips.csv"
    features = (store / "audio.npy").read_bytes()
    one = EncoderChoice(audio="descriptors", video="descriptors", text="hashed-words:128")
    again = extract(clips, store, manifest=manifest, workers=1, encoders=one)
    assert again.extracted == 0 and again.store.record.text == ()
    assert again.store.record.encoders["text"].dimension == 128 and again.store.text.shape == (3, 128)
    assert (store / "audio.npy").read_bytes() == features
    back = extract(clips, store, manifest=manifest, workers=1, encoders=two_parts(described))
    assert back.extracted == 0 and [part.width for part in back.store.record.text] == [64, 96]


@pytest.fixture(scope="module")
def of_clips(store: Path) -> runs.Run:
    return train(store, "least-squares", out=store.parent / "run")


BELL = "church bell: bronze in a tower"


def test_a_phrase_goes_through_every_part(of_clips: runs.Run) -> None:
    recogniser = load_recogniser(of_clips)
    table, notes = asked_classes(recogniser, ["Bell", "horn", BELL, "drum: it rolls"])
    assert table.names == ("Bell", "horn", "church bell", "drum") and table.parts == of_clips.config.data.text
    names, written = table.text.split([64, 96], dim=1)
    of_names, of_sentences = load("hashed-words:64").encode, load("hashed-words:96").encode
    known = recogniser.classes
    assert torch.equal(table.text[0], known.text[known.names.index("bell")])
    torch.testing.assert_close(names[1:3], of_names(["horn", "church bell"]))
    torch.testing.assert_close(written[1:], of_sentences(["a video of horn", "bronze in a tower", "it rolls"]))
    assert torch.equal(names[3], known.text[known.names.index("drum"), :64])  # a known class has its own name's vector
    assert table.seen.tolist() == [True, False, False, True]
    assert notes == ("horn: no sentence; 'a video of horn' was encoded for hashed-words:96",)


def test_the_answer_says_what_had_no_sentence(of_clips: runs.Run, store: Path) -> None:
    clip = store.parent / "clips" / "bell" / "2.mp4"
    told = predict(of_clips, [clip], ["bell", "horn", BELL])
    assert [note.split(":")[0] for note in told.notes] == ["horn"]
    assert {candidate.label for candidate in told[0].top} == {"bell", "horn", "church bell"}
    assert predict(of_clips, [clip], ["bell"]).notes == ()


def test_a_search_takes_a_sentence_and_says_where_there_is_none(of_clips, store, tmp_path) -> None:
    index(of_clips, store, tmp_path / "index")
    searcher = open_searcher(tmp_path / "index")
    assert search(searcher, BELL).notes == ()
    assert [note.split(":")[0] for note in search(searcher, ["horn", "bell"], without=["siren"]).notes] == [
        "horn",
        "siren",
    ]
    scores = {phrase: search(searcher, phrase)[0].score for phrase in ("church bell", BELL)}
    assert scores["church bell"] != scores[BELL]


def test_a_table_may_be_given_for_phrases(of_clips: runs.Run, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("name,text\nhorn,a brass tube\n")
    encoders = EncoderChoice(text=("own", f"hashed-words:96+descriptions={tmp_path / 'more.csv'}"))
    table, notes = asked_classes(load_recogniser(of_clips, encoders=encoders), ["horn"])
    torch.testing.assert_close(table.text[0, 64:], load("hashed-words:96").encode(["a brass tube"])[0])
    assert notes == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            ("own=hashed-words:64",),
            r"made of 2 parts \(hashed-words:64, hashed-words:96\+desc.* is given for 1",
        ),
        (("own", "hashed-words:64"), "gives 64 numbers, but .* text vectors of 96"),
        (("video=own", "own"), "is for both modalities"),
        (("hashed-words:64+prompts=photo", "own"), "has other prompts"),
    ],
)
def test_parts_that_do_not_fit_the_run_are_refused(of_clips: runs.Run, text: tuple[str, ...], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        class_table(load_recogniser(of_clips, encoders=EncoderChoice(text=text)), ["horn"])


def test_what_came_from_elsewhere_is_named_and_checked(run: runs.Run, root: Path, tmp_path: Path) -> None:
    """The run of a folder of features: its first part is the data's own, of no known encoder."""
    classes = runs.read_classes(run)
    vectors = dict(zip(classes.names, classes.text[:, :OWN].numpy(), strict=True))
    np.savez(tmp_path / "same.npz", horn=np.ones(OWN), **{name: 2 * vector for name, vector in vectors.items()})
    np.savez(tmp_path / "other.npz", horn=np.ones(OWN), **{name: -vector for name, vector in vectors.items()})

    def encoded(*text: str) -> tuple[ClassTable, tuple[str, ...]]:
        from functools import partial

        from avgzsl.recognition.text_encoders import load_text_encoder

        words = partial(load_text_encoder, run, classes, EncoderChoice(text=text))
        return asked_classes(replace(recogniser(run, classes), load_text=words), ["horn", "dog", "cat: it purrs"])

    table, notes = encoded(f"own=dict:{tmp_path / 'same.npz'}")
    assert table.text[0, :OWN].tolist() == [1.0] * OWN and len(notes) == 1
    assert torch.equal(table.text[1], classes.text[classes.names.index("dog")])
    assert torch.equal(table.text[2, :OWN], classes.text[classes.names.index("cat"), :OWN])
    torch.testing.assert_close(table.text[2, OWN:], load("hashed-words:64").encode(["it purrs"])[0])
    with pytest.raises(RunError, match=r"text vectors from elsewhere.*--text own=ENCODER"):
        encoded()
    with pytest.raises(ConfigError, match="another vector than"):
        encoded(f"own=dict:{tmp_path / 'other.npz'}")


def test_an_index_is_told_once_what_its_run_does_not_know(run: runs.Run, root: Path, tmp_path: Path) -> None:
    classes = runs.read_classes(run)
    vectors = dict(zip(classes.names, classes.text[:, :OWN].numpy(), strict=True))
    np.savez(tmp_path / "same.npz", horn=np.ones(OWN), **vectors)
    before = (run.folder / "config.json").read_bytes()
    told = EncoderChoice(text=f"own=dict:{tmp_path / 'same.npz'}")
    index(run, root, tmp_path / "index", encoders=told, split="test")
    assert len(search(tmp_path / "index", "horn")) > 0  # and nobody says it again
    assert (run.folder / "config.json").read_bytes() == before
    with pytest.raises(ConfigError, match="gives 64 numbers"):
        index(run, root, tmp_path / "other", encoders=EncoderChoice(text="own=hashed-words:64"), split="test")
    assert not (tmp_path / "other").exists()


def recogniser(run: runs.Run, classes: ClassTable):
    from functools import partial

    from avgzsl.experiments.calibration import Recognition
    from avgzsl.experiments.protocol import served_modes
    from avgzsl.recognition.recogniser import Recogniser

    return Recogniser(run, classes, Recognition(modes={}), served_modes(run.method)[0], {}, partial(lambda: None))


def test_a_packed_run_brings_no_path_and_answers_as_before(run, of_clips, root, tmp_path) -> None:
    pack(run.folder, tmp_path / "one")
    config = (tmp_path / "one" / "config.json").read_text()
    assert str(root.parent) not in config and "sentences.csv" in config
    assert evaluate(runs.load_run(tmp_path / "one"), root).results == evaluate(run).results
    pack(of_clips.folder, tmp_path / "two", weights=True)
    names = ["horn", BELL]
    there, here = (class_table(load_recogniser(folder), names) for folder in (of_clips.folder, tmp_path / "two"))
    assert torch.equal(there.text, here.text)
    assert "hashed-words:96+descriptions=sentences.csv:description" in (tmp_path / "two" / "README.md").read_text()


def test_a_run_from_before_text_had_parts_opens_as_one_part(of_clips, root, tmp_path) -> None:
    data = replace(open_dataset(root), encoders={"text": Encoder("words:v.bin")})
    kept = train(data, "least-squares", out=tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    for later in ("text", "text_asked", "models"):
        del config["data"][later]
    config["data"]["encoders"] = {"text": {"spec": "words:v.bin", "weights": []}}
    path.write_text(json.dumps(config))
    assert runs.load_run(tmp_path / "run").config == kept.config
    assert kept.config.data.text == (TextPart(OWN, None, Encoder("words:v.bin")),)


def test_parts_of_another_width_are_no_record(run, tmp_path) -> None:
    config = json.loads((run.folder / "config.json").read_text())
    config["data"]["text"][0]["width"] = 6
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="the parts of the text have 70 numbers, and its dimension is 69"):
        runs.read_config(tmp_path)


def test_merging_and_restricting_keep_the_parts(root: Path, asked: DataChoice) -> None:
    dataset: Dataset = as_dataset(root, asked)
    _, seen = dataset.training()
    assert seen.parts == dataset.classes.parts and len(seen) == len(SEEN)
