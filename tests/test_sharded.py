"""The engine `sharded`: the same answers as one engine; a shard that is dead, slow, made anew."""

import json
import secrets
import threading
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from avgzsl.archive.changing import append, apply, purge, remove, writing
from avgzsl.archive.engines import PLUGINS, open_engine
from avgzsl.archive.engines._base import PartialAnswer
from avgzsl.archive.hits import certainty
from avgzsl.archive.nearest import nearest
from avgzsl.archive.repair import rebuild_shard, verify
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.experiments.protocol import Mode
from tests.index_world import MODES, brute_force, clips_of, collection_of, here, random_embeddings
from tests.postgres_server import cluster, with_pgvector

SHARDED = PLUGINS.load("sharded")
MEMORY = PLUGINS.load("memory")
BOTH = Mode("both", "equal")
CLIPS = random_embeddings(900, 6, seed=1)
POINT = here(torch.randn(6, generator=torch.Generator().manual_seed(9)))


@pytest.fixture
def url(tmp_path):
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    return f"memory={one},{two},{three}"


@pytest.fixture
def collection(tmp_path, url, monkeypatch):
    return filled(tmp_path / "index", url, monkeypatch)


def filled(folder, url, monkeypatch, clips=CLIPS, similarity="mse"):
    folder.mkdir()
    monkeypatch.setenv("AVGZSL_ENGINE_URL", url)
    return collection_of(folder, clips, similarity, engine="sharded")


def ids(found):
    return [clip.id for clip in found.clips]


def right(collection, k=10, mode=BOTH, point=POINT):
    return [f"clip-{position}" for position in brute_force(collection.run.method, CLIPS, point, mode, k)[0]]


@contextmanager
def dead(monkeypatch, number):
    """The shard of this number fails at whatever it is asked."""

    def fails(*_):
        raise AvgzslError("nobody is there")

    with monkeypatch.context() as patched:
        opened = SHARDED.open_engine

        def open_engine(*given):
            made = opened(*given)
            broken = made.engines[number - 1]
            for name in ("query", "count", "upsert", "delete", "create"):
                setattr(broken, name, fails)
            return made

        patched.setattr(SHARDED, "open_engine", open_engine)
        yield


@pytest.mark.parametrize("similarity", ["mse", "euclidean", "dot", "cosine"])
def test_all_shards_together_answer_as_one_engine(tmp_path, url, monkeypatch, similarity):
    collection = filled(tmp_path / "index", url, monkeypatch, similarity=similarity)
    for mode in MODES:
        for k in (1, 10, 300):
            found = nearest(collection, POINT, k, mode)
            assert ids(found) == right(collection, k, mode)
            assert (found.recall, found.absent) == (None, ())
    assert not verify(collection)


def test_a_shard_is_asked_again_where_its_last_answer_might_not_be_the_last_that_counts(tmp_path, url):
    """All that is near lies in one shard."""
    engine = open_engine("sharded", tmp_path, "some", 3, url)
    engine.create()
    vectors = np.random.default_rng(0).standard_normal((3000, 3)).astype(np.float32)
    vectors[1::3] += 100
    engine.upsert(np.arange(3000), vectors)
    query = np.array([1, 1, 1], np.float32)
    found, products = engine.query(query, 500)
    assert found.tolist() == np.argsort(-(vectors @ query), kind="stable")[:500].tolist()
    assert set(found % 3) == {1}
    assert engine.query(query, 5, float(products[2]))[0].tolist() == found[:3].tolist()


@pytest.mark.parametrize(("large", "lost"), [(1, 1), (2, 1), (1, 2)])
def test_a_shard_that_is_lost_between_two_questions_takes_nothing_of_the_others_along(tmp_path, url, large, lost):
    """What it gave first was near enough that the others had not to give all of theirs."""
    engine = open_engine("sharded", tmp_path, "some", 3, url)
    engine.create()
    vectors = np.random.default_rng(0).standard_normal((3000, 3)).astype(np.float32)
    vectors[lost::3] += 100
    vectors[large::3] += 50
    engine.upsert(np.arange(3000), vectors)
    there, asked = engine.engines[lost].query, []

    def query(*given):
        asked.append(given)
        if len(asked) > 1:
            raise AvgzslError("nobody is there")
        return there(*given)

    engine.engines[lost].query = query
    direction = np.array([1, 1, 1], np.float32)
    with pytest.raises(PartialAnswer) as problem:
        engine.query(direction, 1500)
    assert len(asked) == 2
    left = np.flatnonzero(np.arange(3000) % 3 != lost)
    nearest_first = left[np.argsort(-(vectors[left] @ direction), kind="stable")]
    assert problem.value.positions.tolist() == nearest_first[:1500].tolist()


