"""An approximate engine: what it finds is ranked again, how much of the nearest that is, is measured and told."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from avgzsl.archive import recall
from avgzsl.archive.approximation import approximately
from avgzsl.archive.asked import Asked
from avgzsl.archive.changing import purge, remove, writing
from avgzsl.archive.collection import view
from avgzsl.archive.engines import PLUGINS
from avgzsl.archive.hits import certainty
from avgzsl.archive.index_checks import checked_recall, require_recall_used
from avgzsl.archive.nearest import nearest
from avgzsl.archive.recall_record import RECALL, measured
from avgzsl.archive.where import parse
from avgzsl.errors import ConfigError, DataError, RunError
from avgzsl.experiments.protocol import Mode
from tests.index_world import MODES, brute_force, collection_of, here, random_embeddings

BOTH = Mode("both", "equal")
CLIPS = random_embeddings(3000, 6, seed=1)
POINT = here(torch.randn(6, generator=torch.Generator().manual_seed(9)))


@pytest.fixture
def lossy(monkeypatch):
    """The engine `memory`, which misses every seventh position unless it is asked for a thousand."""
    module = PLUGINS.load("memory")
    whole = module.Memory.query

    def query(self, vector, n, least=-np.inf):
        positions, products = whole(self, vector, n, least)
        keep = (positions % 7 != 0) | (n >= lossy.enough)
        return positions[keep], products[keep]

    lossy.enough = 1000
    monkeypatch.setattr(module, "APPROXIMATE", True, raising=False)
    monkeypatch.setattr(module, "SCANS", False)
    monkeypatch.setattr(module.Memory, "query", query)
    monkeypatch.setattr(recall, "read_classes", no_classes)
    monkeypatch.setattr(recall, "_QUESTIONS", 48)
    return lossy


def no_classes(run):
    raise RunError("these runs have no file of classes")


def built(folder, **known):
    collection = collection_of(folder, CLIPS, **known)
    with writing(collection) as db:
        recall.renew(collection, db)
    return collection


def ids(found):
    return [clip.id for clip in found.clips]


def test_an_engine_whose_recall_was_not_measured_is_not_asked(lossy, tmp_path):
    collection = collection_of(tmp_path, CLIPS)
    found = nearest(collection, POINT, 10, BOTH)
    assert ids(found) == [f"clip-{p}" for p in brute_force(collection.run.method, CLIPS, POINT, BOTH, 10)[0]]
    assert found.recall is None


@pytest.mark.parametrize("similarity", ["mse", "euclidean"])
def test_as_many_candidates_are_ranked_as_reach_the_recall(lossy, tmp_path, similarity):
    collection = built(tmp_path, similarity=similarity)
    for mode in MODES:
        known = measured(collection, mode)
        assert known.candidates * 16 >= lossy.enough, "with fewer a seventh is missed"
        assert known.recall == 1.0
        found = nearest(collection, POINT, 10, mode)
        assert ids(found) == [f"clip-{p}" for p in brute_force(collection.run.method, CLIPS, POINT, mode, 10)[0]]
        assert found.recall == 1.0


def test_a_recall_that_is_enough_takes_fewer_candidates(lossy, tmp_path):
    collection = built(tmp_path, wanted_recall=0.7)
    known = measured(collection, BOTH)
    assert known.candidates == 4
    assert 0.75 < known.recall < 0.93, "a seventh is missed"
    found = nearest(collection, POINT, 10, BOTH)
    assert found.recall == known.recall
    right = set(brute_force(collection.run.method, CLIPS, POINT, BOTH, 10)[0])
    missed = {p for p in right if p % 7 == 0 and p < 2990}
    assert {int(name[5:]) for name in ids(found)} & right == right - missed
    assert certainty(found) == (f"approximate: finds {math.floor(1000 * known.recall) / 10:.1f} % of the ten nearest",)
    assert certainty(found._replace(recall=0.9999))[0].startswith("approximate: finds 99.9 %")


def test_an_engine_is_tuned_to_miss_half_of_what_it_may(lossy, tmp_path, monkeypatch):
    """On questions that nothing was chosen on it misses more."""
    asked = []
    tune = lambda self, queries, wanted: asked.append((len(queries), wanted))  # noqa: E731
    monkeypatch.setattr(PLUGINS.load("memory").Memory, "tune", tune, raising=False)
    built(tmp_path, wanted_recall=0.98)
    assert asked and all(wanted == pytest.approx(0.99) for _, wanted in asked)
    assert all(12 < count <= 24 for count, _ in asked), "every second question of a clip that has all that is compared"


def test_the_measure_is_that_of_a_comparison_with_every_clip(lossy, tmp_path):
    """The recall that is noted is counted once more here, from the questions and brute force."""
    collection = built(tmp_path, wanted_recall=0.7)
    hits = total = 0
    with view(collection) as seen:
        some = recall._every_second(recall._clips(seen, BOTH), 1)
        for point, own in zip(some.points, some.own, strict=True):
            right = [p for p in brute_force(collection.run.method, CLIPS, point, BOTH, 11)[0] if p != own][:10]
            found = approximately(seen, Asked(point, BOTH), 11, 4).positions
            twins = {p + 2700 for p in right} | {p - 2700 for p in right}  # of equal score
            hits += min(len((set(found[found != own][:10])) & (set(right) | twins)), 10)
            total += 10
    assert measured(collection, BOTH).recall == pytest.approx(hits / total, abs=0.01)
    assert measured(collection, BOTH).questions == len(some.points)


def test_waiting_clips_conditions_removal_and_purge(lossy, tmp_path, monkeypatch):
    monkeypatch.setattr("avgzsl.archive.nearest._DIRECT", 10)
    collection = built(tmp_path, wanted_recall=0.7)
    last = max(p for p in range(2990, 3000) if CLIPS.has_audio[p])
    waiting = nearest(collection, here(CLIPS.audio[last]), 2, Mode("audio", "equal"))
    assert f"clip-{last}" in ids(waiting), "clips that the engine has not got are all ranked"
    found = nearest(collection, POINT, 500, BOTH, parse("has_audio = true"))
    assert len(found.clips) == 500
    assert all(clip.has_audio for clip in found.clips)
    gone = [clip.id for clip in nearest(collection, POINT, 5, BOTH).clips]
    with writing(collection) as db:
        remove(collection, db, gone)
    assert not set(gone) & set(ids(nearest(collection, POINT, 500, BOTH)))
    with writing(collection) as db:
        purge(collection, db)
    assert not set(gone) & set(ids(nearest(collection, POINT, 500, BOTH)))


def test_an_exact_engine_notes_nothing_and_takes_no_recall(tmp_path):
    collection = built(tmp_path)
    assert not (tmp_path / RECALL).exists()
    assert nearest(collection, POINT, 10, BOTH).recall is None
    with pytest.raises(ConfigError, match="exact; leave the recall out"):
        require_recall_used(replace(collection, record=collection.record.model_copy(update={"wanted_recall": 0.9})))
    with pytest.raises(ConfigError, match=r"a recall of 99\.0"):
        checked_recall(99.0)


def test_a_damaged_record_says_what_to_do(lossy, tmp_path):
    collection = built(tmp_path)
    (tmp_path / RECALL).write_text('{"format": 1, "clips": 5, "modes": {"both equal": {"recall": 2}}}')
    with pytest.raises(DataError, match=r"recall\.json: not the recall of an index .*index-rebuild"):
        nearest(collection, POINT, 10, BOTH)
