"""What a method says of itself is held to where it counts: no index, no pack where it says why not."""

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from avgzsl import pack, search
from avgzsl.archive.indexing import index
from avgzsl.data.layouts import open_dataset
from avgzsl.errors import ConfigError, UnknownNameError
from avgzsl.experiments.train_evaluate import evaluate, save_results, train
from avgzsl.features.extract import extract
from avgzsl.generators import generate
from avgzsl.methods import bibtex, citation_keys, method_class, methods, references
from avgzsl.reports.citing import cite, cited
from avgzsl.reports.evaluation_files import write_evaluation
from avgzsl.types import EncoderChoice
from tests.small_set import write_set

WHY = "its classifier knows a closed list of names"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(data, "least-squares", out=tmp_path_factory.mktemp("runs") / "run").folder


def test_index_and_search_refuse_a_method_with_its_reason(data, run, tmp_path, monkeypatch):
    made = tmp_path / "index"
    index(run, data, made, split="val", engine="memory")
    monkeypatch.setattr(method_class("least-squares"), "searchable", WHY)
    with pytest.raises(ConfigError, match=f"least-squares can be neither indexed nor searched with: {WHY}"):
        index(run, data, tmp_path / "other", split="val", engine="memory")
    assert not (tmp_path / "other").exists()
    with pytest.raises(ConfigError, match=WHY):
        search(made, "a word")


def test_pack_refuses_a_method_with_its_reason(run, tmp_path, monkeypatch):
    monkeypatch.setattr(method_class("least-squares"), "packable", WHY)
    with pytest.raises(ConfigError, match=f"a run of least-squares cannot be packed: {WHY}"):
        pack(run, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_every_method_of_the_package_has_its_formulas_and_its_entry():
    text = (Path(__file__).parents[1] / "docs" / "methods.md").read_text()
    for name in methods():
        kind = method_class(name)
        if kind.__module__.startswith("avgzsl."):
            assert f"\n### `{name}`\n" in text, name
            assert kind.citation and set(citation_keys(kind.citation)) <= references().keys(), name


def test_references_are_whole():
    text = Path(str(files("avgzsl.methods") / "references.bib")).read_text()
    assert len(references()) == len(re.findall(r"^@", text, re.M))  # none is lost, and no key is there twice
    for key, entry in references().items():
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, re.M))
        assert {"author", "title", "year"} <= fields.keys(), key
        assert re.fullmatch(r"(19|20)\d\d", fields["year"]), key
        assert entry.count("{") == entry.count("}"), key
        assert "eprint" not in fields or re.fullmatch(r"\d{4}\.\d{4,5}", fields["eprint"]), key
        kind = entry.partition("{")[0]
        assert kind == "@misc" or {"booktitle", "journal"} & fields.keys(), key
        lines = entry.splitlines()
        assert all(line.endswith(",") for line in lines[:-2]) and not lines[-2].endswith(","), key
    wanted = "avgzslnet cjme gcca devise ale sje eszsl conse sae exemplars avca tcaf clipclap hyper kda hsp-moe apn"
    wanted += " f-vaegan-d2 ez-avgzl avmst ucf101 activitynet vggsound vggsounder audioset esc-50"
    assert set(wanted.split()) <= references().keys()


def test_bibtex_gives_each_entry_once_and_a_methods_own():
    own = "@misc{mine,\n  title = {Mine}\n}"
    assert bibtex(["cjme, avgzslnet", own, "cjme", ""]) == "\n\n".join(
        [references()["cjme"], references()["avgzslnet"], own]
    )
    with pytest.raises(UnknownNameError, match=r"unknown reference 'cjm'; did you mean cjme"):
        bibtex(["cjm"])


def test_data_are_cited_by_their_layout(tmp_path):
    data = open_dataset(generate("audioset-zsl", tmp_path / "set", scale=0.004, seed=0))
    text = cite(["cjme", "eszsl"], [data])
    assert text.startswith("% set is generated data") and text.count("@inproceedings{cjme,") == 1
    assert all(f"{{{key}," in text for key in ("eszsl", "audioset", "stacking", "demsar"))
    lists = tmp_path / "ucf" / "class-split"
    lists.mkdir(parents=True)
    (lists / "ucf_w2v_class_names.csv").touch()
    known = replace(data, layout="avca", source=str(tmp_path / "ucf"), generated="")
    assert cited(known) == ["avca", "ucf101"] and not cite([], [known]).startswith("%")
    assert cite([], [replace(known, layout="own")]).startswith("% ucf is no data set that is known here")


def test_a_run_on_generated_data_says_so_in_its_tables_and_its_card(tmp_path):
    made = generate("audioset-zsl", tmp_path / "set", scale=0.004, seed=3)
    run = train(made, "least-squares", out=tmp_path / "run")
    evaluation = evaluate(run)
    save_results(run.folder, evaluation)
    files = write_evaluation(evaluation, tmp_path / "files")
    said = "The data are generated, and compare with nothing real. Made up: every clip (audioset-zsl, seed 3"
    tables = next(file for file in files if file.name == "tables.md").read_text()
    assert tables.count(said) == tables.count("(generated data)") == 2
    pack(run, tmp_path / "packed")
    assert (tmp_path / "packed" / "README.md").read_text().count(said) == 2


def test_generated_data_say_so_and_so_does_a_store_of_their_features(tmp_path):
    made = generate("audioset-zsl", tmp_path / "set", scale=0.004, seed=3)
    assert open_dataset(made).generated == "Made up: every clip (audioset-zsl, seed 3, scale 0.004)."
    (made / "generated.txt").unlink()
    assert open_dataset(made).generated == ""
    clips = generate("clips", tmp_path / "clips", scale=0.001)
    store = tmp_path / "store"
    extract(
        clips,
        store,
        manifest=clips / "manifest.csv",
        encoders=EncoderChoice(video="descriptors", text="hashed-words:64"),
    )
    assert open_dataset(store).generated.startswith("Made up: every clip (clips, seed 0")
