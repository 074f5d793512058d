"""HNSW in PostgreSQL: as much of the nearest as was asked for, and as many as were asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.archive import recall as recall_module
from avgzsl.archive.changing import writing
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import view
from avgzsl.archive.engines import is_approximate, open_engine
from avgzsl.archive.engines import pgvector_hnsw as module
from avgzsl.archive.nearest import nearest
from avgzsl.archive.where import parse
from avgzsl.errors import ConfigError, RunError
from avgzsl.experiments.protocol import Mode
from tests.index_world import brute_force, collection_of, here, random_embeddings, rows

N, D = 2000, 24
MODE = Mode("both", "equal")
SOME = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
ASKED = np.random.default_rng(1).standard_normal((30, D)).astype(np.float32)


@pytest.fixture
def engine(pgvector_url, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c enable_seqscan=off")  # of so few rows the server would compare all
    monkeypatch.setattr(module, "_DIRECT", 100)
    made = open_engine("pgvector-hnsw", Path("nowhere"), "graph", D, pgvector_url)
    made.create()
    clips = [IndexedClip(f"clip-{i}", "h", label=f"label {i % 10}") for i in range(N)]
    made.upsert_known(np.arange(N), SOME, clips)
    yield made
    made.close()


def recall(engine, n, chosen=slice(None), condition=()):
    found = 0
    for query in ASKED:
        products = SOME @ query
        allowed = np.arange(N)[chosen]
        best = allowed[np.argsort(-products[allowed])[:n]]
        near, said = engine.query_where(query, n, -np.inf, condition)
        assert len(near) == n and set(near.tolist()) <= set(allowed.tolist())
        assert said == pytest.approx(products[near], abs=1e-4) and (np.diff(said) <= 0).all()
        found += np.isin(best, near).sum()
    return found / (n * len(ASKED))


def test_the_recall_that_is_asked_for_is_reached_and_kept(engine, pgvector_url):
    assert is_approximate("pgvector-hnsw")
    assert recall(engine, 10) == 1  # nothing is built: everything is compared
    engine._candidates = None
    engine.tune(ASKED, 0.6)
    coarse = engine._candidates, recall(engine, 10)
    engine.tune(ASKED, 0.999)
    assert engine._candidates > coarse[0] and 0.6 <= coarse[1] < recall(engine, 10) >= 0.99
    again = open_engine("pgvector-hnsw", Path("nowhere"), "graph", D, pgvector_url)
    assert again._noted() == engine._candidates
    again.close()


def test_as_many_are_found_as_are_asked_for(engine):
    engine.tune(ASKED, 0.9)
    assert recall(engine, 1500) > 0.9  # more than pgvector keeps at a time
    assert len(engine.query(ASKED[0], N + 1)[0]) == N
    middle = float(np.sort(SOME @ ASKED[0])[-5])
    assert len(engine.query(ASKED[0], 100, middle)[0]) == 5


def test_conditions_are_met_in_the_graph_and_few_rows_are_compared(engine):
    engine.tune(ASKED, 0.95)
    assert recall(engine, 10, slice(3, None, 10), parse("label = 'label 3'")) > 0.9
    assert recall(engine, 1, slice(7, 8), parse("id = clip-7")) == 1


def test_new_and_removed_rows_are_in_step(engine):
    engine.tune(ASKED, 0.9)
    nearest = engine.query(ASKED[0], 1)[0]
    engine.delete(nearest)
    assert engine.query(ASKED[0], 1)[0] != nearest
    engine.upsert(nearest, SOME[nearest])
    assert engine.query(ASKED[0], 1)[0] == nearest


def test_longer_vectors_than_it_takes_are_refused():
    with pytest.raises(ConfigError, match="2001 numbers are asked for, and HNSW takes at most 2000"):
        open_engine("pgvector-hnsw", Path("nowhere"), "graph", 2001, "postgresql://127.0.0.1/db")


def test_an_index_says_how_much_of_the_nearest_it_finds(pgvector_url, tmp_path, monkeypatch):
    def no_classes(run):
        raise RunError("these runs have no file of classes")

    monkeypatch.setattr(recall_module, "read_classes", no_classes)
    clips = random_embeddings(600, 6, seed=1)
    collection = collection_of(tmp_path, clips, "euclidean", "pgvector-hnsw", [MODE], url=pgvector_url)
    with writing(collection) as db:
        recall_module.renew(collection, db)
    point = here(torch.randn(6, generator=torch.Generator().manual_seed(9)))
    for condition in (None, parse("has_video = yes"), parse("id contains CLIP-2")):
        found = nearest(collection, point, 10, MODE, condition)
        assert found.recall >= 0.9 and len(found.clips) == 10
        with view(collection) as seen:
            allowed = seen.positions(condition or ())
        best, _ = brute_force(collection.run.method, rows(clips, allowed), point, MODE, 10)
        assert len({clip.id for clip in found.clips} & {f"clip-{allowed[i]}" for i in best}) >= 9
    collection.close()
