"""A primary with a synchronous standby: the primary dies while clips are added and searched, the standby takes over."""

import threading
from pathlib import Path

import numpy as np
import pytest

from avgzsl.archive.engines import _postgres, open_engine
from avgzsl.errors import AvgzslError
from tests.postgres_server import cluster, with_pgvector
from tests.processes import PATIENCE, wait_for

D = 16
BATCH = 50
SOME = np.random.default_rng(0).standard_normal((20_000, D)).astype(np.float32)


@pytest.fixture
def pair(monkeypatch):
    """A primary, and a standby that has all that was acknowledged."""
    with cluster(with_pgvector(), 2) as (primary, standby):
        for name, value in primary.environment.items():
            monkeypatch.setenv(name, value)
        primary.make()
        primary.start(synchronous_standby_names="standby").wait()
        primary.run("pg_basebackup", "-h", "127.0.0.1", "-p", primary.port, "-U", "keeper", "-D", standby.data, "-R",
                    "--no-sync", "-c", "fast")  # fmt: skip
        source = f"host=127.0.0.1 port={primary.port} user=keeper password={primary.password} application_name=standby"
        standby.start(primary_conninfo=source).wait()
        with primary.connect() as opened:
            in_step = "select 1 from pg_stat_replication where sync_state = 'sync'"
            wait_for(lambda: opened.execute(in_step).fetchall())
        yield primary, standby


def test_what_no_standby_has_is_not_acknowledged(pair, monkeypatch):
    """The server itself would say yes after its own limit, with a warning."""
    primary, standby = pair
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=300ms")
    monkeypatch.setattr(_postgres, "_FAILOVER", 0.1)
    engine = open_engine("pgvector", Path("nowhere"), "clips", D, primary.url)
    engine.create()
    engine.upsert(np.arange(BATCH), SOME[:BATCH])
    standby.kill()
    monkeypatch.setattr(_postgres, "_CHANGE", 1.5)
    with pytest.raises(AvgzslError, match="did not answer in time"):
        engine.upsert(np.arange(BATCH, 2 * BATCH), SOME[BATCH : 2 * BATCH])
    engine.close()


def test_nothing_acknowledged_is_lost_and_searches_go_on(pair, monkeypatch):
    primary, standby = pair
    monkeypatch.setattr(_postgres, "_FAILOVER", 120)  # seconds, in which a busy machine promotes the standby, too
    url = (
        f"postgresql://127.0.0.1:{standby.port},127.0.0.1:{primary.port}/postgres"  # the one that takes writes is found
    )
    added, failed, searches = [], [], []
    stop, death = threading.Event(), threading.Event()

    def writer():
        engine = open_engine("pgvector", Path("nowhere"), "clips", D, url)
        engine.create()
        start = 0
        while not stop.is_set() and start < len(SOME):
            part = slice(start, start + BATCH)
            if start == len(SOME) // 2:  # the other half is for afterwards
                death.wait(PATIENCE)
            try:
                engine.upsert(np.arange(start, start + BATCH), SOME[part])
            except AvgzslError as problem:
                failed.append(problem)
            else:
                added.append(part)
            start += BATCH
        engine.close()

    def searcher():
        engine = open_engine("pgvector", Path("nowhere"), "clips", D, url)
        while not stop.is_set():
            acknowledged = [position for part in added for position in range(part.start, part.stop)]
            try:
                found, products = engine.query(SOME[7], 5)
            except AvgzslError as problem:
                failed.append(problem)
            else:  # none that was acknowledged before is nearer than the last one found
                others = np.setdiff1d(acknowledged, found).astype(int)
                searches.append(bool((SOME[others] @ SOME[7] <= products[-1] + 1e-4).all()))
        engine.close()

    threads = [threading.Thread(target=writer)]
    threads[0].start()
    wait_for(lambda: len(added) >= 3)
    threads.append(threading.Thread(target=searcher))
    threads[1].start()
    wait_for(lambda: len(searches) >= 5)
    at_death = len(added), len(searches)
    primary.kill()
    death.set()
    with standby.connect() as opened:
        assert opened.execute("select pg_promote()").fetchone() == (True,)
    wait_for(lambda: len(added) >= at_death[0] + 3 and len(searches) >= at_death[1] + 5)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed and all(searches)
    engine = open_engine("pgvector", Path("nowhere"), "clips", D, url)
    found, products = engine.query(SOME[7], len(SOME))
    expected = np.concatenate([np.arange(part.start, part.stop) for part in added])
    assert set(expected.tolist()) <= set(found.tolist())
    assert products == pytest.approx(SOME[found] @ SOME[7], abs=1e-4)
    engine.close()
