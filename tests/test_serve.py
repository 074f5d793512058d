"""The API over a real index of rendered clips: what it answers, whom it answers, what it refuses."""

import asyncio
import errno
import hashlib
import json
import logging
import os
import shutil
import threading

import numpy as np
import pytest
import torch
from pydantic import SecretStr

from avgzsl.archive.collection import open_index, view
from avgzsl.errors import ConfigError, RunError
from avgzsl.experiments.calibration import Recognition
from avgzsl.experiments.run import load_run, read_classes
from avgzsl.media.needs import SoundNeeds
from avgzsl.recognition.answers import distance
from avgzsl.scores.evidence import Lines
from avgzsl.server import access, limits, sessions
from avgzsl.server.problems import Refused
from avgzsl.server.projection import plane
from avgzsl.server.request_log import JsonLines
from avgzsl.server.settings import read_settings
from avgzsl.server.shares import Shares, neighbourhood
from tests.serve_world import (
    HERE,
    PROBLEM,
    SEEN,
    SILENT,
    UNSEEN,
    application,
    client_of,
    is_problem,
    listening_alone,
    render,
    world,
)

TOKEN = "0123456789abcdef-secret"


@pytest.fixture(scope="module")
def client():
    with application() as app:
        yield client_of(app)


@pytest.fixture(scope="module")
def guarded():
    with application(token=TOKEN) as app:
        yield app


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return render(tmp_path_factory.mktemp("upload") / "own.mp4", UNSEEN[0], seed=77).read_bytes()


def test_hits_of_words_say_whether_they_are_likely_and_hits_of_a_clip_do_not(client, monkeypatch):
    found = client.get("/v1/search", params={"q": SEEN[0]}).json()
    assert found["line"] is None and "hardly more evidence" in found["notes"][0]  # as this run's validation has it
    monkeypatch.setattr(Recognition, "lines_of", lambda self, mode, method: Lines(-100.0, 0.5, 0.0, -200.0))
    found = client.get("/v1/search", params={"q": SEEN[0]}).json()
    evidence = [hit["evidence"] for hit in found["hits"]]
    assert evidence == sorted(evidence, reverse=True) and found["notes"] == []
    assert found["hits"][0]["likely"] is True
    assert found["line"] == sum(hit["likely"] for hit in found["hits"])
    monkeypatch.setattr(Recognition, "lines_of", lambda self, mode, method: Lines(100.0, 0.5, 0.0, 0.0))
    assert client.get("/v1/search", params={"q": SEEN[0]}).json()["line"] == 0
    like = client.get("/v1/clips/like", params={"id": found["hits"][0]["clip"]["id"]}).json()
    assert like["line"] is None and {hit["likely"] for hit in like["hits"]} == {None}


def slow_hits(text, modality):
    """Every clip of the index, by the distance of its run, clip by clip."""
    collection = open_index(world() / "index")
    classes = read_classes(collection.run)
    point = collection.run.method.embed_text(classes.text[[classes.names.index(text)]].float()).audio[0].double()
    found = []
    with view(collection) as seen:
        here = seen.positions()
        z = seen.embeddings(here)
        for i, about in enumerate(seen.clips(here)):
            parts = {}
            for m, has, rows in (("audio", about.has_audio, z.audio), ("video", about.has_video, z.video)):
                if has and modality in (m, "both"):
                    parts[m] = float((rows[i].double() - point).square().sum().sqrt())
            video = float(z.video_weight[i]) if len(parts) == 2 else float("video" in parts)
            weights = {"audio": 1 - video, "video": video}
            if parts:
                found.append((sum(weights[m] * d for m, d in parts.items()), about.id, parts, weights))
    return sorted(found)


@pytest.mark.parametrize("modality", ["audio", "video", "both"])
def test_search_ranks_and_explains_as_a_loop_does(client, modality):
    asked = {"q": UNSEEN[1], "k": 50, "modality": modality}
    found = client.get("/v1/search", params={**asked, "retrieval": "plain"}).json()
    hits = found["hits"]
    assert not found["corrected"]
    slow = slow_hits(UNSEEN[1], modality)
    assert [hit["clip"]["id"] for hit in hits] == [id for _, id, _, _ in slow]
    for hit, (whole, _, parts, weights) in zip(hits, slow, strict=True):
        assert hit["distance"] == pytest.approx(whole, rel=1e-5)
        assert hit["score"] == -hit["distance"]
        for m, value in parts.items():
            assert hit[m]["distance"] == pytest.approx(value, rel=1e-5)
            assert hit[m]["weight"] == pytest.approx(weights[m], abs=1e-6)
        counted = [hit[m] for m in ("audio", "video") if hit[m] is not None]
        assert sum(part["weight"] * part["distance"] for part in counted) == pytest.approx(whole, rel=1e-5)
    found = client.get("/v1/search", params=asked).json()  # by corrected scores, which the index has
    assert found["corrected"]
    distances = {hit["clip"]["id"]: hit["distance"] for hit in hits}
    assert {hit["clip"]["id"]: hit["distance"] for hit in found["hits"]} == pytest.approx(distances)
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True) and scores != [-hit["distance"] for hit in found["hits"]]


