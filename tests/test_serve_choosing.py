"""What a page narrows an archive down with: further hits, hits by file, orders, facets, folders, one clip."""

import sqlite3

import numpy as np
import pytest
import torch

from avgzsl.archive import clip_database, clip_files
from avgzsl.archive.changing import append, remove, writing
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import open_index, view
from avgzsl.archive.creation import create
from avgzsl.archive.frozen_index import index_frozen
from avgzsl.archive.index_record import Cut
from avgzsl.archive.indexing import index_verify
from avgzsl.archive.where import parse
from avgzsl.errors import ConfigError
from avgzsl.experiments.run import load_run
from avgzsl.methods import Embeddings
from avgzsl.server import searching
from tests.open_world import encoders, write_folder
from tests.serve_world import SEEN, UNSEEN, application, client_of, is_problem, world

TAPES, WINDOWS = 7, 6
LONGEST = 2.0 * WINDOWS


def write_tapes(folder):
    """An index of tapes cut into windows of 2 s, in folders, one by far the nearest to everything; and of one clip."""
    run = load_run(world() / "run")
    collection = create(folder, run, "memory", cut=Cut(2.0))
    clips = [
        IndexedClip(
            f"{'music/' * (tape % 3)}tape{tape}.wav@{2 * i}-{2 * i + 2}",
            f"{tape:x}{i:x}",
            f"/nowhere/{'music/' * (tape % 3)}tape{tape}.wav",
            2.0 * i,
            2.0 * i + 2,
            label=None if tape == 6 else SEEN[tape % 4],
            split=("train", "Test")[tape % 2],
            has_audio=True,
        )
        for tape in range(TAPES)
        for i in range(WINDOWS)
    ]
    clips.append(IndexedClip("alone", "ff", label="Älter", has_audio=True))
    draw = torch.Generator().manual_seed(0)
    audio = torch.randn(len(clips), collection.record.dimensions["audio"], generator=draw)
    audio[:WINDOWS] *= 0.01  # of the first tape, which come before all others
    has = torch.ones(len(clips), dtype=torch.bool)
    order = torch.randperm(len(clips), generator=draw)  # windows of a tape need not have come one after the other
    with writing(collection) as db:
        append(collection, db, [clips[i] for i in order], Embeddings(audio[order], None, None, has, ~has))
    return folder


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    return write_tapes(tmp_path_factory.mktemp("tapes") / "index")


@pytest.fixture(scope="module")
def client(tapes):
    with application(tapes) as app:
        yield client_of(app)


def ids(hits):
    return [hit["clip"]["id"] for hit in hits]


@pytest.mark.parametrize(("path", "asked"), [("search", {"q": SEEN[0]}), ("clips/like", {"id": "tape0.wav@0-2"})])
def test_further_hits_follow_the_first_ones_to_the_last(client, path, asked):
    asked = {**asked, "modality": "audio"}
    every = client.get(f"/v1/{path}", params={**asked, "k": 200}).json()
    count = TAPES * WINDOWS + (path == "search")
    assert len(every["hits"]) == count and not every["more"]
    found, more = [], True
    while more:
        page = client.get(f"/v1/{path}", params={**asked, "k": 10, "offset": len(found)}).json()
        found, more = [*found, *page["hits"]], page["more"]
    assert found == every["hits"]
    exact = client.get(f"/v1/{path}", params={**asked, "k": count}).json()
    assert not exact["more"] and client.get(f"/v1/{path}", params={**asked, "k": count - 1}).json()["more"]
    behind = client.get(f"/v1/{path}", params={**asked, "offset": 10_000}).json()
    assert behind["hits"] == [] and not behind["more"]


def by_file(hits):
    """What grouping gives, by a loop over all hits: the best clip of each file, and all its clips in order of time."""
    files = {}
    for hit in hits:
        files.setdefault(hit["clip"]["id"].partition("@")[0], []).append(hit)
    return [(each[0]["clip"]["id"], sorted(each, key=lambda hit: hit["clip"]["start"])) for each in files.values()]


