"""Many searches in one call find what each finds alone, whatever the engine; one that fails costs itself."""

import numpy as np
import pytest
import torch

from avgzsl.archive import nearest as searching
from avgzsl.archive.changing import remove, writing
from avgzsl.archive.engines import BatchScanner, engines, scans
from avgzsl.archive.nearest import Sought, nearest, nearest_many
from avgzsl.archive.where import parse
from avgzsl.errors import AvgzslError, ModalityError
from avgzsl.methods import Embeddings, TextEmbeddings
from avgzsl.scores import largest
from avgzsl.scores.similarity import SIMILARITIES
from tests.index_world import MODES, clips_of, collection_of, here, random_embeddings

SCANNING = [name for name in engines() if scans(name)]


def asked(count: int, d: int = 16, top: int = 10) -> list[Sought]:
    g = torch.Generator().manual_seed(9)
    return [Sought(here(torch.randn(d, generator=g)), top + i % 3, MODES[i % len(MODES)]) for i in range(count)]


def same(found, alone, exactly: bool = True) -> None:
    assert [clip.id for clip in found.clips] == [clip.id for clip in alone.clips]
    assert np.array_equal(found.scores, alone.scores) if exactly else found.scores == pytest.approx(alone.scores)
    assert np.array_equal(found.addends, alone.addends)
    assert (found.archive, found.recall, found.absent) == (alone.archive, alone.recall, alone.absent)


@pytest.fixture(scope="module")
def clips() -> Embeddings:
    return random_embeddings(3000, 16, seed=4)


@pytest.fixture(params=[0, 1 << 15], autouse=True)
def few(request, monkeypatch):
    """Of how many clips all products are sorted."""
    monkeypatch.setattr(largest, "_FEW", request.param)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("engine", [*SCANNING, "lancedb"])
def test_many_are_answered_as_each_alone(engine, similarity, clips, tmp_path, monkeypatch):
    collection = collection_of(tmp_path, clips, similarity, engine)
    sought = asked(16)
    alone = [nearest(collection, *one) for one in sought]
    products = []
    kind = type(collection.engine(collection.stored[0]))
    for name in ("query", "query_many", "scan"):
        if hasattr(kind, name):
            own = getattr(kind, name)
            monkeypatch.setattr(kind, name, lambda self, *given, own=own: products.append(given) or own(self, *given))
    together = nearest_many(collection, sought)
    for found, right in zip(together, alone, strict=True):
        same(found, right, exactly=similarity in ("mse", "euclidean"))
    if issubclass(kind, BatchScanner):
        most = len(MODES) if similarity != "euclidean" else 2 + 2 * 2
        assert len(products) <= most + 2  # one a mode, and what the first proposals did not prove


@pytest.mark.parametrize("engine", SCANNING)
def test_conditions_and_removed_clips_count_for_each(engine, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(searching, "_DIRECT", 100)
    collection = collection_of(tmp_path, clips, "euclidean", engine)
    with writing(collection) as db:
        remove(collection, db, [clip.id for clip in clips_of(clips)[:2900:2]])
    conditions = [None, parse("has_audio = yes"), parse("id contains 99"), parse("id = nobody")]
    sought = [one._replace(condition=conditions[i % 4]) for i, one in enumerate(asked(12))]
    for found, one in zip(nearest_many(collection, sought), sought, strict=True):
        same(found, nearest(collection, *one))
        assert all(one.condition != conditions[2] or "99" in clip.id for clip in found.clips)


@pytest.mark.parametrize("engine", SCANNING)
@pytest.mark.parametrize("similarity", ["mse", "euclidean"])
def test_one_that_fails_costs_itself(engine, similarity, clips, tmp_path):
    collection = collection_of(tmp_path, clips, similarity, engine)
    good = asked(3)
    bad = Sought(TextEmbeddings(None, torch.randn(1, 16), None), 10, MODES[0])
    first, problem, *others = nearest_many(collection, [good[0], bad, *good[1:]])
    assert isinstance(problem, ModalityError)
    for found, one in zip([first, *others], good, strict=True):
        same(found, nearest(collection, *one))
    with pytest.raises(ModalityError):
        nearest(collection, *bad)


def test_a_damaged_engine_is_told_to_all(clips, tmp_path):
    collection = collection_of(tmp_path, clips, "mse", "memory", MODES[2:3])
    (file,) = tmp_path.glob("engine/*.f32")
    file.write_bytes(np.full(file.stat().st_size // 4, np.nan, np.float32).tobytes())
    sought = [one._replace(mode=MODES[2]) for one in asked(3)]
    assert all(isinstance(found, AvgzslError) for found in nearest_many(collection, sought))
    assert nearest_many(collection, []) == []