def test_hits_say_what_is_known_of_a_clip(client):
    hits = client.get("/v1/search", params={"q": UNSEEN[0], "k": 50}).json()["hits"]
    by_id = {hit["clip"]["id"]: hit["clip"] for hit in hits}
    assert len(by_id) == 19
    clip = by_id["blue-square-low-drum/test-0.mp4"]
    assert (clip["label"], clip["seen"], clip["licence"]) == (UNSEEN[0], False, "CC0")
    assert clip["has_file"] and clip["media_type"] == "video/mp4" and clip["has_audio"] and clip["has_video"]
    alone = by_id[SILENT]
    assert (alone["label"], alone["seen"], alone["has_video"]) == (None, None, False)


def test_away_from_a_phrase_and_conditions_change_the_hits(client):
    plain = client.get("/v1/search", params={"q": SEEN[0], "k": 3}).json()["hits"]
    away = client.get("/v1/search", params={"q": SEEN[0], "not": "drum", "k": 3}).json()["hits"]
    assert plain[0]["distance"] != away[0]["distance"]
    only = client.get("/v1/search", params={"q": SEEN[0], "where": f'label = "{UNSEEN[0]}"'}).json()["hits"]
    assert len(only) == 3 and {hit["clip"]["label"] for hit in only} == {UNSEEN[0]}


def test_a_clip_of_the_archive_finds_its_like_but_not_itself(client):
    id = "red-square-low-drum/test-0.mp4"
    hits = client.get("/v1/clips/like", params={"id": id, "k": 18}).json()["hits"]
    assert len(hits) == 18 and id not in {hit["clip"]["id"] for hit in hits}
    assert len(client.get("/v1/clips/like", params={"id": id, "k": 5}).json()["hits"]) == 5


def test_an_uploaded_clip_stands_where_the_same_clip_of_the_archive_stands(client):
    id = "red-square-low-drum/test-0.mp4"
    content = (world() / "clips" / id).read_bytes()
    for by, modality in (("audio", "audio"), ("video", "video"), ("audio", "video"), ("both", "both")):
        asked = {"by": by, "modality": modality, "k": 19}
        hits = client.post("/v1/search", params=asked, content=content).json()["hits"]
        like = client.get("/v1/clips/like", params={**asked, "id": id}).json()["hits"]
        others = [hit for hit in hits if hit["clip"]["id"] != id]
        assert [hit["clip"]["id"] for hit in others] == [hit["clip"]["id"] for hit in like]
        assert [hit["distance"] for hit in others] == pytest.approx([hit["distance"] for hit in like], rel=1e-4)
        if by == modality != "both":
            assert hits[0]["clip"]["id"] == id and hits[0]["distance"] == pytest.approx(0, abs=1e-3)


def test_classify_says_what_predict_says(client, clip, tmp_path):
    from avgzsl.recognition.recognise import predict

    (tmp_path / "own.mp4").write_bytes(clip)
    (told,) = predict(world() / "run", [tmp_path / "own.mp4"], top=6, reject=True)
    found = client.post("/v1/classify?top=6", content=clip).json()
    assert [one["label"] for one in found["top"]] == [one.label for one in told.top]
    assert found["none_of_these"] == told.answer.none_of_these and found["gamma"] == told.answer.gamma
    for one, other in zip(found["top"], told.top, strict=True):
        assert one["distance"] == pytest.approx(other.distance, rel=1e-5)
        assert one["support"] == pytest.approx(other.support, rel=1e-4)


def test_classify_among_names_of_ones_own(client, clip):
    names = ["blue square low drum", "a purple triangle"]
    found = client.post("/v1/classify", params={"name": names}, content=clip).json()
    assert {one["label"] for one in found["top"]} == set(names) and not found["top"][0]["seen"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/search", "q"),
        ("/v1/search?q=", "q"),
        ("/v1/search?q=%20%20", "empty"),
        ("/v1/search?q=" + "x" * 10_000, "q"),
        ("/v1/search?q=a%00b", "U+0000"),
        ("/v1/search?q=bell&k=0", "k"),
        ("/v1/search?q=bell&modality=smell", "modality"),
        ("/v1/search?q=bell&where=price%20%3C%203", "price"),
        ("/v1/search?q=bell&where=1%3D1%20or%201", "1"),
        ("/v1/clips?where=label%3D%27x%27%20or%201%3D1", "and"),
        ("/v1/clips?offset=-1", "offset"),
        ("/v1/map?most=1", "most"),
    ],
)
def test_bad_questions_are_answered_with_what_is_wrong(client, path, told):
    assert told in is_problem(client.get(path), 422)