@pytest.mark.parametrize("batching", ["on", "off"])
def test_clips_of_one_file_are_one_hit_with_all_that_was_found_of_it(tapes, monkeypatch, batching):
    monkeypatch.setattr(searching, "_WINDOWS", 2)  # so that more have to be asked for: the first tape has six
    asked = {"q": SEEN[0], "modality": "audio"}
    with application(tapes, batching=batching) as app:
        client = client_of(app)
        expected = by_file(client.get("/v1/search", params={**asked, "k": 200}).json()["hits"])
        every = client.get("/v1/search", params={**asked, "k": 200, "group": "file"}).json()
        assert [(hit["clip"]["id"], ids_of(hit)) for hit in every["hits"]] == [
            (best, [one["clip"]["id"] for one in windows]) for best, windows in expected
        ]
        for hit, (_, windows) in zip(every["hits"], expected, strict=True):
            for window, one in zip(hit["windows"], windows, strict=True):
                told = (window["start"], window["end"], window["score"], window["likely"])
                assert told == (one["clip"]["start"], one["clip"]["end"], one["score"], one["likely"])
        assert not every["more"] and len(every["hits"]) == TAPES + 1
        found, more = [], True
        while more:
            page = client.get("/v1/search", params={**asked, "k": 3, "offset": len(found), "group": "file"}).json()
            assert len(page["hits"]) == min(3, TAPES + 1 - len(found))
            found, more = [*found, *ids(page["hits"])], page["more"]
        assert found == [best for best, _ in expected]


def ids_of(hit):
    return [window["id"] for window in hit["windows"]]


def test_no_more_clips_are_grouped_than_is_bounded(tapes, monkeypatch):
    monkeypatch.setattr(searching, "_MOST", WINDOWS)
    with application(tapes) as app:
        found = client_of(app).get("/v1/search", params={"q": SEEN[0], "modality": "audio", "k": 5, "group": "file"})
    assert sum(len(hit["windows"]) for hit in found.json()["hits"]) == WINDOWS


def test_a_like_search_by_file_leaves_out_the_clip_but_not_its_file(client):
    asked = {"id": "tape0.wav@4-6", "modality": "audio", "group": "file", "k": 50}
    hits = client.get("/v1/clips/like", params=asked).json()["hits"]
    first = next(hit for hit in hits if hit["clip"]["id"].startswith("tape0"))
    assert len(first["windows"]) == WINDOWS - 1 and asked["id"] not in ids_of(first)


def test_the_line_counts_from_the_first_hit(client, monkeypatch):
    from avgzsl.experiments.calibration import Recognition
    from avgzsl.scores.evidence import Lines

    asked = {"q": SEEN[0], "modality": "audio"}
    monkeypatch.setattr(Recognition, "lines_of", lambda self, mode, method: Lines(-100.0, 0.5, 0.0, -200.0))
    evidence = [hit["evidence"] for hit in client.get("/v1/search", params={**asked, "k": 50}).json()["hits"]]
    between = (evidence[6] + evidence[7]) / 2  # seven are likely
    share = between / evidence[0] if evidence[0] else 0.0
    monkeypatch.setattr(Recognition, "lines_of", lambda self, mode, method: Lines(between, share, 0.0, -200.0))
    for offset, k, line in ((0, 5, 5), (5, 5, 7), (10, 5, 7), (0, 7, 7)):
        found = client.get("/v1/search", params={**asked, "k": k, "offset": offset}).json()
        assert found["line"] == line
        likely = [hit["likely"] for hit in found["hits"]]
        assert likely == [offset + i < 7 for i in range(len(likely))]


def test_rows_say_the_folder_and_how_long_the_file_is(client):
    rows = {row["id"]: row for row in client.get("/v1/clips", params={"limit": 200}).json()["clips"]}
    assert rows["tape0.wav@0-2"]["folder"] == "" and rows["music/tape1.wav@0-2"]["folder"] == "music"
    assert rows["music/music/tape2.wav@8-10"]["folder"] == "music/music"
    assert {row["file_seconds"] for name, row in rows.items() if name != "alone"} == {LONGEST}
    assert rows["alone"]["file_seconds"] is None