def test_what_is_removed_is_purged_from_every_shard(collection, tmp_path):
    gone = ids(nearest(collection, POINT, 7, BOTH))
    with writing(collection) as db:
        remove(collection, db, gone)
        purge(collection, db)
    assert not set(gone) & set(ids(nearest(collection, POINT, 100, BOTH)))
    assert not verify(collection)


def test_a_dead_shard_is_told(collection, monkeypatch):
    whole = right(collection, 900)
    with dead(monkeypatch, 2):
        collection.close()
        found = nearest(collection, POINT, 20, BOTH)
    assert found.absent == (f"shard 2 of 3 (memory at {collection.folder.parent / 'two'}): nobody is there",)
    assert certainty(found) == ("partial: 1 part of the index does not answer, clips may be missing",)
    # those of the last ten clips are in no shard yet
    assert ids(found) == [name for name in whole if int(name[5:]) % 3 != 1 or int(name[5:]) >= 890][:20]
    collection.close()
    again = nearest(collection, POINT, 20, BOTH)
    assert (ids(again), again.absent) == (whole[:20], ())


def test_where_no_shard_answers_there_is_no_answer(collection, monkeypatch):
    with dead(monkeypatch, 1), dead(monkeypatch, 2), dead(monkeypatch, 3):
        collection.close()
        with pytest.raises(AvgzslError, match=r"no shard answers: shard 1 .*shard 3"):
            nearest(collection, POINT, 20, BOTH)


def test_a_shard_is_waited_for_as_long_as_is_said(collection, monkeypatch):
    monkeypatch.setenv("AVGZSL_SHARD_WAIT", "60")
    nearest(collection, POINT, 20, BOTH)
    engine, failures = collection.engine(BOTH).engines[2], iter(range(3))
    query = engine.query

    def later(*given):
        if next(failures, None) is not None:
            raise AvgzslError("starting")
        return query(*given)

    monkeypatch.setattr(engine, "query", later)
    found = nearest(collection, POINT, 20, BOTH)
    assert (ids(found), found.absent) == (right(collection, 20), ())
    assert next(failures, None) is None, "it failed three times"


def test_a_shard_that_hangs_is_not_waited_for(collection, monkeypatch):
    nearest(collection, POINT, 20, BOTH)
    released = threading.Event()
    monkeypatch.setenv("AVGZSL_SHARD_SECONDS", "0.05")
    monkeypatch.setattr(collection.engine(BOTH).engines[0], "query", lambda *_: released.wait(60))
    try:
        found = nearest(collection, POINT, 20, BOTH)
    finally:
        released.set()
    assert any("shard 1 of 3" in said and "does not answer within 0.05 s" in said for said in found.absent)


def test_a_write_to_a_dead_shard_fails_and_goes_on(collection, monkeypatch):
    more = random_embeddings(60, 6, seed=3)
    with dead(monkeypatch, 3):
        collection.close()
        with writing(collection) as db:
            append(collection, db, clips_of(more, 900), more)
            with pytest.raises(AvgzslError, match=r"shard 3 of 3 .*nobody is there"):
                apply(collection, db, enough=1)
        point = here(more.audio[int(more.has_audio.nonzero()[0])])
        known = f"clip-{900 + int(more.has_audio.nonzero()[0])}"
        assert known in ids(nearest(collection, point, 2, Mode("audio", "equal"))), "it waits, and is found"
    collection.close()
    with writing(collection) as db:
        apply(collection, db, enough=1)
    assert not verify(collection)
    assert nearest(collection, POINT, 10, BOTH).absent == ()


