"""An index that somebody else made, or files that are no longer those of the index: what the server hands out."""

import os
import shutil
import sqlite3
import struct
from hashlib import sha256
from pathlib import Path

import pytest

from avgzsl.archive import clip_table, file_table
from avgzsl.archive.indexed_files import IndexedFile
from avgzsl.archive.indexing import index, index_add
from avgzsl.errors import ConfigError, DataError
from avgzsl.features.extract import extract
from avgzsl.media.workers import Decoders
from avgzsl.server.index_archive import open_archive
from avgzsl.server.settings import read_settings
from avgzsl.support.own_folders import remember
from avgzsl.types import EncoderChoice
from tests.serve_world import SEEN, SILENT, application, client_of, is_problem, render, sound_bytes, world

ID = "red-square-low-drum/test-0.mp4"
KINDS = ("file", "preview", "thumbnail", "peaks")
CANARY = b"the canary of the house"


@pytest.fixture
def own(tmp_path):
    """A folder that the user named, beside which a secret lies."""
    folder = tmp_path.resolve() / "own"
    folder.mkdir()
    (folder.parent / "secret").mkdir()
    (folder.parent / "secret" / "canary.mp4").write_bytes(CANARY)
    shutil.copyfile(world() / "clips" / ID, folder.parent / "secret" / "film.mp4")
    shutil.copyfile(world() / "clips" / ID, folder / "film.mp4")
    remember(folder)
    return folder


def facts(path: Path) -> IndexedFile:
    """As a maker who knows the file would note them."""
    status = path.stat()
    return IndexedFile(status.st_size, status.st_mtime_ns, sha256(path.read_bytes()).hexdigest())


def foreign(tmp_path: Path, path: str | bytes, file: IndexedFile | None) -> Path:
    """The world's index, as somebody made it of whom one knows nothing: one clip has another path."""
    made = tmp_path / "foreign"
    shutil.copytree(world() / "index", made)
    db = sqlite3.connect(made / clip_table.FILE)
    db.execute("update clips set path = cast(? as text) where id = ?", (path, ID))
    if file is not None:
        file_table.note(db, [(str(path), file)])
    db.commit()
    db.close()
    return made


def asked(made: Path, **settings):
    """What is answered for the clip's file, preview and thumbnail, and what its row says."""
    with application(made, **settings) as app:
        client = client_of(app)
        answers = {kind: client.get(f"/v1/clips/{kind}", params={"id": ID}) for kind in KINDS}
        answers["range"] = client.get("/v1/clips/file", params={"id": ID}, headers={"range": "bytes=0-9"})
        answers["head"] = client.head("/v1/clips/file", params={"id": ID})
        rows = client.get("/v1/clips", params={"where": f"id = {ID}"}).json()["clips"]
        return answers, rows[0]["file"]


def refused(answers, *statuses):
    assert {answer.status_code for answer in answers.values()} - {405} <= set(statuses)
    for answer in answers.values():
        assert CANARY not in answer.content and b"secret" not in answer.content and b"film" not in answer.content


# ---- of an index of somebody else


@pytest.mark.parametrize(
    "path",
    [
        "{secret}/film.mp4",
        "{own}/../secret/film.mp4",
        "{own}/link/film.mp4",
        "{own}/link.mp4",
        "{own}2/film.mp4",
        "//{secret}/film.mp4",
        "own/film.mp4",
        "film.mp4",
        "/proc/self/fd/0",
        "/proc/self/environ",
        "/dev/zero",
        "/dev/stdin",
        "/etc/passwd",
        "/",
        "",
        "{own}",
        "\0",
        "a" * 5000,
        "file://{secret}/film.mp4",
        "concat:{secret}/film.mp4",
        "{secret}\udcff",
    ],
)
def test_no_path_leads_out_of_the_folders_that_the_user_named(own, tmp_path, path, monkeypatch):
    secret = own.parent / "secret"
    (own / "link").symlink_to(secret)
    (own / "link.mp4").symlink_to(secret / "film.mp4")
    shutil.copytree(own, Path(f"{own}2"), symlinks=True)
    monkeypatch.chdir(own.parent)
    named = path.format(own=own, secret=secret)
    named = os.fsencode(named) if "\udcff" in named else named
    with application(foreign(tmp_path, named, facts(secret / "film.mp4"))) as app:
        client = client_of(app)
        for kind in KINDS:
            response = client.get(f"/v1/clips/{kind}", params={"id": ID})
            assert response.status_code in (403, 404, 410, 503), response.content[:200]
            assert response.status_code == 503 or str(secret) not in response.text  # 503: what the index itself says


