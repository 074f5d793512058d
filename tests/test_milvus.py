"""The engine `milvus`, against a real server: what its own suite does not ask."""

import numpy as np
import pytest

from avgzsl.archive.engines import PLUGINS, drop, open_engine
from avgzsl.errors import AvgzslError, ConfigError

MILVUS = PLUGINS.load("milvus")
VECTORS = np.random.default_rng(0).standard_normal((3000, 5)).astype(np.float32)
QUERY = np.array([1, 0.5, -2, 0.3, -1], np.float32)


def test_more_than_a_search_may_give_are_found_as_well(milvus_url, tmp_path, monkeypatch):
    monkeypatch.setattr(MILVUS, "_MOST", 100)
    monkeypatch.setattr(MILVUS, "_BATCH", 700)
    engine = open_engine("milvus", tmp_path, "many both-equal", 5, milvus_url)
    engine.create()
    try:
        engine.upsert(np.arange(3000), VECTORS)
        for n in (50, 2999, 5000):
            found, products = engine.query(QUERY, n)
            assert found.tolist() == np.argsort(-(VECTORS @ QUERY), kind="stable")[:n].tolist()
            assert products == pytest.approx(np.sort(VECTORS @ QUERY)[::-1][:n], abs=1e-5)
        monkeypatch.setattr(engine, "_all", lambda vector: pytest.fail("few are asked for, and all are fetched"))
        assert engine.query(QUERY, 5000, float(np.sort(VECTORS @ QUERY)[-40]) - 1e-3)[0].tolist() == found[:40].tolist()
    finally:
        drop("milvus", tmp_path, "many both-equal", milvus_url)


def test_a_server_that_is_not_there_is_told_and_no_token(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MILVUS_TOKEN", "root:secret")
    monkeypatch.setattr(MILVUS, "_SECONDS", 1)
    with pytest.raises(AvgzslError, match=r"http://127\.0\.0\.1:9: Milvus does not answer") as told:
        open_engine("milvus", tmp_path, "some", 5, "http://127.0.0.1:9").count()
    assert "secret" not in str(told.value) + caplog.text


def test_what_is_no_address_of_it_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no address of a Milvus server"):
        open_engine("milvus", tmp_path, "some", 5, "tcp://localhost:19530")


def test_an_idle_connection_is_left_in_peace(milvus_url, tmp_path, monkeypatch):
    grpc = pytest.importorskip("grpc")
    asked, connect = [], grpc.insecure_channel
    monkeypatch.setattr(
        grpc, "insecure_channel", lambda *a, **k: (asked.append(dict(k["options"])), connect(*a, **k))[1]
    )
    engine = open_engine("milvus", tmp_path, "some", 5, milvus_url)
    engine.create()
    drop("milvus", tmp_path, "some", milvus_url)
    engine.close()
    assert len(asked) == 2  # each has its own: none is closed under another
    for options in asked:
        assert not options["grpc.keepalive_permit_without_calls"] and options["grpc.keepalive_time_ms"] > 10**8