@pytest.mark.parametrize("words", ["جرس الكنيسة", "🔔", "‮llëb", "' or 1=1 --", "<script>alert(1)</script>"])
def test_strange_words_are_words_or_said_to_be_none(client, words):
    response = client.get("/v1/search", params={"q": words})
    assert response.status_code == 200 or is_problem(response, 422)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "empty"), (b"no clip at all" * 99, "clip"), (b"PK\x03\x04" + bytes(4000), "clip"), (b"RIFF\x00", "clip")],
)
@pytest.mark.parametrize("path", ["/v1/classify", "/v1/search"])
def test_hostile_uploads_are_refused_by_name(client, path, content, told):
    detail = is_problem(client.post(path, content=content), 422)
    assert told in detail and "/tmp" not in detail


def test_an_upload_beyond_the_limit_is_cut_off_and_leaves_nothing(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sent = 0

    def endless():
        nonlocal sent
        while sent < 100 * len(clip):
            sent += len(clip)
            yield clip

    with application(upload_bytes=len(clip)) as app:
        client = client_of(app)
        assert client.post("/v1/classify", content=clip).status_code == 200
        is_problem(client.post("/v1/classify", content=clip + b"x"), 413)
        is_problem(client.post("/v1/classify", content=endless()), 413)
        is_problem(client.post("/v1/session", content=b"x" * 5000), 413)
    assert not list(tmp_path.rglob("clip"))


def test_a_clip_that_is_too_long_is_refused(tmp_path):
    long = render(tmp_path / "long.mp4", SEEN[0], seed=1, seconds=3.0).read_bytes()
    with application(clip_seconds=2.0) as app:
        assert "2 s" in is_problem(client_of(app).post("/v1/classify", content=long), 422)


def high(path, rate, seconds):
    """A sound of many samples a second, in few bytes."""
    import av

    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate)
        stream.layout = "mono"
        silence = np.zeros((1, rate), np.int16)
        for second in range(seconds):
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, second * rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_a_small_file_of_much_sound_is_not_decoded(tmp_path, monkeypatch):
    content = high(tmp_path / "high.flac", 192_000, 10)
    assert len(content) < 20_000
    with application(clip_seconds=10.0) as app:
        detail = is_problem(client_of(app).post("/v1/classify", content=content), 422)
        assert "192,000 samples a second" in detail and "2 s of such" in detail
        monkeypatch.setattr(app.state.service.archive, "heard", lambda: 2.0)  # a backbone that hears no more of it
        assert client_of(app).post("/v1/classify", content=content).status_code == 200


def test_what_is_heard_is_what_the_backbone_takes(client, monkeypatch):
    archive = client.app.state.service.archive
    assert archive.heard() == np.inf
    backbone = archive.searcher.clips.backbones["audio"]
    monkeypatch.setattr(backbone, "needs", SoundNeeds(16_000, 9.5))
    assert archive.heard() == 9.5


# ---- the archive


def test_info_counts_as_the_manifest_does(client):
    info = client.get("/v1/info").json()
    assert info["clips"] == 19 and info["phrases"] and info["uploads"] and info["why_not"] is None
    assert {one["label"]: (one["seen"], one["clips"]) for one in info["classes"]} == {
        **dict.fromkeys(SEEN, (True, 3)),
        **dict.fromkeys(UNSEEN, (False, 3)),
    }
    assert info["modalities"] == ["audio", "video", "both"] and info["fusion"] == "attention"


def test_the_list_comes_in_pages(client):
    pages = [client.get("/v1/clips", params={"offset": offset, "limit": 7}).json() for offset in (0, 7, 14, 21)]
    assert [page["total"] for page in pages] == [19] * 4
    ids = [clip["id"] for page in pages for clip in page["clips"]]
    assert len(ids) == len(set(ids)) == 19
    some = client.get("/v1/clips", params={"where": "has_video = no"}).json()
    assert (some["total"], some["clips"][0]["id"]) == (1, SILENT)


def test_the_map_has_every_clip_and_every_class(client):
    found = client.get("/v1/map", params={"modality": "video"}).json()
    clips = found["clips"]
    assert (found["total"], len(found["classes"])) == (18, 6)
    assert {name: len(values) for name, values in clips.items()} == dict.fromkeys(clips, 18)
    places = clips["x"] + clips["y"] + [star[axis] for star in found["classes"] for axis in "xy"]
    assert all(0 <= place <= 1 for place in places)
    rows = client.get("/v1/clips/some", params={"id": clips["id"]}).json()
    assert [row["id"] for row in rows] == clips["id"]
    assert [row["label"] for row in rows] == [found["labels"][label] for label in clips["label"]]
    assert len(client.get("/v1/map", params={"most": 5}).json()["clips"]["id"]) == 5