def test_a_file_that_is_not_cut_has_no_length_that_is_known():
    with application() as app:
        rows = client_of(app).get("/v1/clips").json()["clips"]
    assert {row["file_seconds"] for row in rows} == {None} and rows[-1]["folder"]


KEYS = {
    "indexed": lambda row, place: place,
    "name": lambda row, place: row["name"].casefold(),
    "label": lambda row, place: row["label"] and row["label"].casefold(),
    "duration": lambda row, place: None if row["end"] is None else row["end"] - row["start"],
    "split": lambda row, place: row["split"] and row["split"].casefold(),
}


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", KEYS)
@pytest.mark.parametrize("where", [None, "folder = music"])
def test_the_list_comes_in_the_order_asked_for_page_by_page(client, sort, descending, where):
    limits = {} if where is None else {"where": where}
    rows = client.get("/v1/clips", params={"limit": 200, **limits}).json()["clips"]
    keyed = [(KEYS[sort](row, place), place, row) for place, row in enumerate(rows)]
    known = sorted((one for one in keyed if one[0] is not None), key=lambda one: one[0], reverse=descending)
    expected = [row["id"] for _, _, row in [*known, *(one for one in keyed if one[0] is None)]]
    found, after = [], -1
    while after is not None:
        page = client.get(
            "/v1/clips", params={"sort": sort, "descending": descending, "after": after, "limit": 11, **limits}
        ).json()
        assert page["total"] == len(expected)
        found, after = [*found, *(row["id"] for row in page["clips"])], page["next"]
    assert found == expected and len(found) == (TAPES * WINDOWS + 1 if where is None else 4 * WINDOWS)
    passed = client.get("/v1/clips", params={"sort": sort, "descending": descending, "offset": 7, "limit": 5, **limits})
    assert [row["id"] for row in passed.json()["clips"]] == expected[7:12]


@pytest.mark.parametrize(
    ("where", "tapes_found"),
    [
        ("folder = music", {1, 2, 4, 5}),
        ("folder = music/", {1, 2, 4, 5}),
        ("folder = music/music", {2, 5}),
        ("folder = mus", set()),
        ("folder = Music", set()),
        ("folder != music/music", {0, 1, 3, 4, 6, None}),
        ("folder contains USIC/m", {2, 5}),
        ("folder contains tape", set()),
        ("folder = ''", {0, 1, 2, 3, 4, 5, 6, None}),
        ("folder = music and folder != music/music and duration < 3", {1, 4}),
    ],
)
def test_a_folder_is_a_condition_on_what_is_in_it_and_under_it(client, where, tapes_found):
    rows = client.get("/v1/clips", params={"where": where, "limit": 200}).json()["clips"]
    found = {row["id"].partition("tape")[2][:1] for row in rows}
    assert found == {"" if tape is None else str(tape) for tape in tapes_found}
    hits = client.get("/v1/search", params={"q": SEEN[0], "where": where, "modality": "audio", "k": 200}).json()
    assert set(ids(hits["hits"])) == {row["id"] for row in rows}


def test_a_folder_with_an_accent_is_found_however_it_is_written(tmp_path):
    collection = create(tmp_path / "index", load_run(world() / "run"), "memory")
    has = torch.ones(2, dtype=torch.bool)
    audio = torch.zeros(2, collection.record.dimensions["audio"])
    written = [IndexedClip(f"caf{e}/{i}", str(i), has_audio=True) for i, e in enumerate(("é", "e\u0301"))]
    with writing(collection) as db:
        append(collection, db, written, Embeddings(audio, None, None, has, ~has))
    with view(collection) as seen:
        for asked in ("café", "cafe\u0301"):
            assert len(seen.positions(parse(f"folder = {asked}"))) == 2
            assert len(seen.positions(parse(f"folder != {asked}"))) == 0
            assert len(seen.positions(parse(f"folder contains {asked.upper()}"))) == 2


def test_a_folder_is_not_more_or_less_than_another(client):
    with pytest.raises(ConfigError, match="unknown operator '<'; there are: =, !=, contains"):
        parse("folder < music")
    assert "folder" in is_problem(client.get("/v1/clips", params={"where": "folders = a"}), 422)


