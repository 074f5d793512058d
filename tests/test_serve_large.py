"""What a large archive is asked costs no more than a small one's: counted in steps of SQLite, not in time."""

import sqlite3

import numpy as np
import pytest
import torch

from avgzsl.archive import clip_counts, clip_database, clip_selection, embeddings
from avgzsl.archive.changing import append, purge, remove, writing
from avgzsl.archive.clip_counts import Kind
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import open_index, view
from avgzsl.archive.creation import create
from avgzsl.archive.indexing import index_info, index_verify
from avgzsl.archive.where import parse
from avgzsl.experiments.run import load_run
from avgzsl.methods import Embeddings
from tests.serve_world import SEEN, application, client_of, world

SMALL, LARGE = 400, 12_000


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """An archive of few clips and one of many, by how many they have."""
    return {count: _filled(tmp_path_factory.mktemp("large") / "index", count) for count in (SMALL, LARGE)}


def _filled(folder, count):
    collection = create(folder, load_run(world() / "run"), "memory")
    draw = torch.Generator().manual_seed(0)
    size = collection.record.dimensions["audio"]
    audio, video = (torch.randn(count, size, generator=draw) for _ in range(2))
    has_video = torch.arange(count) % 3 > 0
    clips = [
        IndexedClip(
            f"clip-{i}", f"{i:x}", path=f"/films/{i // 5}.mp4", label=SEEN[i % 4],
            split="test" if i % 100 == 0 else "train", has_audio=True, has_video=bool(has_video[i]),
        )
        for i in range(count)
    ]  # fmt: skip
    with writing(collection) as db:
        append(collection, db, clips, Embeddings(audio, video, None, torch.ones(count, dtype=torch.bool), has_video))
    return folder


@pytest.fixture
def steps(monkeypatch):
    """A list that has as many items as SQLite made steps since it was cleared."""
    made, connect = [], clip_database._connect

    def counted(*how):
        db = connect(*how)
        db.set_progress_handler(lambda: made.append(1), 1)
        return db

    monkeypatch.setattr(clip_database, "_connect", counted)
    return made


