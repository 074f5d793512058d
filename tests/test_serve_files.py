"""Clips, previews and thumbnails as files: whole, in ranges, and when they go while they are asked for."""

import asyncio
import email
import io
import os
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avgzsl.media.encode import encode
from avgzsl.media.needs import Span
from avgzsl.server import made_of_clips, opened_files
from avgzsl.server.contract import Media
from avgzsl.server.kept import Kept
from avgzsl.server.scratch import Scratch
from tests.serve_world import HERE, SEEN, SILENT, application, client_of, is_problem, sound_bytes, world

ID = "red-square-low-drum/test-0.mp4"
KINDS = ("file", "preview", "thumbnail", "peaks")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A folder that the server may show."""
    return tmp_path_factory.mktemp("shown").resolve()


@pytest.fixture(scope="module")
def app(shown):
    with application(media=(shown,)) as made:
        yield made


@pytest.fixture(scope="module")
def client(app):
    return client_of(app)


@pytest.fixture
def own(app, shown, monkeypatch):
    """The file that every id stands for: a copy of a clip, which a test may spoil."""
    path = shown / "own.mp4"
    shutil.copyfile(world() / "clips" / ID, path)
    monkeypatch.setattr(app.state.service.archive, "media", lambda id: Media(path, Span(), True))
    yield path
    path.unlink(missing_ok=True)


def test_files_come_whole_and_in_ranges(client):
    id = "red-square-low-drum/test-0.mp4"
    content = (world() / "clips" / id).read_bytes()
    whole = client.get("/v1/clips/file", params={"id": id})
    assert whole.content == content and whole.headers["accept-ranges"] == "bytes"
    part = client.get("/v1/clips/file", params={"id": id}, headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    beyond = client.get("/v1/clips/file", params={"id": id}, headers={"range": f"bytes={len(content)}-"})
    assert beyond.status_code == 416


def test_thumbnails_and_previews_are_pictures_and_films(client):
    import av

    id = "blue-cross-high-flute/test-1.mp4"
    picture = client.get("/v1/clips/thumbnail", params={"id": id})
    assert picture.content[:3] == b"\xff\xd8\xff" and picture.headers["content-type"] == "image/jpeg"
    film = client.get("/v1/clips/preview", params={"id": id})
    with av.open(__import__("io").BytesIO(film.content)) as container:
        assert {stream.codec_context.name for stream in container.streams} == {"h264", "aac"}
    heard = client.get("/v1/clips/preview", params={"id": SILENT})
    assert heard.status_code == 200 and len(heard.content) > 1000
    assert "no picture" in is_problem(client.get("/v1/clips/thumbnail", params={"id": SILENT}), 404)


def test_peaks_are_those_of_the_sound_and_kept(client, app, monkeypatch):
    with wave.open(str(world() / "clips" / SILENT)) as file:
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(-1), "<i2") / 32768
    first = client.get("/v1/clips/peaks", params={"id": SILENT})
    told = first.json()
    assert first.headers["content-type"] == "application/json"
    assert (told["start"], told["seconds"]) == (0.0, pytest.approx(len(samples) / rate))
    parts = np.array_split(samples, len(told["peaks"]))
    assert len(parts) == 400
    np.testing.assert_allclose(told["peaks"], [(part.min(), part.max()) for part in parts], atol=6e-4)
    monkeypatch.setattr(app.state.service.decoders, "call", lambda *_: pytest.fail("made again"))
    assert client.get("/v1/clips/peaks", params={"id": SILENT}).content == first.content


def test_a_thumbnail_is_small_or_large_and_never_larger_than_the_film(client, own):
    for width, small, large in (
        (1280, (320, 180), (960, 540)),
        (640, (320, 180), (640, 360)),
        (160, (160, 90), (160, 90)),
    ):
        encode(own, np.zeros((2, width * 9 // 16, width, 3), np.uint8), 8.0)
        for asked, size in (("", small), ("&large=true", large)):
            picture = client.get(f"/v1/clips/thumbnail?id=x{asked}")
            assert Image.open(io.BytesIO(picture.content)).size == size
    is_problem(client.get("/v1/clips/thumbnail?id=x&large=huge"), 422)


def test_a_clip_without_sound_has_no_peaks(client, own):
    encode(own, np.zeros((9, 64, 64, 3), np.uint8), 9.0)
    assert is_problem(client.get("/v1/clips/peaks?id=x"), 404) == "the clip has no sound"


def test_of_a_broken_file_peaks_and_preview_say_the_same(client, own):
    own.write_bytes(own.read_bytes()[:5000])
    told = [is_problem(client.get(f"/v1/clips/{kind}?id=x"), 422) for kind in ("preview", "peaks")]
    assert told[0] == told[1] and str(own) not in told[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "id", ["../../etc/passwd", "/etc/passwd", "nothing", "red-square-low-drum/train-0.mp4", "manifest.csv", "\x00"]
)
def test_nothing_but_indexed_clips_is_served(client, kind, id):
    is_problem(client.get(f"/v1/clips/{kind}", params={"id": id}), 404)


@pytest.mark.parametrize("path", ["/../pyproject.toml", "/%2e%2e/app.py", "/..%2fapp.py", "/page/../app.py"])
def test_the_page_serves_its_own_files_alone(client, path):
    response = client.get(path)
    assert response.status_code == 404 and "import" not in response.text


def test_a_clip_that_became_a_link_or_went_is_not_served(tmp_path):
    shutil.copytree(world() / "index", tmp_path / "index")
    there = Path(world() / "clips" / "red-square-low-drum")
    kept = {name: (there / name).read_bytes() for name in ("test-1.mp4", "test-2.mp4")}
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(kept["test-1.mp4"])
    try:
        (there / "test-1.mp4").unlink()
        (there / "test-1.mp4").symlink_to(secret)
        (there / "test-2.mp4").unlink()
        with application(tmp_path / "index") as app:
            client = client_of(app)
            for kind in KINDS:
                ask = f"/v1/clips/{kind}?id=red-square-low-drum/test"
                assert "link" in is_problem(client.get(f"{ask}-1.mp4"), 403)
                assert "gone" in is_problem(client.get(f"{ask}-2.mp4"), 410)
            hits = client.get("/v1/search", params={"q": SEEN[0], "k": 50}).json()["hits"]
            hidden = {hit["clip"]["id"]: hit["clip"]["file"] for hit in hits if not hit["clip"]["has_file"]}
            assert hidden == {
                "red-square-low-drum/test-1.mp4": "elsewhere",
                "red-square-low-drum/test-2.mp4": "gone",
            }
    finally:
        for name, content in kept.items():
            (there / name).unlink(missing_ok=True)
            (there / name).write_bytes(content)


def put(kept, key, size=40):
    kept.make(key, lambda path: path.write_bytes(bytes(size)))


def has(kept, key):
    file = kept.open(key)
    if file is None:
        return False
    with file:
        return True


@pytest.fixture
def kept(tmp_path):
    return Kept(Scratch(tmp_path / "kept"), 100)


def test_kept_files_stay_within_their_space(kept):
    for i in range(3):
        put(kept, i)
    assert len(list(kept.place().parent.iterdir())) == 2
    assert [has(kept, i) for i in range(3)] == [False, True, True]
    has(kept, 1)
    put(kept, 3)
    assert has(kept, 1) and not has(kept, 2)
    with pytest.raises(ZeroDivisionError):
        kept.make(4, lambda path: 1 / 0)
    assert not has(kept, 4)
    put(kept, 3)  # anew: the older one goes
    assert len(list(kept.place().parent.iterdir())) == 2


def test_a_kept_file_that_is_open_is_read_to_its_end(kept):
    put(kept, 0)
    with kept.open(0) as file:
        for i in range(1, 9):
            put(kept, i)
        assert not has(kept, 0) and file.read() == bytes(40)


def test_a_kept_file_that_others_removed_is_not_there(kept):
    for remove in (lambda folder: [path.unlink() for path in folder.iterdir()], shutil.rmtree):
        put(kept, 0)
        remove(kept.place().parent)
        assert not has(kept, 0)
        put(kept, 0)
        assert has(kept, 0)


# ---- what goes while it is asked for


def spoiled(monkeypatch, spoil):
    """`spoil` is called as soon as the server has seen that a clip is there, once."""
    look, calls = opened_files.find, []

    def find(service, id):
        found = look(service, id)
        if not calls:
            calls.append(id)
            spoil()
        return found

    for module in (opened_files, made_of_clips):
        monkeypatch.setattr(module, "find", find)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_that_goes_after_it_was_seen_is_gone(client, own, monkeypatch, kind):
    spoiled(monkeypatch, own.unlink)
    detail = is_problem(client.get(f"/v1/clips/{kind}", params={"id": "x"}), 410)
    assert "gone" in detail and str(own) not in detail


def test_a_link_that_is_put_there_after_the_look_is_not_followed(client, own, monkeypatch, tmp_path):
    (tmp_path / "secret").write_bytes(b"the secret of the house")

    def spoil():
        own.unlink()
        own.symlink_to(tmp_path / "secret")

    spoiled(monkeypatch, spoil)
    response = client.get("/v1/clips/file?id=x")
    assert "link" in is_problem(response, 403) and "secret of" not in response.text


@pytest.mark.parametrize("kind", KINDS[1:])
def test_nothing_is_made_of_a_link_that_is_put_there_after_the_look(client, own, monkeypatch, tmp_path, kind):
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(own.read_bytes())

    def spoil():
        own.unlink()
        own.symlink_to(secret)

    spoiled(monkeypatch, spoil)
    assert "link" in is_problem(client.get(f"/v1/clips/{kind}?id=x"), 403)


def test_another_file_that_is_put_there_after_the_look_is_sent_whole(client, own, monkeypatch, tmp_path):
    other = sound_bytes(SIZE)
    (tmp_path / "other").write_bytes(other)
    spoiled(monkeypatch, lambda: (tmp_path / "other").replace(own))
    assert client.get("/v1/clips/file?id=x").content == other


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_to_itself_is_no_clip(client, own, kind):
    own.unlink()
    own.symlink_to(own)
    is_problem(client.get(f"/v1/clips/{kind}?id=x"), 410)


def test_a_clip_that_the_server_may_not_read_is_said_to_be_one(client, own, monkeypatch):
    really = os.open

    def refuse(path, *how, **more):
        if path == own.name:
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, *how, **more)

    monkeypatch.setattr(os, "open", refuse)
    detail = is_problem(client.get("/v1/clips/file?id=x"), 503)
    assert "Permission denied" in detail and str(own) not in detail


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize(("rivals", "status", "makings"), [(1, 200, 2), (99, 429, 3)])
def test_what_is_driven_out_before_it_is_sent_is_made_anew(monkeypatch, kind, rivals, status, makings):
    made, make = [], Kept.make

    def driven_out(self, key, write):
        make(self, key, write)
        made.append(key)
        if len(made) <= rivals:
            make(self, len(made), lambda path: path.write_bytes(b"x"))

    monkeypatch.setattr(Kept, "make", driven_out)
    with application(kept_bytes=0) as app:
        response = client_of(app).get(f"/v1/clips/{kind}", params={"id": ID})
        assert response.status_code == status and len(made) == makings
        if status == 429:
            assert "again" in is_problem(response, 429) and int(response.headers["retry-after"]) > 0


# ---- ranges


def sent(app, path, asked, begun):
    """What is sent of a path; `begun` is called when the head of the answer is out, before any byte of the body."""
    messages = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        messages.append(message)
        if message["type"] == "http.response.start":
            begun()

    host, range = HERE.split("//")[1].encode(), asked.encode()
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"id=x", "scheme": "http"}
    asyncio.run(app({**scope, "headers": [(b"host", host), (b"range", range)]}, receive, send))
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


@pytest.mark.parametrize("asked", ["", "bytes=10-", "bytes=100-90000"])
@pytest.mark.parametrize("kind", KINDS)
def test_head_and_bytes_are_those_of_one_file(app, client, own, kind, asked):
    if kind == "file":
        own.write_bytes(sound_bytes(200_000))
    whole = client.get(f"/v1/clips/{kind}?id=x").content

    def fill(path):
        with path.open("wb") as file:
            file.truncate(app.state.service.settings.kept_bytes)

    def spoil():
        (own.parent / "other").write_bytes(b"another" * 40_000)
        (own.parent / "other").replace(own)
        app.state.service.kept.make(own, fill)

    head, body = sent(app, f"/v1/clips/{kind}", asked, spoil)
    start, _, last = asked.removeprefix("bytes=").partition("-")
    assert body == whole[int(start or 0) : int(last or len(whole)) + 1]
    headers = dict(head["headers"])
    assert int(headers[b"content-length"]) == len(body) and head["status"] == (206 if asked else 200)


SIZE = 1000


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, SIZE)),
        ("bytes=5-7", (5, 8)),
        ("bytes=990-5000", (990, SIZE)),
        ("bytes=-7", (SIZE - 7, SIZE)),
        ("bytes=-5000", (0, SIZE)),
        *[(whole, None) for whole in ("bytes=5-2", "bytes=-", "lines=1-2", "bytes=x-", "bytes", "bytes=")],
        ("bytes=" + "9" * 5000 + "-", None),
        ("bytes=1000-", "beyond"),
        ("bytes=-0", "beyond"),
    ],
)
def test_ranges(client, own, asked, part):
    content = sound_bytes(SIZE)
    own.write_bytes(content)
    response = client.get("/v1/clips/file?id=x", headers={"range": asked})
    if part == "beyond":
        assert asked in is_problem(response, 416) and response.headers["content-range"] == f"bytes */{SIZE}"
    elif part is None:
        assert (response.status_code, response.content) == (200, content)
    else:
        start, end = part
        assert (response.status_code, response.content) == (206, content[start:end])
        assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"


def test_several_ranges_come_in_parts(client, own):
    content = sound_bytes(SIZE)
    own.write_bytes(content)
    response = client.get("/v1/clips/file?id=x", headers={"range": "bytes=0-1, 990-, 5000-6000"})
    assert response.status_code == 206
    message = email.message_from_bytes(
        b"content-type: " + response.headers["content-type"].encode() + b"\r\n\r\n" + response.content
    )
    parts = {part["content-range"]: part.get_payload(decode=True) for part in message.get_payload()}
    assert parts == {f"bytes 0-1/{SIZE}": content[:2], f"bytes 990-999/{SIZE}": content[990:]}
    many = client.get("/v1/clips/file?id=x", headers={"range": "bytes=" + ",".join(["0-0"] * 500)})
    assert (many.status_code, many.content) == (200, content)


@pytest.mark.parametrize("kind", [*KINDS, "page"])
def test_what_a_caller_has_is_not_sent_again(client, own, kind):
    path = "/app.js" if kind == "page" else f"/v1/clips/{kind}?id=x"
    first = client.get(path)
    tag, changed = first.headers["etag"], first.headers["last-modified"]
    before, after = "Thu, 01 Jan 1970 00:00:09 GMT", "Fri, 31 Dec 2100 23:59:59 GMT"
    for asked, status in (
        ({"if-none-match": tag}, 304),
        ({"if-none-match": f'"other", W/{tag}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-none-match": '"other"', "if-modified-since": after}, 200),
        ({"if-none-match": tag, "range": "bytes=0-1"}, 304),
        ({"if-modified-since": changed}, 304),
        ({"if-modified-since": after}, 304),
        ({"if-modified-since": before}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-match": tag}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"other"'}, 412),
        ({"if-match": f"W/{tag}"}, 412),
        ({"if-unmodified-since": before}, 412),
        ({"if-unmodified-since": changed}, 200),
        ({"if-match": tag, "if-unmodified-since": before}, 200),
        ({"range": "bytes=0-1"}, 206),
        ({"range": "bytes=0-1", "if-range": tag}, 206),
        ({"range": "bytes=0-1", "if-range": f"W/{tag}"}, 200),
        ({"range": "bytes=0-1", "if-range": before}, 200),
        ({"range": "pages=0-1"}, 200),
        ({"range": "bytes=999999999-"}, 416),
    ):
        response = client.get(path, headers=asked)
        assert response.status_code == status, asked
        if status == 304:
            assert not response.content and response.headers["etag"] == tag and "content-type" not in response.headers
        elif status in (412, 416):
            is_problem(response, status)
        else:
            assert response.content == (first.content if status == 200 else first.content[:2])


@pytest.mark.parametrize(
    "path",
    [*(f"/v1/clips/{kind}?id={ID}" for kind in KINDS), "/", "/app.js", "/v1/health", "/v1/info", "/v1/openapi.json"],
)
def test_head_tells_what_get_would(client, path):
    whole, head = client.get(path), client.head(path)
    differ = {"x-request-id", "date"}
    told = {name: value for name, value in whole.headers.items() if name not in differ}
    assert (head.status_code, head.content) == (200, b"")
    assert {name: value for name, value in head.headers.items() if name not in differ} == told
    ranged = client.head(path, headers={"range": "bytes=0-1"})  # of GET alone
    assert ranged.status_code == 200 and ranged.headers["content-length"] == whole.headers["content-length"]


def test_head_is_refused_where_get_is(client):
    for path, status in (
        ("/v1/clips/file?id=nothing", 404),
        ("/v1/search", 422),
        ("/no/such", 404),
    ):
        assert client.head(path).status_code == status == client.get(path).status_code


def test_an_empty_file_is_no_clip(client, own):
    own.write_bytes(b"")
    for asked in ({}, {"range": "bytes=0-"}):
        is_problem(client.get("/v1/clips/file?id=x", headers=asked), 404)


def test_a_range_of_a_clip_that_has_changed_is_the_whole_of_the_new_one(client, own):
    first = client.get("/v1/clips/file?id=x")
    for known in (first.headers["etag"], first.headers["last-modified"]):
        still = client.get("/v1/clips/file?id=x", headers={"range": "bytes=3-5", "if-range": known})
        assert (still.status_code, still.content) == (206, first.content[3:6])
    other = sound_bytes(SIZE)
    own.write_bytes(other)
    os.utime(own, (0, 0))
    for known in (first.headers["etag"], first.headers["last-modified"]):
        changed = client.get("/v1/clips/file?id=x", headers={"range": "bytes=3-5", "if-range": known})
        assert (changed.status_code, changed.content) == (200, other)