def test_a_map_is_made_once(monkeypatch):
    points = torch.rand(7, 3)
    first = plane(points)
    monkeypatch.delattr("sklearn.manifold.TSNE")
    assert np.array_equal(plane(points.clone()), first)
    with pytest.raises(ImportError):
        plane(points + 1)


def test_a_map_keeps_what_is_together_together():
    generator = torch.Generator().manual_seed(0)
    centres = 20 * torch.randn(4, 1, 8, generator=generator)
    place = plane((centres + torch.randn(4, 15, 8, generator=generator)).reshape(-1, 8)).reshape(4, 15, 2)
    spread = np.linalg.norm(place - place.mean(1, keepdims=True), axis=2).max()
    apart = min(np.linalg.norm(a.mean(0) - b.mean(0)) for i, a in enumerate(place) for b in place[:i])
    assert apart > 2 * spread


def test_the_model_tab_has_the_runs_own_figures(client):
    run = client.get("/v1/run").json()
    written = json.loads((world() / "run" / "results.json").read_text())["results"]
    assert run["results"] == written
    assert len(run["history"]) == len((world() / "run" / "history.jsonl").read_text().splitlines())
    assert run["settings"]["epochs"] == load_run(world() / "run").method.epochs


def test_without_encoders_the_classes_can_still_be_searched(tmp_path, clip):
    shutil.copytree(world() / "index", tmp_path / "index")
    path = tmp_path / "index" / "run" / "config.json"
    config = json.loads(path.read_text())
    config["data"] |= {"encoders": {}, "text": []}
    path.write_text(json.dumps(config))
    with application(tmp_path / "index") as app:
        client = client_of(app)
        info = client.get("/v1/info").json()
        assert not info["phrases"] and not info["uploads"] and "--audio" in info["why_not"]
        assert client.get("/v1/search", params={"q": SEEN[0]}).status_code == 200
        detail = is_problem(client.get("/v1/search", params={"q": "a bell"}), 422)
        assert "--text" in detail and str(tmp_path) not in detail + info["why_not"]
        is_problem(client.post("/v1/classify", content=b"clip"), 422)
        for path in ("/v1/classify", "/v1/search"):
            detail = is_problem(client.post(path, content=clip), 422)
            assert "--audio" in detail and str(tmp_path) not in detail


def test_what_lies_where_is_not_to_be_asked_for(tmp_path, client):
    for path, asked in (("/v1/clips", {}), ("/v1/search", {"q": SEEN[0]})):
        told = is_problem(client.get(path, params={**asked, "where": 'path contains "/"'}), 422)
        assert "unknown column 'path'" in told
    shutil.copytree(world() / "index", tmp_path / "index")
    path = tmp_path / "index" / "run" / "config.json"
    config = json.loads(path.read_text())
    vectors = tmp_path / "private" / "vectors.npz"
    vectors.parent.mkdir()
    classes = read_classes(load_run(world() / "run"))
    np.savez(vectors, **dict(zip(classes.names, classes.text.numpy(), strict=True)))
    weights = [{"name": vectors.name, "sha256": hashlib.sha256(vectors.read_bytes()).hexdigest()}]
    config["data"]["text"][0]["encoder"] = {"spec": f"dict:{vectors}", "weights": weights}
    path.write_text(json.dumps(config))
    bearer = {"authorization": f"Bearer {TOKEN}"}
    with application(tmp_path / "index", token=TOKEN) as app:
        told = is_problem(client_of(app).get("/v1/search?q=church+bell", headers=bearer), 422)
        assert "dict:vectors.npz" in told and str(tmp_path) not in told
    vectors.unlink()
    for settings, shown in (({}, True), ({"token": TOKEN}, False)):
        with application(tmp_path / "index", **settings) as app:
            why = client_of(app).get("/v1/info", headers=bearer).json()["why_not"]
            assert (str(tmp_path) in why) == shown and why


def test_a_damaged_index_is_the_servers_trouble(tmp_path):
    shutil.copytree(world() / "index", tmp_path / "index")
    with application(tmp_path / "index") as app:
        (tmp_path / "index" / "clips.sqlite").unlink()
        for path in ("/v1/info", "/v1/clips", "/v1/search?q=drum", "/v1/clips/file?id=x"):
            assert "is gone" in is_problem(client_of(app).get(path), 503)