def test_one_shard_is_made_anew_and_the_others_go_on(collection, tmp_path, monkeypatch):
    nearest(collection, POINT, 1, BOTH)
    for file in (tmp_path / "two").iterdir():
        file.unlink()
    collection.close()
    collection.checked.clear()
    with pytest.raises(DataError, match=r"shard 2 of 3 .*index-rebuild --shard 2"):
        nearest(collection, POINT, 10, BOTH)
    before = {file: file.stat().st_mtime_ns for name in ("one", "three") for file in (tmp_path / name).iterdir()}
    seen = []
    upsert = MEMORY.Memory.upsert

    def watched(self, *given):
        seen.append(nearest(replace(collection, opened={}, checked=set()), POINT, 10, BOTH).absent)
        return upsert(self, *given)

    monkeypatch.setattr(MEMORY.Memory, "upsert", watched)
    rebuild_shard(collection, 2)
    assert any("is being made anew" in " ".join(absent) for absent in seen)
    assert before == {file: file.stat().st_mtime_ns for file in before}, "the others are as they were"
    assert ids(nearest(collection, POINT, 10, BOTH)) == right(collection)
    assert not verify(collection)


def test_a_rebuild_that_was_killed_is_told_until_it_is_done_again(collection, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(MEMORY.Memory, "upsert", lambda *_: (_ for _ in ()).throw(AvgzslError("killed")))
        with pytest.raises(AvgzslError, match="killed"):
            rebuild_shard(collection, 1)
    collection.close()
    modes = [mode for mode in MODES if nearest(collection, POINT, 10, mode).absent]
    assert modes, "one of them was begun"
    rebuild_shard(collection, 1)
    assert not [mode for mode in MODES if nearest(collection, POINT, 10, mode).absent]
    with pytest.raises(ConfigError, match="no shard 4; give one from 1 to 3"):
        rebuild_shard(collection, 4)


def test_an_engine_without_shards_has_none_to_make_anew(tmp_path):
    with pytest.raises(ConfigError, match="memory has no shards"):
        rebuild_shard(collection_of(tmp_path, CLIPS), 1)


def test_shards_in_another_order_have_no_such_vectors(collection, tmp_path, monkeypatch):
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for other in (f"memory={two},{one},{three}", f"memory={one},{two}", f"memory={one},{two},{three},{tmp_path}"):
        monkeypatch.setenv("AVGZSL_ENGINE_URL", other)
        with pytest.raises(DataError, match="index-rebuild"):
            nearest(replace(collection, opened={}, checked=set()), POINT, 10, BOTH)


def test_seconds_that_are_none_are_refused(collection, monkeypatch):
    monkeypatch.setenv("AVGZSL_SHARD_SECONDS", "soon")
    with pytest.raises(ConfigError, match="AVGZSL_SHARD_SECONDS is 'soon'"):
        nearest(collection, POINT, 10, BOTH)


def test_three_real_servers_of_which_one_is_killed(tmp_path, monkeypatch):
    """PostgreSQL, each with a password of its own; nothing that was acknowledged is lost."""
    with cluster(with_pgvector(), 3) as servers:
        for number, server in enumerate(servers, 1):
            server.password = secrets.token_hex(8)
            server.make()
            monkeypatch.setenv(f"PGPASSWORD_{number}", server.password)
        for server in servers:
            server.start()
        for server in servers:
            server.wait()
        monkeypatch.setenv("PGUSER", servers[0].environment["PGUSER"])
        url = "pgvector=" + ",".join(server.url for server in servers)
        collection = filled(tmp_path / "index", url, monkeypatch)
        whole = right(collection, 900)
        assert ids(nearest(collection, POINT, 20, BOTH)) == whole[:20]
        assert json.loads((collection.folder / "index.json").read_text())["engine"] == "sharded"

        servers[1].kill()
        partial = nearest(collection, POINT, 20, BOTH)
        assert [said.partition(" (")[0] for said in partial.absent] == ["shard 2 of 3"]
        assert not any(server.password in " ".join(partial.absent) for server in servers)
        assert ids(partial) == [name for name in whole if int(name[5:]) % 3 != 1 or int(name[5:]) >= 890][:20]
        with writing(collection) as db, pytest.raises(AvgzslError, match="shard 2 of 3"):
            apply(collection, db, enough=1)

        servers[1].start()
        servers[1].wait()
        again = nearest(collection, POINT, 20, BOTH)
        assert (ids(again), again.absent) == (whole[:20], ())
        with writing(collection) as db:
            apply(collection, db, enough=1)
        assert not verify(collection)
