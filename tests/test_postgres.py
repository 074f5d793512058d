"""Indexes in PostgreSQL: found exactly, conditions met by the server itself, errors that say what to do."""

import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.archive import clip_selection
from avgzsl.archive.changing import purge, remove, writing
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import view
from avgzsl.archive.engines import _postgres, address, open_engine
from avgzsl.archive.nearest import nearest
from avgzsl.archive.repair import rebuild, verify
from avgzsl.archive.where import parse
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.support.confidential import bare_address
from tests.index_world import MODES, brute_force, collection_of, here, random_embeddings, rows

D = 5
SOME = np.random.default_rng(0).standard_normal((40, D)).astype(np.float32)
POINT = here(torch.randn(6, generator=torch.Generator().manual_seed(9)))
SECRET = "s3cr3t-0123456789-abcdef"


def vectors(url, name="avgzsl-0123456789abcdef-both,equal", d=D):
    return open_engine("pgvector", Path("nowhere"), name, d, url)


@pytest.fixture
def collection(pgvector_url, tmp_path):
    clips = random_embeddings(400, 6, 3)
    made = collection_of(tmp_path, clips, "euclidean", "pgvector", url=pgvector_url)
    yield made, clips
    made.close()


def test_the_nearest_that_meet_a_condition_are_found_by_the_server(collection, monkeypatch):
    made, clips = collection
    monkeypatch.setattr(type(made), "approximate", False, raising=False)
    expected = {}
    for text in ("id < clip-2", "has_video = yes and id != clip-7", "id contains CLIP-3", "id = nowhere", "path = x"):
        for mode in MODES:
            with view(made) as seen:
                allowed = seen.positions(parse(text))
            keep = rows(clips, allowed)
            positions, _ = brute_force(made.run.method, keep, POINT, mode, 10)
            expected[text, mode] = [f"clip-{allowed[position]}" for position in positions]
    asked = []
    whole = clip_selection.positions
    monkeypatch.setattr(clip_selection, "positions", lambda *given: asked.append(given) or whole(*given))
    for (text, mode), ids in expected.items():
        assert [clip.id for clip in nearest(made, POINT, 10, mode, parse(text)).clips] == ids, (text, mode)
    assert len(asked) == len(MODES)  # a path alone is looked for in the table of clips


def test_clips_that_were_removed_are_not_found_and_purged(collection):
    made, _ = collection
    mode = MODES[2]
    gone = [clip.id for clip in nearest(made, POINT, 5, mode).clips]
    with writing(made) as db:
        remove(made, db, gone)
    for purged in (False, True):
        assert not set(gone) & {clip.id for clip in nearest(made, POINT, 5, mode, parse("id contains clip")).clips}
        if not purged:
            before = made.engine(mode).count()
            with writing(made) as db:
                purge(made, db)
    assert before - made.engine(mode).count() == 5
    assert not verify(made).engine
    rebuild(made)
    assert not verify(made).engine


def test_nothing_is_left_of_a_vector_that_was_deleted_in_any_file_of_a_table(pgvector_url, pgvector_server):
    engine = vectors(pgvector_url, "deleted")
    engine.create()
    own = np.random.default_rng(4).standard_normal((40, D)).astype(np.float32)  # other tests have not stored them
    clips = [IndexedClip(f"name-{i}-of-it", "h", label="dog") for i in range(len(own))]
    engine.upsert_known(np.arange(len(own)), own, clips)
    gone = [own[i].tobytes() for i in (3, 39)] + [b"name-3-of-it", b"name-39-of-it"]  # the last one is not moved over
    assert all(stored(pgvector_server, content) for content in gone)
    engine.delete(np.array([3, 39]))
    assert not any(stored(pgvector_server, content) for content in gone)
    assert stored(pgvector_server, own[4].tobytes()) and stored(pgvector_server, b"name-4-of-it")
    engine.close()


def stored(server, content: bytes) -> bool:
    with server.connect() as opened:
        opened.execute("checkpoint")
    return any(content in file.read_bytes() for file in (server.data / "base").glob("*/*"))


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://me:{SECRET}@host:5432/{SECRET}", "postgresql://host:5432"),
        (f"postgresql://me:{SECRET}@one:5432,two:5433/{SECRET}?password={SECRET}", "postgresql://one:5432,two:5433"),
        (f"postgresql://me:{SECRET},{SECRET}@one,[::1]:7/", "postgresql://one,[::1]:7"),
        ("postgresql://one:5432,:5433/db", "what cannot be read as an address"),
        ("postgresql://one:5432,two:x/db", "what cannot be read as an address"),
    ],
)
def test_of_several_hosts_all_are_shown_and_nothing_else(url, shown):
    assert bare_address(url) == shown
    with pytest.raises(ConfigError) as refused:
        address("pgvector", url)
    assert SECRET not in str(refused.value) and shown in str(refused.value)


def test_several_hosts_are_an_address_and_another_scheme_is_none():
    assert str(address("pgvector", "postgresql://one:5432,two:5432/db")) == "postgresql://one:5432,two:5432"
    with pytest.raises(ConfigError, match="no address of PostgreSQL"):
        vectors("http://localhost:6333")


def test_a_vector_of_too_many_numbers_is_refused(pgvector_url):
    with pytest.raises(ConfigError, match=r"16001 numbers.*at most 16000"):
        vectors(pgvector_url, d=16_001)
    wide = vectors(pgvector_url, "wide", 16_000)
    wide.create()
    point = np.random.default_rng(1).standard_normal((2, 16_000)).astype(np.float32)
    wide.upsert(np.array([1, 8]), point)
    positions, products = wide.query(point[1], 2)
    assert positions.tolist() == [8, 1] and products == pytest.approx(point[[1, 0]] @ point[1], rel=1e-4)
    wide.close()