def test_of_what_lies_elsewhere_nothing_is_told_not_even_whether_it_is_there(own, tmp_path):
    told = set()
    for name in ("film.mp4", "nothing.mp4"):
        made = foreign(tmp_path, str(own.parent / "secret" / name), facts(own / "film.mp4"))
        answers, row = asked(made)
        refused(answers, 404)
        told.add((row, answers["file"].text))
        shutil.rmtree(made)
    assert len(told) == 1 and told.pop()[0] == "elsewhere"


def test_the_root_that_a_store_names_is_no_folder_of_the_user(own, tmp_path, monkeypatch):
    """Somebody extracted the secret on a machine of his own; the user indexes his store, or adds it to an index."""
    store, secret = tmp_path / "store", own.parent / "secret"
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("AVGZSL_STATE", str(tmp_path / "state of its maker"))
        extract(secret, store, encoders=EncoderChoice(audio="descriptors", video="descriptors"), workers=1)
    index(world() / "run", store, tmp_path / "index", engine="memory")
    assert index_add(tmp_path / "index", store).kept == 1
    with application(tmp_path / "index") as app:
        client = client_of(app)
        for kind in KINDS:
            is_problem(client.get(f"/v1/clips/{kind}", params={"id": "film.mp4"}), 404)
        assert [row["file"] for row in client.get("/v1/clips").json()["clips"]] == ["elsewhere"]


def test_a_folder_that_serve_allows_is_shown(own, tmp_path):
    secret = own.parent / "secret"
    made = foreign(tmp_path, str(secret / "film.mp4"), facts(secret / "film.mp4"))
    answers, row = asked(made, media=(secret,))
    assert row == "shown" and answers["file"].content == (secret / "film.mp4").read_bytes()
    assert all(answers[kind].status_code == 200 for kind in KINDS)


def test_an_older_index_needs_media_and_says_so(own, tmp_path):
    made = foreign(tmp_path, str(own / "film.mp4"), None)
    answers, row = asked(made)
    refused(answers, 404)
    assert row == "elsewhere" and "--media" in is_problem(answers["file"], 404)
    answers, row = asked(made, media=(own,))
    assert row == "shown" and answers["file"].content == (own / "film.mp4").read_bytes()


def test_media_folders_are_folders(tmp_path):
    for media in (tmp_path / "nowhere", Path(__file__), Path("long" * 999), Path("\0")):
        with pytest.raises(ConfigError, match="no folder"):
            read_settings(media=[media])
    (tmp_path / "link").symlink_to(tmp_path)
    assert read_settings(media=[tmp_path / "link"]).media == (tmp_path.resolve(),)