def test_where_the_archive_lies_is_told_on_its_own_machine_alone(tmp_path, caplog):
    shutil.copytree(world() / "index", tmp_path / "index")
    with application(tmp_path / "index", token=TOKEN) as app:
        (tmp_path / "index" / "clips.sqlite").unlink()
        response = client_of(app).get("/v1/info", headers={"authorization": f"Bearer {TOKEN}"})
    assert "its log says why" in is_problem(response, 503) and str(tmp_path) not in response.text
    assert any(str(tmp_path) in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"results": [1]}', b'{"results": 1}', b"\xff", b"{"])
def test_damaged_figures_of_the_run_are_the_servers_trouble(tmp_path, content):
    shutil.copytree(world() / "index", tmp_path / "index")
    with application(tmp_path / "index") as app:
        (tmp_path / "index" / "run" / "results.json").write_bytes(content)
        assert "results.json" in is_problem(client_of(app).get("/v1/run"), 503)


def test_a_full_disk_is_said(client, clip, monkeypatch):
    def full(*how, **more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/the/place")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    detail = is_problem(client.post("/v1/classify", content=clip), 503)
    assert "No space left" in detail and "/the/place" not in detail


def test_clips_in_a_forbidden_folder_are_listed_without_their_files(client, monkeypatch):
    really, forbidden = os.stat, str(world() / "clips" / "red-square-low-drum" / "test-0.mp4")

    def stat(path, *how, **more):
        if str(path) == forbidden:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return really(path, *how, **more)

    monkeypatch.setattr(os, "stat", stat)
    rows = client.get("/v1/clips").json()["clips"]
    assert [row["id"] for row in rows if not row["has_file"]] == ["red-square-low-drum/test-0.mp4"]


# ---- a run that serves one modality


@pytest.fixture(scope="module")
def deaf_to_pictures():
    with application(listening_alone()) as app:
        yield client_of(app)


ASKED = {
    "search": ("GET", "/v1/search", {"q": SEEN[0]}),
    "like": ("GET", "/v1/clips/like", {"id": "red-square-low-drum/test-0.mp4"}),
    "clip": ("POST", "/v1/search", {}),
    "map": ("GET", "/v1/map", {}),
}


@pytest.mark.parametrize("what", ASKED)
def test_by_default_all_that_the_run_serves_counts(client, deaf_to_pictures, clip, what):
    method, path, params = ASKED[what]

    def ask(of, **more):
        return of.request(method, path, params=params | more, content=clip if method == "POST" else None)

    assert deaf_to_pictures.get("/v1/info").json()["modalities"] == ["audio"]
    found = ask(deaf_to_pictures)
    assert found.status_code == 200 and found.json() == ask(deaf_to_pictures, modality="audio").json()
    assert found.json()["modality"] == "audio"
    assert "it serves audio" in is_problem(ask(deaf_to_pictures, modality="both"), 422)
    assert ask(client).json() == ask(client, modality="both").json() and ask(client).json()["modality"] == "both"


def test_a_run_of_one_modality_classifies_by_it(deaf_to_pictures, clip):
    assert deaf_to_pictures.post("/v1/classify", content=clip).json()["modality"] == "audio"


def test_a_clip_that_lacks_what_is_asked_with_is_told_so_without_its_place(client):
    sound = (world() / "clips" / SILENT).read_bytes()
    detail = is_problem(client.post("/v1/search?by=video", content=sound), 422)
    assert detail.startswith("the clip: has no video") and "/tmp" not in detail


# ---- who may ask


def test_everything_of_the_archive_needs_the_token(guarded):
    client = client_of(guarded)
    paths = [path for path, item in client.get("/v1/openapi.json").json()["paths"].items() if "get" in item]
    closed = [path for path in paths if path != "/v1/health"]
    assert len(closed) >= 9
    for path in closed:
        response = client.get(path)
        is_problem(response, 401)
        assert response.headers["www-authenticate"] == "Bearer"
        wrong = client.get(path, headers={"authorization": f"Bearer {TOKEN}x"})
        is_problem(wrong, 401)
        assert client.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code in (200, 422)
        disguised = client.get(path, headers={"host": "127.0.0.1:8000/?"})  # some frameworks build the URL from it
        assert disguised.status_code in (401, 421)
    for path in ("/v1/health", "/", "/app.js"):
        assert client.get(path).status_code == 200


def test_a_session_stands_for_the_token_and_holds_none(guarded):
    client = client_of(guarded)
    is_problem(client.post("/v1/session", json={"token": "wrong"}), 401)
    response = client.post("/v1/session", json={"token": TOKEN})
    cookie = response.headers["set-cookie"]
    assert response.status_code == 204 and TOKEN not in cookie
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert client.get("/v1/clips/thumbnail?id=red-square-low-drum/test-0.mp4").status_code == 200
    assert client.delete("/v1/session").status_code == 204
    assert client.get("/v1/info").status_code == 401


class Clock:
    """A time that a test sets."""

    now = 1000.0

    def __call__(self):
        return self.now


def test_sessions_end_and_cannot_be_made_up():
    clock = Clock()
    kept = sessions.Sessions(clock)
    first, second = kept.begin(), kept.begin()
    assert first != second and len(first) > 40
    clock.now += sessions.SESSION_SECONDS - 1
    assert kept.holds(first) and kept.holds(second)
    kept.end(second)
    assert kept.holds(first) and not kept.holds(second)
    for made_up in ("", ".", first[:-1], first + "x", "²."):
        assert not kept.holds(made_up)
        kept.end(made_up)
    clock.now += 2
    assert not kept.holds(first)


def test_sessions_do_not_fill_the_memory():
    kept = sessions.Sessions(Clock())
    names = [kept.begin() for _ in range(10_500)]
    assert not kept.holds(names[499]) and kept.holds(names[500]) and kept.holds(names[-1])


def test_who_guesses_tokens_is_slowed_down_and_nobody_else():
    clock = Clock()
    one = access.Access(SecretStr(TOKEN), frozenset(), guesses=sessions.Guesses(clock))

    def says(given, address):
        try:
            one.check_token(SecretStr(given), address)
        except Refused as refused:
            return refused.status_code
        return 200

    assert says(TOKEN, "192.0.2.9") == 200
    for address in ("192.0.2.7", "192.0.2.9"):
        told = [says(f"guess {i}", address) for i in range(500)]
        assert told == [401] * 20 + [429] * 480
    assert says(TOKEN, "192.0.2.7") == 429  # one of the guesses: it is not told from the others
    assert says(TOKEN, "192.0.2.8") == 200  # nobody else
    assert says(TOKEN, "192.0.2.9") == 200  # somebody there has the token
    clock.now += 3.0
    assert [says("guess", "192.0.2.7") for _ in range(2)] == [401, 429]
    clock.now += 60.0
    assert says(TOKEN, "192.0.2.7") == 200
    for i in range(20_000):
        one.guesses.wrong(f"address {i}")
    assert len(one.guesses._spent) <= 10_000


def test_an_ended_session_is_not_good_anywhere(guarded):
    client = client_of(guarded)
    client.post("/v1/session", json={"token": TOKEN})
    cookie = {"cookie": f"{access.COOKIE}={client.cookies[access.COOKIE]}"}
    other = client_of(guarded)
    assert other.get("/v1/info", headers=cookie).json()["private"] is True
    assert client.delete("/v1/session").status_code == 204
    is_problem(other.get("/v1/info", headers=cookie), 401)
    assert other.delete("/v1/session").status_code == 204  # there is none


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("192.168.1.7", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8000", 421),
        ("[x", 421),
        ("", 421),
    ],
)
def test_foreign_names_do_not_lead_here(client, host, status):
    assert client.get("/v1/health", headers={"host": host}).status_code == status