def test_a_name_is_a_name_whatever_it_holds(pgvector_url):
    names = ["a,b-c", 'a"b', "a'; drop table x; --", "Ab", "ab", "ü\\"]
    for number, name in enumerate(names):
        engine = vectors(pgvector_url, name)
        engine.create()
        engine.upsert(np.arange(number), SOME[:number])
        engine.close()
    assert [vectors(pgvector_url, name).count() for name in names] == list(range(len(names)))
    assert [len(vectors(pgvector_url, name).query(SOME[0], 9)[0]) for name in names] == list(range(len(names)))
    for name in ("%s", "a\0", "a" * 59):
        with pytest.raises(ConfigError, match="no name of vectors"):
            vectors(pgvector_url, name)


def test_of_equal_products_the_lower_position_comes_first(pgvector_url):
    engine = vectors(pgvector_url)
    engine.create()
    positions = np.random.default_rng(2).permutation(40)
    engine.upsert(positions, np.repeat([SOME[0], -SOME[0]], 20, 0))
    found, products = engine.query(SOME[0], 25)
    assert found[:20].tolist() == sorted(positions[:20].tolist())
    assert engine.query(SOME[0], 100, float(products[0]))[0].tolist() == found[:20].tolist()
    engine.close()


REFUSED = {
    "password": ({"PGPASSWORD": SECRET}, "set PGUSER and PGPASSWORD"),
    "user": ({"PGUSER": SECRET}, "set PGUSER and PGPASSWORD"),
    "no password": ({"PGPASSWORD": "", "PGPASSFILE": "/nowhere"}, "set PGUSER and PGPASSWORD"),
    "TLS": ({"PGSSLMODE": "require"}, "it offers none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_is_refused_is_told_why_and_what_to_do(case, pgvector_url, monkeypatch, caplog):
    given, said = REFUSED[case]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AvgzslError, match=said) as refused:
        vectors(pgvector_url).count()
    assert str(refused.value).startswith(bare_address(pgvector_url) + ": PostgreSQL")
    assert refused.value.__cause__ is None and SECRET not in str(refused.value) + caplog.text


def test_what_is_not_there_is_told(pgvector_url, monkeypatch):
    with pytest.raises(AvgzslError, match="no such database"):
        vectors(pgvector_url + "x").count()
    with pytest.raises(AvgzslError, match=r"postgresql://127.0.0.1:9: PostgreSQL .*Connection refused"):
        vectors("postgresql://127.0.0.1:9/db").count()
    other = vectors(pgvector_url)
    other.create()
    other.upsert(np.arange(2), SOME[:2])
    other.close()
    with pytest.raises(DataError, match=r"no such vectors.*index-rebuild"):
        vectors(pgvector_url, d=D + 1).query(np.ones(D + 1, np.float32), 3)
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    with pytest.raises(AvgzslError, match="takes no writes"):
        vectors(pgvector_url).count()
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "any")
    assert vectors(pgvector_url).count() == 2


def test_a_search_that_takes_too_long_ends(pgvector_url, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=50ms")
    server = vectors(pgvector_url).server
    with pytest.raises(AvgzslError, match="statement_timeout"):
        server.ask(lambda opened: opened.execute("select pg_sleep(60)"))


def test_a_server_that_hangs_is_given_up(pgvector_url, pgvector_server, monkeypatch):
    """It takes connections, its system answers, and it says nothing."""
    engine = vectors(pgvector_url)
    engine.create()
    assert engine.count() == 0
    ((opened, seconds),) = engine.server._idle
    assert seconds == _postgres._ANSWER + _postgres._GRACE
    engine.server._idle[:] = [(opened, 0.5)]
    pgvector_server.signal(signal.SIGSTOP)
    try:
        with monkeypatch.context() as brief:  # such short limits are for a server that hangs, and no busy one
            brief.setattr(_postgres, "_CONNECT", 1)
            brief.setattr(_postgres, "_FAILOVER", 0.5)
            with pytest.raises(AvgzslError, match=r"did not answer in time|no answer in time"):
                engine.count()
    finally:
        pgvector_server.signal(signal.SIGCONT)
    assert engine.count() == 0
    engine.close()


def test_a_lost_connection_is_opened_again(pgvector_url, pgvector_server):
    engine = vectors(pgvector_url)
    engine.create()
    engine.upsert(np.arange(3), SOME[:3])
    for _ in range(2):
        assert engine.count() == 3
        ended = (  # and it is gone: within a minute, for the next turn is to find none but its own
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = %s "
            "and backend_type = 'client backend'"
        )
        with pgvector_server.connect() as opened:
            assert opened.execute(ended, (pgvector_url.rpartition("/")[2],)).fetchall() == [(True,)]
    assert engine.count() == 3
    engine.close()


def test_many_threads_share_an_engine(pgvector_url):
    engine = vectors(pgvector_url)
    engine.create()
    engine.upsert(np.arange(40), SOME)
    expected = np.argsort(-(SOME @ SOME.T), 1)[:, :3].tolist()
    found = {}

    def ask(first):
        found.update({i: engine.query(SOME[i], 3)[0].tolist() for i in range(first, 40, 4)})

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(40)] == expected
    engine.close()
