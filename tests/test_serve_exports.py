"""Clips taken along by the API: tables, playlists, zips of cut files; by ids alone, within limits."""

import io
import threading
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from avgzsl.archive.frozen_index import index_frozen
from avgzsl.media.decode import decode, probe
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.server import exporting
from avgzsl.server.app import PAGE
from avgzsl.server.problems import Refused
from avgzsl.support.spreadsheet import read_table
from tests.open_world import encoders, write_folder
from tests.serve_world import FPS, RATE, SECONDS, SILENT, application, client_of, is_problem, world
from tests.test_serve_foreign import CANARY, ID, facts, foreign

OTHER = "red-square-low-drum/test-1.mp4"
TOKEN = "0123456789abcdef-secret"


@pytest.fixture(scope="module")
def client():
    with application() as app:
        yield client_of(app)


def export(client, kind, ids, **how):
    return client.post("/v1/clips/export", json={"ids": ids, "kind": kind}, **how)


def rows_of(text: bytes, tmp_path: Path):
    (tmp_path / "clips.csv").write_bytes(text)
    return read_table(tmp_path / "clips.csv")


def test_a_table_has_what_is_known_of_the_clips_but_not_where_they_lie(client, tmp_path):
    found = export(client, "csv", [SILENT, ID, SILENT])
    assert found.headers["content-type"].startswith("text/csv")
    assert found.headers["content-disposition"] == 'attachment; filename="clips.csv"'
    rows = rows_of(found.content, tmp_path)
    assert [row["id"] for row in rows] == [SILENT, ID]
    assert (rows[1]["name"], rows[1]["folder"], rows[1]["licence"]) == ("test-0.mp4", "red-square-low-drum", "CC0")
    assert (rows[0]["has_video"], rows[1]["has_video"], rows[1]["file"]) == ("False", "True", "shown")
    assert str(world()) not in found.text


def test_what_a_spreadsheet_would_run_is_text_in_an_exported_table(tmp_path):
    made = foreign(tmp_path, "/nowhere/=cmd().mp4", None)
    with application(made) as app:
        found = export(client_of(app), "csv", [ID])
    assert "'=cmd().mp4" in found.text and ",=cmd()" not in found.text


def test_a_playlist_has_paths_for_callers_of_this_machine_and_addresses_for_others(client):
    found = export(client, "m3u", [ID, SILENT])
    assert found.headers["content-type"].startswith("audio/x-mpegurl")
    lines = found.text.splitlines()
    assert lines[0] == "#EXTM3U" and lines[-1] == str(world().resolve() / "clips" / SILENT)
    with application(token=TOKEN) as app:
        held = {"authorization": f"Bearer {TOKEN}"}
        client = client_of(app)
        found = export(client, "m3u", [ID, SILENT], headers=held)
        assert str(world()) not in found.text and "/clips/" in found.text
        addresses = [line for line in found.text.splitlines() if not line.startswith("#")]
        assert len(addresses) == 2
        for address, id in zip(addresses, (ID, SILENT), strict=True):
            assert client.get(address).status_code == 401
            assert client.get(address, headers=held).content == (world() / "clips" / id).read_bytes()


def test_in_a_playlist_without_labels_clips_of_one_name_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    clips = write_folder(tmp_path / "clips")
    index_frozen(clips, tmp_path / "index", encoders=encoders(tmp_path / "models"))
    with application(tmp_path / "index", media=(clips,)) as app:
        listed = export(client_of(app), "m3u", ["deep/b.wav", "deep/c.wav"]).text.splitlines()
    assert [line.partition(",")[2] for line in listed if line.startswith("#EXTINF")] == ["deep/b.wav", "deep/c.wav"]


def test_cut_files_show_and_sound_what_the_clips_do(client, tmp_path):
    found = export(client, "cut", [ID, SILENT])
    assert found.status_code == 200 and found.headers["content-type"] == "application/zip"
    assert found.headers["content-disposition"] == 'attachment; filename="clips.zip"'
    assert found.headers["cache-control"] == "no-store"
    with ZipFile(io.BytesIO(found.content)) as made:
        assert made.testzip() is None
        assert made.namelist() == [
            "0001_red-square-low-drum_test-0_0-1s.mp4",
            "0002_Glockenspiel-allein_0-1s.flac",
            "clips.csv",
        ]
        made.extractall(tmp_path)
    rows = rows_of((tmp_path / "clips.csv").read_bytes(), tmp_path)
    assert [(row["cut"], row["id"], row["problem"]) for row in rows] == [
        ("0001_red-square-low-drum_test-0_0-1s.mp4", ID, ""), ("0002_Glockenspiel-allein_0-1s.flac", SILENT, ""),
    ]  # fmt: skip
    for row in rows:
        file, source = tmp_path / row["cut"], world() / "clips" / row["id"]
        assert probe(file)["duration"] == pytest.approx(SECONDS, abs=0.05)
        sounds = [decode(place, sound=SoundNeeds(rate=RATE)).waveform for place in (file, source)]
        assert len(sounds[0]) == pytest.approx(SECONDS * RATE, abs=0.05 * RATE)
        count = min(map(len, sounds))
        assert np.corrcoef(sounds[0][:count], sounds[1][:count])[0, 1] > 0.98
    shown = [
        decode(p, frames=FrameNeeds(size=64, fps=float(FPS))).frames
        for p in (tmp_path / rows[0]["cut"], world() / "clips" / ID)
    ]
    assert len(shown[0]) == len(shown[1]) and np.abs(shown[0].astype(int) - shown[1].astype(int)).mean() < 8