def test_a_name_can_be_made_known():
    with application(names=("archive.local",)) as app:
        assert client_of(app).get("/v1/health", headers={"host": "Archive.local:8000"}).status_code == 200


def test_other_sites_are_refused_and_shut_out(client, clip):
    foreign = {"origin": "https://evil.example"}
    is_problem(client.post("/v1/classify", content=clip, headers=foreign), 403)
    is_problem(client.get("/v1/info", headers={"sec-fetch-site": "cross-site"}), 403)
    is_problem(client.get("/v1/info", headers={"origin": "http://[x"}), 403)
    assert client.post("/v1/classify", content=clip, headers={"origin": HERE}).status_code == 200
    answer = client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for response in (answer, client.get("/v1/info"), client.get("/v1/nothing"), client.get("/v1/search")):
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in response.headers


# ---- how much, and what is told


def answers(app, **scope):
    """What an ASGI app sends."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    return app({"type": "http", "method": "GET", "path": "/", "headers": [], **scope}, receive, send), sent


def lane(requests=1, part=1.0, answer_seconds=5.0, stream_seconds=5.0):
    return limits.Lane(Shares(requests, part), answer_seconds, stream_seconds, inside=True)


def along(lane, app):
    """The app, in a lane."""

    async def call(scope, receive, send):
        await lane.run(app, scope, receive, send)

    return call


class Held:
    """An app whose answers wait for an event."""

    def __init__(self):
        self.gate, self.running = asyncio.Event(), 0

    async def __call__(self, scope, receive, send):
        self.running += 1
        await self.gate.wait()
        self.running -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("part", "addresses", "statuses"),
    [
        (1.0, "aaa", [200, 200, 429]),
        (0.5, "aab", [200, 429, 200]),
        (0.5, "abc", [200, 200, 429]),
        (0.01, "aab", [200, 429, 200]),
    ],
)
def test_one_request_too_many_is_told_to_come_back(part, addresses, statuses):
    async def main():
        held, one = Held(), lane(2, part)
        calls = [answers(along(one, held), client=(address, 1)) for address in addresses]
        tasks = [asyncio.create_task(call) for call, _ in calls]
        while not all(sent or held.running == statuses.count(200) for _, sent in calls):
            await asyncio.sleep(0)
        held.gate.set()
        await asyncio.gather(*tasks)
        late, sent = answers(along(one, held), client=("a", 1))
        await late
        return [sent[0] for _, sent in calls], sent[0]

    first, later = asyncio.run(main())
    assert [message["status"] for message in first] == statuses
    refused = next(one for one in first if one["status"] == 429)
    assert int(dict(refused["headers"])[b"retry-after"]) > 0
    assert later["status"] == 200


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_who_has_many_addresses_is_one(address, counted):
    assert neighbourhood(address) == counted


def test_a_body_that_says_it_is_too_large_is_not_read():
    async def reads(scope, receive, send):
        raise AssertionError("it was read")

    app = limits.sized(reads, {"/v1/classify": 10}, 5.0, 1)
    call, sent = answers(app, path="/v1/classify", headers=[(b"content-length", b"11")])
    asyncio.run(call)
    assert sent[0]["status"] == 413


def test_a_body_that_comes_too_slowly_is_given_up():
    async def reads(scope, receive, send):
        while (await receive()).get("more_body"):
            pass

    async def pieces(count, wait):
        async def receive():
            nonlocal count
            count -= 1
            if count < 0 and wait:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": b"x" * 10, "more_body": count > 0 or wait}

        await limits.sized(reads, {"/": 10_000}, 0.05, 1000)(
            {"type": "http", "path": "/", "headers": []}, receive, None
        )

    asyncio.run(pieces(50, wait=False))
    with pytest.raises(Refused, match="408"):
        asyncio.run(asyncio.wait_for(pieces(3, wait=True), 60))


def test_an_answer_that_takes_too_long_is_given_up():
    async def never(scope, receive, send):
        await asyncio.Event().wait()

    call, sent = answers(along(lane(answer_seconds=0.05), never))
    asyncio.run(call)
    assert sent[0]["status"] == 503

    async def waits_for_a_disk(scope, receive, send):
        raise TimeoutError(110, "Connection timed out")

    call, _ = answers(along(lane(), waits_for_a_disk))
    with pytest.raises(TimeoutError, match="Connection timed out"):
        asyncio.run(call)


def test_an_answer_that_has_begun_has_its_own_time():
    async def streams(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.2)
        await send({"type": "http.response.body", "body": b"x"})

    call, sent = answers(along(lane(answer_seconds=0.05), streams))
    asyncio.run(call)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]

    async def goes_on(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    call, sent = answers(along(lane(stream_seconds=0.05), goes_on))
    asyncio.run(call)
    assert [message["type"] for message in sent] == ["http.response.start"]


def test_a_line_holds_no_more_than_it_should():
    line, gate, most = limits.WaitingLine("test", 1, 1), threading.Event(), 0
    running = 0

    def work():
        nonlocal running, most
        running += 1
        most = max(most, running)
        gate.wait(60)
        running -= 1
        return "done"

    async def main():
        calls = [asyncio.create_task(line.run(work)) for _ in range(2)]
        while not running:  # else what is cancelled would never have begun
            await asyncio.sleep(0.001)
        with pytest.raises(Refused) as refused:
            await line.run(work)
        assert refused.value.status_code == 429
        calls[0].cancel()  # nobody waits for it, but it still runs
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="429"):
            await line.run(work)
        gate.set()
        assert await calls[1] == "done"
        return await line.run(work)

    assert asyncio.run(main()) == "done" and most == 1
    line.close()


def test_what_several_want_is_made_once():
    shared, made = limits.Shared(), []

    async def make():
        await asyncio.sleep(0.02)
        made.append(1)
        return len(made)

    async def main():
        first = asyncio.create_task(shared.get("a", make))
        second = asyncio.create_task(shared.get("a", make))
        await asyncio.sleep(0)
        first.cancel()
        return await second, await shared.get("a", make)

    assert asyncio.run(main()) == (1, 2)


def test_a_fault_is_told_to_the_log_alone(client, monkeypatch, caplog):
    def broken(self):
        raise KeyError("the secret of the house")

    monkeypatch.setattr("avgzsl.server.index_archive.CollectionArchive.describe", broken)
    with caplog.at_level(logging.INFO, "avgzsl.server"):
        response = client.get("/v1/info")
    detail = is_problem(response, 500)
    assert "secret" not in response.text and response.headers["x-request-id"] in detail
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "avgzsl.server"]
    fault = next(line for line in lines if "traceback" in line)
    assert "the secret of the house" in fault["traceback"] and fault["request"] in detail


def test_logs_and_figures_hold_neither_queries_nor_tokens(guarded, caplog):
    client = client_of(guarded)
    with caplog.at_level(logging.DEBUG):
        client.get("/v1/search?q=embarrassing", headers={"authorization": f"Bearer {TOKEN}"})
        client.get("/no/such/embarrassing/place")
        client.post("/v1/session", json={"token": TOKEN})
    told = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "avgzsl.server"]
    assert told[0]["route"] == "/v1/search" and {"status", "seconds", "time"} <= told[0].keys()
    figures = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
    assert 'avgzsl_requests_total{method="GET",route="/v1/search",status="200"} 1.0' in figures
    for text in (json.dumps(told), figures):
        assert "embarrassing" not in text and TOKEN not in text


def test_the_document_describes_every_answer(client):
    document = client.get("/v1/openapi.json").json()
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["description"], path
            described = {int(status) for status in operation["responses"]}
            assert {500} < described
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == [PROBLEM], (path, status)


# ---- settings


def test_no_answer_and_no_line_of_the_log_has_the_token(caplog):
    with application(token=TOKEN) as app, caplog.at_level(logging.DEBUG):
        client = client_of(app)
        assert TOKEN not in repr(app.state.service)
        bearer = {"authorization": f"Bearer {TOKEN}"}
        answers = [
            client.get(path, headers=bearer) for path in ("/v1/info", "/v1/clips?limit=x", "/v1/none", "/metrics")
        ]
        answers += [client.get("/v1/info", headers={"authorization": said}) for said in (TOKEN, f"Basic {TOKEN}")]
        logins = (
            {"token": TOKEN},
            {"token": [TOKEN]},
            {"token": {"a": TOKEN}},
            {TOKEN: 1},
            {"token": TOKEN * 60},
            TOKEN,
        )
        answers += [client.post("/v1/session", json=body) for body in logins]
        answers += [client.post("/v1/session", content=f'{{"token": "{TOKEN}')]
        app.state.service.archive.describe = lambda: 1 / 0
        answers.append(client.get("/v1/info", headers=bearer))
        document = client.get("/v1/openapi.json").json()
    assert {answer.status_code for answer in answers} == {200, 204, 401, 404, 422, 500}
    for answer in answers:
        assert TOKEN not in answer.text + str(answer.headers)
    assert "broken" in caplog.text and TOKEN not in caplog.text
    login = document["components"]["schemas"]["Login"]["properties"]["token"]
    assert login == {"type": "string", "maxLength": 1000, "title": "Token"}  # as before it was kept secret


def test_settings_refuse_what_is_not_safe(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AVGZSL_SERVE_")]:
        monkeypatch.delenv(name)
    assert read_settings().host == "127.0.0.1"
    for host in ("0.0.0.0", "192.168.1.2", "::", "archive.local", "127.0.0.1.evil.example"):
        with pytest.raises(ConfigError, match="AVGZSL_SERVE_TOKEN"):
            read_settings(host=host)
    for host in ("127.0.0.1", "::1", "localhost", "127.8.0.1"):
        assert read_settings(host=host).token is None
    monkeypatch.setenv("AVGZSL_SERVE_TOKEN", "hunter2")
    with pytest.raises(ConfigError, match="16") as refused:
        read_settings()
    assert "hunter2" not in str(refused.value) + str(refused.value.__cause__)
    monkeypatch.setenv("AVGZSL_SERVE_TOKEN", TOKEN)
    monkeypatch.setenv("AVGZSL_SERVE_PORT", "99999")
    with pytest.raises(ConfigError, match="AVGZSL_SERVE_PORT=99999") as refused:
        read_settings(host="0.0.0.0")
    assert TOKEN not in str(refused.value) + str(refused.value.__cause__)
    monkeypatch.setenv("AVGZSL_SERVE_PORT", "9000")
    settings = read_settings(host="0.0.0.0")
    assert settings.port == 9000 and TOKEN not in repr(settings)
    monkeypatch.setenv("AVGZSL_SERVE_NAMES", "tv.local")
    with pytest.raises(ConfigError, match="JSON"):
        read_settings()
    assert distance(-1.0, "euclidean") == 1.0


def test_an_index_of_another_run_is_not_served(tmp_path):
    shutil.copytree(world() / "index", tmp_path / "index")
    record = json.loads((tmp_path / "index" / "index.json").read_text())
    (tmp_path / "index" / "index.json").write_text(json.dumps(record | {"run": "0" * 64}))
    with pytest.raises(RunError, match="was made by the run 000000000000"), application(tmp_path / "index"):
        pass


def test_nothing_is_slow_to_start_for_help():
    import subprocess
    import sys

    code = "import sys, avgzsl.cli; sys.exit(any(m in sys.modules for m in ('fastapi', 'uvicorn', 'torch', 'av')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