def test_facets_count_what_a_loop_counts(client):
    for where in (None, "folder = music", "label = nobody"):
        limits = {} if where is None else {"where": where}
        rows = client.get("/v1/clips", params={"limit": 200, **limits}).json()["clips"]
        facets = client.get("/v1/facets", params=limits).json()
        assert facets["total"] == facets["has_audio"] == len(rows) and facets["has_video"] == 0
        for kind, column in (("labels", "label"), ("splits", "split")):
            counted = {}
            for row in rows:
                if row[column] is not None:
                    counted[row[column]] = counted.get(row[column], 0) + 1
            assert {one["value"]: one["clips"] for one in facets[kind]} == counted
            assert facets[kind] == sorted(facets[kind], key=lambda one: (-one["clips"], one["value"]))
        for one in facets["folders"]:
            chosen = " and ".join([f"folder = {one['value']}", *limits.values()])
            found = client.get("/v1/clips", params={"where": chosen}).json()["total"]
            assert found == one["clips"] > 0
        assert [one["value"] for one in facets["folders"]] == (
            [] if where == "label = nobody" else ["music", "music/music"]
        )
        durations = [row["end"] - row["start"] for row in rows if row["end"] is not None]
        least, most = (min(durations), max(durations)) if durations else (None, None)
        assert facets["seconds"] == {"least": least, "most": most}


def test_one_clip_comes_with_its_file_and_its_nearest_classes(client):
    found = client.get("/v1/clips/one", params={"id": "tape3.wav@4-6"}).json()
    assert found["clip"]["id"] == "tape3.wav@4-6"
    assert [row["id"] for row in found["windows"]] == [f"tape3.wav@{2 * i}-{2 * i + 2}" for i in range(WINDOWS)]
    assert set(found["nearest"]) == {"audio", "both"}  # the clip has no picture
    names = [one["label"] for one in found["nearest"]["audio"]]
    assert sorted(names) == sorted((*SEEN, *UNSEEN))
    for one in found["nearest"]["audio"]:
        asked = {"q": one["label"], "where": 'id = "tape3.wav@4-6"', "modality": "audio", "retrieval": "plain"}
        (hit,) = client.get("/v1/search", params=asked).json()["hits"]
        assert (one["score"], one["distance"]) == pytest.approx((hit["score"], hit["distance"]))
        assert one["seen"] is (one["label"] in SEEN)
    only = client.get("/v1/clips/one", params={"id": "tape3.wav@4-6", "modality": "audio"}).json()
    assert only["nearest"] == {"audio": found["nearest"]["audio"]}
    silent = client.get("/v1/clips/one", params={"id": "tape3.wav@4-6", "modality": "video"})
    assert "video" in is_problem(silent, 422)
    assert client.get("/v1/clips/one", params={"id": "alone"}).json()["windows"] == []
    is_problem(client.get("/v1/clips/one", params={"id": "nobody"}), 404)


def test_one_clip_of_an_index_without_a_run_is_near_to_everyday_phrases(tmp_path, monkeypatch):
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    clips = write_folder(tmp_path / "clips")
    index_frozen(clips, tmp_path / "index", encoders=encoders(tmp_path / "models"))
    with application(tmp_path / "index") as app:
        client = client_of(app)
        found = client.get("/v1/clips/one", params={"id": "a.wav"}).json()
        near = found["nearest"]["audio"]
        assert len(near) == 8 and {one["seen"] for one in near} == {None}
        scores = [one["score"] for one in near]
        assert scores == sorted(scores, reverse=True)
        for one in near[:3]:
            hits = client.get("/v1/search", params={"q": one["label"], "where": "id = a.wav"}).json()["hits"]
            assert hits[0]["score"] == pytest.approx(one["score"])


