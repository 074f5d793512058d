"""The engine `faiss`: its lists, what is left in its files, and files that are not what they say."""

import json
import random
import shutil

import numpy as np
import pytest
import torch

from avgzsl.archive import recall
from avgzsl.archive.changing import append, apply, purge, remove, writing
from avgzsl.archive.engines import open_engine
from avgzsl.archive.nearest import nearest
from avgzsl.archive.repair import rebuild, verify
from avgzsl.errors import AvgzslError, DataError, RunError
from avgzsl.experiments.protocol import Mode
from tests.index_world import MODES, brute_force, clips_of, collection_of, here, random_embeddings

pytest.importorskip("faiss")
from avgzsl.archive.engines import PLUGINS

ENGINE = PLUGINS.load("faiss")
WIDTH = 9
G = np.random.default_rng(0)
CENTRES = G.standard_normal((40, WIDTH)).astype(np.float32) * 3
VECTORS = (CENTRES[G.integers(40, size=6000)] + G.standard_normal((6000, WIDTH))).astype(np.float32)
POSITIONS = np.arange(6000) * 2
QUERIES = np.append(VECTORS[::200, :-1], np.full((30, 1), -1), axis=1).astype(np.float32)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(ENGINE, "_FEW", 1000)


@pytest.fixture
def engine(tmp_path):
    made = open_engine("faiss", tmp_path, "some", WIDTH)
    made.create()
    for start in range(0, 6000, 1000):
        made.upsert(POSITIONS[start : start + 1000], VECTORS[start : start + 1000])
    made.tune(QUERIES, 0.99)
    return made


def largest(query, n, keep=slice(None)):
    return POSITIONS[keep][np.argsort(-(VECTORS[keep] @ query), kind="stable")[:n]]


def share(engine, n):
    return np.mean([np.isin(engine.query(query, n)[0], largest(query, n)).mean() for query in QUERIES])


def record(engine):
    return json.loads((engine.folder / "parts.json").read_text())


def test_vectors_lie_in_lists_of_which_few_are_looked_into(engine):
    said = record(engine)
    assert [part["lists"] for part in said["parts"]] == [64]
    assert dict(said["probes"])[16] < 32
    assert share(engine, 16) >= 0.99
    assert share(engine, 64) >= 0.99


def test_a_lower_recall_looks_into_fewer_lists(engine):
    before = dict(map(tuple, record(engine)["probes"]))
    engine.tune(QUERIES, 0.5)
    after = dict(map(tuple, record(engine)["probes"]))
    assert after[64] < before[64]
    assert 0.5 <= share(engine, 64) < 0.99


def test_asked_for_many_it_finds_them_all(engine):
    for n in (800, 6000, 10_000):
        found, products = engine.query(QUERIES[3], n)
        assert len(set(found.tolist())) == min(n, 6000)
        assert products == pytest.approx(np.sort(VECTORS @ QUERIES[3])[::-1][:n], abs=1e-4)


def test_new_vectors_are_found_at_once_and_come_into_the_lists_where_they_are_many(engine, monkeypatch):
    monkeypatch.setattr(ENGINE, "learn", None)  # not learned anew
    new = QUERIES[:5, :].copy() * 4
    engine.upsert(20_000 + np.arange(5), new)
    assert engine.query(QUERIES[0], 1)[0].tolist() == [20_000 + int((new @ QUERIES[0]).argmax())]
    engine.tune(QUERIES, 0.99)
    assert len(record(engine)["parts"]) == 2, "few are left beside the lists"
    engine.upsert(30_000 + np.arange(600), VECTORS[:600] * 1.01)
    engine.tune(QUERIES, 0.99)
    assert [part["rows"] for part in record(engine)["parts"]] == [6605]
    assert engine.count() == 6605
    both = np.concatenate([VECTORS, new, VECTORS[:600] * np.float32(1.01)])
    names = np.concatenate([POSITIONS, 20_000 + np.arange(5), 30_000 + np.arange(600)])
    found, products = engine.query(QUERIES[7], 2000)
    assert products == pytest.approx(np.sort(both @ QUERIES[7])[::-1][:2000], abs=1e-4)
    assert found[:10].tolist() == names[np.argsort(-(both @ QUERIES[7]))[:10]].tolist()


def test_those_that_are_there_stay_and_come_once(engine):
    engine.upsert(np.append(POSITIONS[:50], 7), np.append(VECTORS[:50], VECTORS[:1] * 5, axis=0))
    assert engine.count() == 6001