def test_only_what_is_handed_out_is_cut_or_listed_and_the_rest_is_told(tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    film = secret / "film.mp4"
    film.write_bytes((world() / "clips" / ID).read_bytes())
    made = foreign(tmp_path, str(film), facts(film))
    with application(made) as app:
        client = client_of(app)
        found = export(client, "cut", [ID, OTHER])
        with ZipFile(io.BytesIO(found.content)) as files:
            assert files.namelist() == ["0002_red-square-low-drum_test-1_0-1s.mp4", "clips.csv"]
            rows = rows_of(files.read("clips.csv"), tmp_path)
        assert "is not shown" in rows[0]["problem"] and rows[0]["cut"] == "" and rows[1]["problem"] == ""
        assert "is not shown" in is_problem(export(client, "cut", [ID]), 422)
        listed = export(client, "m3u", [ID, OTHER]).text
        assert "film" not in listed and "test-1.mp4" in listed
        for answer in (found.content, export(client, "csv", [ID]).content):
            assert str(secret).encode() not in answer


def test_a_changed_file_and_a_link_give_nothing(tmp_path):
    own = tmp_path.resolve() / "own"
    own.mkdir()
    (tmp_path / "canary.mp4").write_bytes(CANARY)
    film = own / "film.mp4"
    film.write_bytes((world() / "clips" / ID).read_bytes())
    made = foreign(tmp_path, str(film), facts(film))
    with application(made, media=(own,)) as app:
        client = client_of(app)
        assert export(client, "cut", [ID]).status_code == 200
        film.write_bytes((world() / "clips" / OTHER).read_bytes() + b"x")
        assert "changed" in is_problem(export(client, "cut", [ID]), 422)
        film.unlink()
        film.symlink_to(tmp_path / "canary.mp4")
        assert "link" in is_problem(export(client, "cut", [ID]), 422)
        assert "canary" not in export(client, "m3u", [ID]).text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cut_clips": 1}, r"2 clips are to be cut, and at most 1 are at once (AVGZSL_SERVE_CUT_CLIPS)"),
        ({"cut_seconds": 1.5}, "AVGZSL_SERVE_CUT_SECONDS"),
        ({"cut_bytes": 5000}, "AVGZSL_SERVE_CUT_BYTES"),
    ],
)
def test_what_is_too_much_is_refused_whole_and_the_setting_named(settings, said):
    with application(**settings) as app:
        assert said in is_problem(export(client_of(app), "cut", [ID, OTHER]), 422)
        scratch = app.state.service.scratch.folder()
        assert [path for path in scratch.rglob("*") if "export" in path.name] == []


def test_time_is_bounded_and_nobody_who_has_gone_is_worked_for(monkeypatch):
    with application() as app:
        stop = threading.Event()
        stop.set()
        with pytest.raises(Refused, match="0 of 1 clips"):
            exporting.as_zip(app.state.service, [ID], stop)
        monkeypatch.setattr(exporting, "_PART", 0.0)
        found = export(client_of(app), "cut", [ID])
        assert "AVGZSL_SERVE_ANSWER_SECONDS" in is_problem(found, 503) and found.headers["retry-after"]


@pytest.mark.parametrize(
    "body",
    [
        {"ids": [], "kind": "csv"},
        {"ids": [ID] * 1001, "kind": "csv"},
        {"ids": [""], "kind": "csv"},
        {"ids": ["x" * 4097], "kind": "csv"},
        {"ids": [ID], "kind": "zip"},
        {"ids": [ID], "kind": "csv", "path": "/etc/passwd"},
        {"paths": ["/etc/passwd"], "kind": "cut"},
        {"ids": [["a"]], "kind": "csv"},
    ],
)
def test_ids_alone_are_taken(client, body):
    is_problem(client.post("/v1/clips/export", json=body), 422)


def test_a_clip_that_is_not_there_and_a_body_that_is_none_or_too_large(client):
    for kind in ("csv", "m3u", "cut"):
        assert "nobody" in is_problem(export(client, kind, [ID, "nobody"]), 404)
        assert "/etc/passwd" in is_problem(export(client, kind, ["/etc/passwd"]), 404)
    is_problem(client.post("/v1/clips/export", content=b'{"ids": ["\\ud800"], "kind": "csv"}'), 422)
    is_problem(client.post("/v1/clips/export", content=b"{"), 422)
    large = b'{"ids": ["' + b"x" * (1 << 20) + b'"], "kind": "csv"}'
    assert "1,048,576 bytes" in is_problem(client.post("/v1/clips/export", content=large), 413)


def test_who_has_no_token_or_is_another_site_exports_nothing():
    with application(token=TOKEN) as app:
        client = client_of(app)
        is_problem(export(client, "csv", [ID]), 401)
        held = {"authorization": f"Bearer {TOKEN}"}
        assert export(client, "csv", [ID], headers=held).status_code == 200
        is_problem(export(client, "csv", [ID], headers={**held, "origin": "http://elsewhere.example"}), 403)


def test_a_parameter_that_a_path_does_not_know_is_named_with_those_that_it_knows(client):
    found = client.get("/v1/search", params={"q": "drum", "limit": 3})
    said = is_problem(found, 422)
    assert said.startswith("limit: is no parameter of /v1/search; there are: ") and "modality" in said and "not" in said
    assert found.json()["errors"][0]["field"] == "limit"
    is_problem(client.get("/v1/clips", params={"k": 3}), 422)
    assert client.get("/v1/health", params={"t": 1}).status_code == 200
    assert client.get("/", params={"view": "map"}).content == (PAGE / "index.html").read_bytes()