def test_a_clip_is_recognised_among_everyday_phrases_where_nothing_has_a_label(tmp_path, monkeypatch):
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    clips = write_folder(tmp_path / "clips")
    index_frozen(clips, tmp_path / "index", encoders=encoders(tmp_path / "models"))
    content = (clips / "a.wav").read_bytes()
    with application(tmp_path / "index") as app:
        client = client_of(app)
        found = client.post("/v1/classify", params={"top": 6}, content=content).json()
        near = client.get("/v1/clips/one", params={"id": "a.wav"}).json()["nearest"]["audio"]
        assert [one["label"] for one in found["top"]] == [one["label"] for one in near[:6]]
        assert {one["seen"] for one in found["top"]} == {None} and "guess" in found["notes"][0]
        own = client.post("/v1/classify", params={"name": ["bell", "drum"]}, content=content).json()
        assert {one["label"]: one["seen"] for one in own["top"]} == {"bell": None, "drum": None}


def test_what_names_are_refused_for_says_nothing_of_places(tmp_path, monkeypatch):
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    clips = write_folder(tmp_path / "clips")
    index_frozen(clips, tmp_path / "index", encoders=encoders(tmp_path / "models"))
    with application(tmp_path / "index") as app:
        monkeypatch.setattr("avgzsl.server.index_archive.everyday_phrases", lambda searcher: None)
        content = (clips / "a.wav").read_bytes()
        detail = is_problem(client_of(app).post("/v1/classify", content=content), 422)
        assert "the run: knows no class" in detail and str(tmp_path) not in detail


def older(folder):
    """The index as it was before clips of a file could be found."""
    with sqlite3.connect(folder / clip_database.clip_table.FILE) as db:
        db.execute("drop index clips_by_path")
    db.close()


def test_an_older_index_answers_the_same_and_is_quick_once_it_is_written_to(tmp_path):
    folder = write_tapes(tmp_path / "index")
    asked = [("/v1/clips", {"limit": 200}), ("/v1/clips/one", {"id": "tape3.wav@4-6"})]

    def answers():
        with application(folder) as app:
            return [client_of(app).get(path, params=params).json() for path, params in asked]

    def plan():
        with view(open_index(folder)) as seen:
            has = bool(seen.db.execute("select 1 from sqlite_schema where name = 'clips_by_path'").fetchall())
            statement = "explain query plan select position from clips where path = 'x'"
            assert ("clips_by_path" in seen.db.execute(statement).fetchone()[3]) is has
            return has

    new = answers()
    older(folder)
    assert answers() == new and not plan()
    collection = open_index(folder)
    with writing(collection) as db:
        remove(collection, db, ["alone"])
    assert plan() and index_verify(folder).truth == ()


def test_windows_of_a_very_long_file_are_those_around_the_clip(tapes):
    with view(open_index(tapes)) as seen:
        path = "/nowhere/tape3.wav"
        near = clip_files.windows_near(seen.db, path, 4.0, 3)
        assert [clip.start for clip in seen.clips(near)] == [2.0, 4.0, 6.0]
        assert len(clip_files.windows_near(seen.db, "/nowhere/else.wav", 0.0, 3)) == 0
        assert clip_files.seconds(seen.db, [path, path, "none"]) == {path: LONGEST}


def test_times_that_are_none_are_an_error_and_no_answer(tmp_path):
    folder = write_tapes(tmp_path / "index")
    with sqlite3.connect(folder / clip_database.clip_table.FILE) as db:
        db.execute('update clips set "end" = 9e999 where id = ?', ("tape3.wav@4-6",))
    db.close()
    with application(folder) as app:
        assert "restore" in is_problem(client_of(app).get("/v1/facets"), 503)


def test_orders_of_a_damaged_table_end(tapes, monkeypatch):
    from avgzsl.archive import clip_order
    from avgzsl.errors import DataError

    with view(open_index(tapes)) as seen:
        good = clip_order.ordered(seen.db, "name", False)
        assert sorted(good.tolist()) == list(range(TAPES * WINDOWS + 1)) and good.dtype == np.int64
        monkeypatch.setitem(clip_order._KEYS, "name", "position) or exists (select 1 from clips limit 0")
        monkeypatch.setattr(clip_order, "state", lambda db: seen.state._replace(end=5))
        with pytest.raises(DataError, match="damaged"):
            clip_order.ordered(seen.db, "indexed", False)