def test_what_is_deleted_is_in_no_file(engine):
    gone = largest(QUERIES[2], 3)
    marks = [VECTORS[position // 2].tobytes() for position in gone]
    files = list(engine.folder.glob("*.part"))
    assert all(any(mark in file.read_bytes() for file in files) for mark in marks)
    engine.delete(gone)
    assert not any(mark in file.read_bytes() for file in engine.folder.iterdir() for mark in marks)
    assert engine.count() == 5997
    keep = ~np.isin(POSITIONS, gone)
    assert sorted(engine.query(QUERIES[2], 5997)[0].tolist()) == POSITIONS[keep].tolist()
    assert share(engine, 64) > 0.9, "they lie in the same lists"


def test_another_reader_sees_what_a_writer_has_put_in_place(engine, tmp_path):
    reader = open_engine("faiss", tmp_path, "some", WIDTH)
    assert reader.query(QUERIES[0], 3)[0].tolist() == largest(QUERIES[0], 3).tolist()
    engine.delete(POSITIONS[:3000])
    assert reader.count() == 3000
    assert (reader.query(QUERIES[0], 100)[0] >= POSITIONS[3000]).all()


def test_a_file_of_somebody_else_is_an_error_and_no_crash(engine, tmp_path):
    """Bytes of the head, of the record and the length are changed at random."""
    chance, whole, refused = random.Random(0), tmp_path / "whole", []
    shutil.copytree(engine.folder, whole)
    for turn in range(60):
        shutil.rmtree(engine.folder)
        shutil.copytree(whole, engine.folder)
        file = next(engine.folder.glob("*.part")) if turn % 2 else engine.folder / "parts.json"
        content = bytearray(file.read_bytes())
        if turn % 3:
            place = chance.randrange(min(len(content), 64 * (8 + 4 * WIDTH)))
            content[place] = chance.randrange(256)
        else:
            content = content[: chance.randrange(len(content))]
        file.write_bytes(content)
        again = open_engine("faiss", tmp_path, "some", WIDTH)
        try:
            again.query(QUERIES[0], 10)
        except DataError as problem:
            refused.append(str(problem))
    assert len(refused) > 40
    assert all("index-rebuild" in said or "upgrade" in said for said in refused)


@pytest.mark.parametrize(("field", "value"), [("rows", 5999), ("lists", 65), ("lists", 1), ("file", "../x.part")])
def test_a_record_that_says_otherwise_is_refused(engine, tmp_path, field, value):
    said = record(engine)
    said["parts"][0][field] = value
    (engine.folder / "parts.json").write_text(json.dumps(said))
    with pytest.raises(DataError, match="index-rebuild"):
        open_engine("faiss", tmp_path, "some", WIDTH).query(QUERIES[0], 3)


def test_sizes_of_lists_with_their_right_checksum_still_lie_within_the_file(engine, tmp_path):
    import zlib

    file, said = next(engine.folder.glob("*.part")), record(engine)
    content = bytearray(file.read_bytes())
    sizes = np.frombuffer(bytes(content[: 64 * 8]), np.int64).copy()
    sizes[:2] += [1 << 40, -(1 << 40)]
    content[: 64 * 8] = sizes.tobytes()
    said["parts"][0]["checksum"] = zlib.crc32(bytes(content[: 64 * (8 + 4 * WIDTH)]))
    file.write_bytes(content)
    (engine.folder / "parts.json").write_text(json.dumps(said))
    with pytest.raises(DataError, match="damaged"):
        open_engine("faiss", tmp_path, "some", WIDTH).query(QUERIES[0], 3)


def test_a_killed_writer_leaves_what_was_there(engine, monkeypatch):
    """The record is what counts: files without it are removed by the next change."""
    monkeypatch.setattr(ENGINE, "write_json", lambda *_: (_ for _ in ()).throw(AvgzslError("killed")))
    with pytest.raises(AvgzslError, match="killed"):
        engine.upsert(np.array([1]), VECTORS[:1])
    monkeypatch.undo()
    assert engine.count() == 6000
    assert len(list(engine.folder.glob("*.part"))) == 2
    engine.upsert(np.array([3]), VECTORS[:1])
    assert engine.count() == 6001
    assert len(list(engine.folder.glob("*.part"))) == 2


CLIPS = random_embeddings(3000, 6, seed=1)
BOTH = Mode("both", "equal")
POINT = here(torch.randn(6, generator=torch.Generator().manual_seed(9)))


@pytest.fixture
def collection(tmp_path, monkeypatch):
    def no_classes(run):
        raise RunError("these runs have no file of classes")

    monkeypatch.setattr(recall, "read_classes", no_classes)
    monkeypatch.setattr(recall, "_QUESTIONS", 48)
    made = collection_of(tmp_path, CLIPS, engine="faiss")
    with writing(made) as db:
        apply(made, db, enough=1)
        recall.renew(made, db)
    return made


def test_an_index_finds_what_its_recall_says(collection):
    found = {}
    for mode in MODES:
        hits = 0
        for seed in range(20):
            point = here(torch.randn(6, generator=torch.Generator().manual_seed(seed)))
            got = nearest(collection, point, 10, mode)
            _, scores = brute_force(collection.run.method, CLIPS, point, mode, 10)
            assert got.scores[0] <= scores[0] + 1e-5
            hits += int((got.scores >= scores[-1] - 1e-5).sum())
        found[str(mode)] = hits / 200
        assert got.recall >= 0.97
    assert min(found.values()) > 0.9


def test_an_index_verifies_is_purged_and_made_anew(collection):
    assert not verify(collection)
    gone = [clip.id for clip in nearest(collection, POINT, 5, BOTH).clips]
    with writing(collection) as db:
        remove(collection, db, gone)
        purge(collection, db)
    assert not set(gone) & {clip.id for clip in nearest(collection, POINT, 200, BOTH).clips}
    assert not verify(collection)
    part = next(file for file in (collection.folder / "engine").rglob("*.part") if file.stat().st_size > 10_000)
    content = bytearray(part.read_bytes())
    content[-2000:-1000] = bytes(1000)
    part.write_bytes(content)
    collection.close()
    assert verify(collection).engine
    rebuild(collection)
    with writing(collection) as db:
        recall.renew(collection, db)
    assert not verify(collection)


def test_clips_that_come_later_are_found(collection):
    more = random_embeddings(50, 6, seed=5)
    with writing(collection) as db:
        append(collection, db, clips_of(more, 3000), more)
        apply(collection, db, enough=1)
        recall.renew(collection, db)
    sought = int(np.flatnonzero(more.has_audio.numpy())[0])
    found = nearest(collection, here(more.audio[sought]), 1, Mode("audio", "equal"))
    assert found.clips[0].id == f"clip-{3000 + sought}"