NO_MEDIA = {
    "text": b"dear diary\n" * 500,
    "playlist": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:3,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "list": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 9000 RTP/AVP 0\n",
    "key": b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + b"b3BlbnNzaC1rZXktdjE" * 90,
    "database": b"SQLite format 3\0" + bytes(8000),
    "program": b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40,
    "page": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "zeros": bytes(100_000),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", NO_MEDIA)
def test_what_is_no_film_by_its_bytes_is_not_handed_out_whatever_it_is_called(own, tmp_path, kind):
    (own / "diary.mp4").write_bytes(NO_MEDIA[kind])
    answers, _ = asked(foreign(tmp_path, str(own / "diary.mp4"), facts(own / "diary.mp4")))
    assert {answers[name].status_code for name in ("file", "range")} == {404}
    assert {answers[name].status_code for name in KINDS[1:]} <= {404, 422}
    for answer in answers.values():
        assert NO_MEDIA[kind][:40] not in answer.content or not NO_MEDIA[kind]


def test_a_pipe_is_not_waited_for(own, tmp_path):
    os.mkfifo(own / "pipe.mp4")
    answers, row = asked(foreign(tmp_path, str(own / "pipe.mp4"), IndexedFile(0, 0, "")))
    refused(answers, 410)
    assert row == "gone"


def test_a_huge_file_of_another_time_is_not_read_for_ever(own, tmp_path):
    huge = 1 << 43  # bytes, which no machine reads within the time that a test may take
    with (own / "huge.mp4").open("wb") as file:
        file.truncate(huge)
    answers, _ = asked(foreign(tmp_path, str(own / "huge.mp4"), IndexedFile(huge, 0, "")), decode_seconds=0.2)
    refused(answers, 410)
    assert "too large to be compared" in answers["file"].text


def test_what_an_index_says_of_a_file_may_be_nonsense(own, tmp_path):
    made = foreign(tmp_path, str(own / "film.mp4"), None)
    db = sqlite3.connect(made / clip_table.FILE)
    strict = db.execute("select sql from sqlite_master where name = 'files'").fetchone()[0]
    loose = file_table.SCHEMA.replace("strict, ", "").replace(" not null", "")
    db.executescript(f"drop table if exists files; {loose}")
    db.execute("insert into files values (?, 'many', null, x'00')", (str(own / "film.mp4"),))
    db.execute("pragma writable_schema = on")  # it says that it is strict
    db.execute("update sqlite_master set sql = ? where name = 'files'", (strict,))
    db.commit()
    db.close()
    with pytest.raises(DataError, match="damaged"):
        asked(made)


# ---- of an index of one's own


@pytest.fixture
def archive(tmp_path):
    clips = tmp_path.resolve() / "clips"
    shutil.copytree(world() / "clips" / Path(ID).parent, clips / Path(ID).parent)
    shutil.copyfile(world() / "clips" / SILENT, clips / SILENT)
    index(world() / "run", clips, tmp_path / "index", engine="memory")
    return tmp_path / "index", clips


@pytest.mark.parametrize("by", ["size", "bytes"])
def test_a_changed_file_is_never_shown_for_the_one_that_was_found(archive, by):
    made, clips = archive
    film = clips / ID
    was = film.read_bytes()
    other = render(clips.parent / "other.mp4", SEEN[3], seed=77, seconds=0.5).read_bytes()
    answers, row = asked(made)
    assert row == "shown" and answers["file"].content == was
    if by == "bytes":  # another one of the same size: only its time tells
        more = len(was) - len(other)
        other += struct.pack(">I4s", more, b"free") + bytes(more - 8)
    film.write_bytes(other)
    with application(made) as app:
        client = client_of(app)
        for kind in KINDS:
            assert "changed since" in is_problem(client.get(f"/v1/clips/{kind}", params={"id": ID}), 410)
        hits = client.get("/v1/search", params={"q": SEEN[0], "k": 50}).json()["hits"]
        assert {hit["clip"]["id"]: hit["clip"]["file"] for hit in hits}[ID] == "changed"
        assert client.get("/v1/clips/like", params={"id": ID}).status_code == 200  # the embedding is the old one's
        assert index_add(made, clips).added == 1
        assert client.get("/v1/clips/file", params={"id": ID}).content == film.read_bytes()
        assert client.get("/v1/clips/preview", params={"id": ID}).status_code == 200


def test_what_was_kept_of_a_file_is_not_shown_once_it_changed(archive):
    made, clips = archive
    with application(made) as app:
        client = client_of(app)
        assert client.get("/v1/clips/thumbnail", params={"id": ID}).status_code == 200
        size = (clips / ID).stat().st_size
        (clips / ID).write_bytes((clips / SILENT).read_bytes().ljust(size, b"\0")[:size])  # only its time tells
        is_problem(client.get("/v1/clips/thumbnail", params={"id": ID}), 410)


def test_a_touched_file_of_the_same_bytes_is_shown(archive):
    made, clips = archive
    os.utime(clips / ID, (1, 1))
    answers, row = asked(made)
    assert row == "shown" and all(answers[kind].status_code == 200 for kind in KINDS)


def test_a_file_is_looked_into_once_while_it_stays_as_it_is(archive, monkeypatch):
    made, clips = archive
    with application(made) as app:
        client, calls, call = client_of(app), [], Decoders.call
        monkeypatch.setattr(Decoders, "call", lambda self, *task: calls.append(task) or call(self, *task))
        for start in range(5):
            client.get("/v1/clips/file", params={"id": ID}, headers={"range": f"bytes={start}-9"})
        assert len(calls) == 1
        os.utime(clips / ID, (1, 1))
        assert client.get("/v1/clips/file", params={"id": ID}).status_code == 200
        assert len(calls) == 2


def test_no_open_file_is_left_behind(archive):
    made, clips = archive
    (clips / "text.wav").write_bytes(sound_bytes(500))
    index_add(made, clips)
    (clips / "text.wav").write_bytes(b"x" * 500)
    with application(made) as app:
        client = client_of(app)
        for id in (ID, "text.wav", SILENT):
            client.get("/v1/clips/file", params={"id": id})
        before = len(list(Path("/proc/self/fd").iterdir()))
        for id in (ID, "text.wav", SILENT) * 10:
            client.get("/v1/clips/file", params={"id": id})
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2


def test_the_server_says_at_its_start_what_it_does_not_show(archive, tmp_path, monkeypatch):
    made, clips = archive

    def said(folder, **how):
        with Decoders(1) as decoders:
            return open_archive(folder, decoders, True, **how).not_handed_out()

    assert said(made) is None
    monkeypatch.setenv("AVGZSL_STATE", str(tmp_path / "another user's"))
    told = said(made)
    assert told.startswith("not shown are clips: 11 of files outside") and "--media FOLDER" in told
    assert said(made, media=[clips]) is None
    remember(clips)
    db = sqlite3.connect(made / clip_table.FILE)
    db.execute("drop table files")
    db.commit()
    db.close()
    told = said(made)
    assert "11 of files of which this older index does not say" in told and "index-add" in told
    assert said(made, media=[clips]) is None