ASKED = {
    "info": ("/v1/info", {}),
    "first page": ("/v1/clips", {}),
    "page far down": ("/v1/clips", {"after": SMALL - 30}),
    "first page of files": ("/v1/clips", {"group": "file"}),
    "page of files far down": ("/v1/clips", {"group": "file", "after": SMALL - 250}),
    "rare split": ("/v1/clips", {"where": "split = other"}),
    "condition again": ("/v1/clips", {"where": "id != x"}),
    "search with a condition again": ("/v1/search", {"q": SEEN[0], "where": "id != x"}),
    "facets again": ("/v1/facets", {}),
    "list by name again": ("/v1/clips", {"sort": "name", "descending": True}),
    "one clip": ("/v1/clips/one", {"id": "clip-7"}),
    "map": ("/v1/map", {"most": 16}),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_is_asked_takes_no_more_steps_in_a_large_archive(what, archives, steps):
    path, params = ASKED[what]
    taken = {}
    for count, folder in archives.items():
        with application(folder) as app:
            client = client_of(app)
            if "again" in what:
                client.get(path, params=params)
            steps.clear()
            answer = client.get(path, params=params)
            assert answer.status_code == 200, answer.text
            taken[count] = len(steps)
    assert 0 < taken[LARGE] <= 1.2 * taken[SMALL] + 100, taken


def test_a_map_of_a_large_archive_reads_a_few_embeddings_and_says_so(archives, monkeypatch):
    read = []
    unpack = embeddings.unpack
    monkeypatch.setattr(embeddings, "unpack", lambda rows, record: read.append(len(rows)) or unpack(rows, record))
    with application(archives[LARGE]) as app:
        client = client_of(app)
        found = client.get("/v1/map", params={"most": 16, "modality": "video"}).json()
        again = client.get("/v1/map", params={"most": 16, "modality": "video"}).json()
    assert sum(read) <= 2 * (4 * 16 + 16)
    assert found == again and found["sample"] == "spread" and found["total"] == LARGE - LARGE // 3
    places = [int(id.removeprefix("clip-")) for id in found["clips"]["id"]]
    assert len(places) == 16 and places[0] < LARGE / 10 and places[-1] > 0.9 * LARGE


def test_pages_follow_each_other_through_the_list_and_a_condition(archives):
    with application(archives[SMALL]) as app:
        client = client_of(app)
        for where, expected in ((None, range(SMALL)), ("split = test", range(0, SMALL, 100))):
            found, after = [], -1
            while after is not None:
                page = client.get(
                    "/v1/clips", params={"after": after, "limit": 3} | ({"where": where} if where else {})
                )
                found += [clip["id"] for clip in page.json()["clips"]]
                after = page.json()["next"]
                assert page.json()["total"] == len(expected)
            assert found == [f"clip-{i}" for i in expected]
        one = client.get("/v1/clips", params={"after": 4, "offset": 2, "limit": 1}).json()["clips"][0]["id"]
        assert one == "clip-7"


def test_a_label_or_a_split_is_looked_up(archives):
    with view(open_index(archives[SMALL])) as seen:
        for text in ('label = "red square low drum"', "split = test"):
            statement, values = clip_selection.sql_of(parse(text))
            plan = seen.db.execute(
                f"explain query plan select position from clips where {statement}", values
            ).fetchall()
            assert [row[3] for row in plan] == [f"SEARCH clips USING COVERING INDEX clips_by_{text[:5]} ({text[:5]}=?)"]


def test_counts_are_kept_along_and_an_older_index_gets_them_when_it_is_written_to(tmp_path):
    folder = _filled(tmp_path / "index", 40)
    with sqlite3.connect(folder / clip_database.clip_table.FILE) as db:
        db.executescript("drop table counts; drop index clips_by_label; drop index clips_by_split;")
    db.close()
    collection = open_index(folder)

    def counts():
        with view(collection) as seen:
            kept = bool(seen.db.execute("select 1 from sqlite_schema where name = 'counts'").fetchall())
            counted = {Kind(label, bool(a), bool(v)): n for label, a, v, n in seen.db.execute(clip_counts._COUNTED)}
            assert {kind: n for kind, n in seen.counts().items() if n} == counted
        return kept, sum(counted.values())

    assert counts() == (False, 40)
    with writing(collection) as db:
        remove(collection, db, ["clip-3", "clip-8"])
    assert counts() == (True, 38)
    nobody = torch.zeros(1, dtype=torch.bool)
    with writing(collection) as db:  # another of the same id, and one without a label
        size = collection.record.dimensions["audio"]
        new = Embeddings(torch.zeros(1, size), None, None, ~nobody, nobody)
        append(collection, db, [IndexedClip("clip-5", "ff", label=SEEN[0], has_audio=True)], new)
        append(collection, db, [IndexedClip("new", "fe", has_audio=True)], new)
        purge(collection, db)
    assert counts() == (True, 39)
    assert index_info(folder).clips == 39 and index_verify(folder).truth == ()
    with sqlite3.connect(folder / clip_database.clip_table.FILE) as db:
        db.execute("update counts set clips = clips + 1")
    db.close()
    assert "counts" in index_verify(folder).truth[0]


def test_a_change_is_seen_at_the_next_request_and_nothing_before_it_is_kept(tmp_path):
    folder = _filled(tmp_path / "index", 40)
    with application(folder) as app:
        client, asked = client_of(app), {"where": "split = test"}
        assert client.get("/v1/clips", params=asked).json()["total"] == 1
        assert client.get("/v1/info").json()["clips"] == 40
        collection = open_index(folder)
        with writing(collection) as db:
            remove(collection, db, ["clip-0"])
        assert client.get("/v1/clips", params=asked).json()["total"] == 0
        assert client.get("/v1/info").json()["clips"] == 39
        with writing(collection) as db:
            db.execute("update clips set split = 'test' where id = 'clip-7'")
        assert [clip["id"] for clip in client.get("/v1/clips", params=asked).json()["clips"]] == ["clip-7"]


def test_another_table_in_the_place_of_the_first_is_read(tmp_path):
    folder = _filled(tmp_path / "index", 40)
    with application(folder) as app:
        client = client_of(app)
        assert client.get("/v1/info").json()["clips"] == 40
        other = _filled(tmp_path / "other", 30)
        for name in (clip_database.clip_table.FILE, embeddings.FILE):
            (other / name).rename(folder / name)
        assert client.get("/v1/info").json()["clips"] == 30


def test_a_table_that_gets_a_trigger_is_refused_at_the_next_request(tmp_path):
    folder = _filled(tmp_path / "index", 40)
    with application(folder) as app:
        client = client_of(app)
        assert client.get("/v1/info").status_code == 200
        with sqlite3.connect(folder / clip_database.clip_table.FILE) as db:
            db.execute("create trigger t after insert on clips begin delete from clips; end")
        db.close()
        assert client.get("/v1/info").status_code == 503


def test_positions_that_are_kept_are_bounded(monkeypatch):
    from avgzsl.archive import readers

    monkeypatch.setattr(readers, "_MOST_BYTES", 20_000)
    known, made = readers.Known(), []

    def find(size):
        made.append(size)
        return np.zeros(size, np.int8)

    for name in ("a", "b", "a", "c", "a", "b"):
        known.of(name, lambda: find(9000))
    known.of("large", lambda: find(30_000))
    known.of("large", lambda: find(30_000))
    known.of("a", lambda: find(9000))
    assert len(made) == 6
