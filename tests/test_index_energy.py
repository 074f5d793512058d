"""The energy term from the run's calibration into an index, and out of it: search, evaluation, and what is said."""

import json

import pytest
import torch

from avgzsl import open_dataset
from avgzsl.archive import index_record
from avgzsl.archive.addends import is_corrected
from avgzsl.archive.collection import open_index
from avgzsl.archive.index_record import IndexRecord
from avgzsl.archive.indexing import index, index_add, index_info, index_rebuild, index_verify
from avgzsl.archive.retrieval import index_evaluate
from avgzsl.archive.search import search
from avgzsl.errors import ConfigError
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import load_run, read_classes
from avgzsl.experiments.train_evaluate import train
from avgzsl.scores.energy import corrected
from avgzsl.scores.metrics import retrieval
from tests.small_set import write_set

AUDIO, VIDEO, BOTH = Mode("audio", "equal"), Mode("video", "equal"), Mode("both", "equal")
NUMBERS = {AUDIO: (0.5, 0.1), VIDEO: (1.0, 0.3), BOTH: (0.75, 0.2)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(data, "least-squares", out=tmp_path_factory.mktemp("run") / "run").folder


def made(run, data, folder, monkeypatch, numbers=NUMBERS, engine="memory"):
    """An index by a run whose calibration chose these numbers."""
    monkeypatch.setattr(index_record, "mode_energy", lambda run, mode: numbers[mode])
    index(run, data, folder, engine=engine)
    return folder


@pytest.mark.parametrize("engine", ["memory", "lancedb"])
def test_an_index_is_searched_plain_and_corrected(engine, run, data, tmp_path, monkeypatch):
    folder = made(run, data, tmp_path / "index", monkeypatch, engine=engine)
    monkeypatch.undo()
    index(run, data, tmp_path / "plain", engine=engine)
    name = load_run(run).config.data.unseen[0]
    now, plain = search(folder, name), search(folder, name, retrieval="plain")
    assert [hit.score for hit in search(tmp_path / "plain", name)] == [hit.score for hit in plain]
    assert not any(hit.addend for hit in plain) and all(hit.addend for hit in now)
    assert [hit.id for hit in now] != [hit.id for hit in plain]
    every = {hit.id: hit for hit in search(folder, name, top=80, retrieval="plain")}
    addends = {hit.id: hit.addend for hit in search(folder, name, top=80, retrieval="corrected")}
    wanted = sorted(every, key=lambda clip: -(every[clip].score + addends[clip]))[:20]
    assert [hit.id for hit in now] == wanted
    assert all(hit.score == every[hit.id].score + hit.addend for hit in now)
    assert all(hit.distance == pytest.approx(every[hit.id].distance) for hit in now)


def test_a_clip_asks_by_plain_scores_unless_corrected_ones_are_asked_for():
    record = IndexRecord.model_construct(energy={"audio": 1})
    told = [is_corrected(record, by, "it", words) for by in (None, "plain", "corrected") for words in (True, False)]
    assert told == [True, False, False, False, True, True]


def test_evaluation_is_that_of_the_corrected_scores(run, data, tmp_path, monkeypatch):
    folder = made(run, data, tmp_path / "index", monkeypatch)
    dataset, opened = open_dataset(data), load_run(run)
    test, classes = dataset.splits["test"], read_classes(opened)
    told, plain = index_evaluate(folder, "test"), index_evaluate(folder, "test", retrieval="plain")
    assert (told.retrieval, plain.retrieval) == ("corrected", "plain")
    gallery = gallery_of(opened.method, test, classes)
    for by, k in ((told, 1.0), (plain, 0.0)):
        for row, mode in zip(by.results, gallery.modes, strict=True):
            scored = gallery.score(mode, {})
            both = (test.has("audio") & test.has("video"))[scored.rows]
            lone = {m: test.has(m)[scored.rows] & ~both for m in ("audio", "video")}
            share, warmth = (torch.full((len(scored.rows),), x, dtype=torch.float64) for x in NUMBERS[mode])
            if mode == BOTH:
                for alone in (AUDIO, VIDEO):
                    share[lone[alone.modality]], warmth[lone[alone.modality]] = NUMBERS[alone]
            figures = retrieval(corrected(scored.scores, classes.seen, k * share, warmth), scored.labels, classes.seen)
            assert row["HM"] == pytest.approx(figures.HM, abs=1e-6)


def test_what_comes_in_later_and_a_rebuild_keep_the_numbers_of_the_index(run, data, tmp_path, monkeypatch):
    folder = made(run, data, tmp_path / "index", monkeypatch)
    name = load_run(run).config.data.seen[0]
    before = search(folder, name)
    monkeypatch.undo()  # the index has its own numbers: the run is asked no more
    assert index_add(folder, data).added == 0
    index_rebuild(folder)
    assert index_verify(folder).rows() == []
    assert search(folder, name) == before
    assert index_info(folder).json()["energy"]["video"] == {"share": 1.0, "temperature": 0.3}


def test_an_addend_that_was_changed_is_found(run, data, tmp_path, monkeypatch):
    folder = made(run, data, tmp_path / "index", monkeypatch)
    file = folder / "engine" / next((folder / "engine").glob("*both-equal.f32")).name
    content = bytearray(file.read_bytes())
    content[-5] ^= 0x40  # of the addend, which stands before c
    file.write_bytes(content)
    assert "both-equal" in index_verify(folder).engine[0]


def test_without_a_share_an_index_is_as_it_was(run, data, tmp_path, monkeypatch):
    folder = made(run, data, tmp_path / "index", monkeypatch, dict.fromkeys(NUMBERS, (0.0, 0.1)))
    assert open_index(folder).record.energy == {}
    assert not any(hit.addend for hit in search(folder, "pig"))
    with pytest.raises(ConfigError, match="has no energy term.*--out NEW"):
        search(folder, "pig", retrieval="corrected")
    with pytest.raises(ConfigError, match="has no energy term"):
        index_evaluate(folder, retrieval="corrected")


def test_the_record_of_an_index_tells_the_numbers_of_its_modes(run, data, tmp_path, monkeypatch):
    folder = made(run, data, tmp_path / "index", monkeypatch, NUMBERS | {AUDIO: (0.0, 1.0)})
    kept = json.loads((folder / "index.json").read_text())
    assert kept["energy"]["audio"] == {"share": 0.0, "temperature": 1.0}
    assert kept["energy"].keys() == {"audio", "video", "both-equal"}
    assert not any(hit.addend for hit in search(folder, "pig", modality="audio"))
    assert all(hit.addend for hit in search(folder, "pig", modality="video"))
