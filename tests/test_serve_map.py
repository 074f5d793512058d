"""The map of an archive: its plane, its clusters and their names, and how much of a large archive it looks at."""

from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from avgzsl.archive.frozen_index import index_frozen
from avgzsl.archive.indexing import index
from avgzsl.server import clouds, projection
from avgzsl.server.clusters import centres, how_many, names, nearest
from avgzsl.server.contract import Cloud
from avgzsl.server.icon import icon
from avgzsl.server.projection import plane, project
from avgzsl.text.bank import everyday_phrases
from tests.open_world import encoders, write_folder
from tests.serve_world import SEEN, UNSEEN, application, client_of, render, world
from tests.small_clips import write_wav


def islands(count, each, size=8):
    """Points around some centres, and the centre of each point; neighbours are of different centres."""
    draw = torch.Generator().manual_seed(0)
    centre = 20 * torch.randn(count, size, generator=draw)
    own = torch.arange(count * each) % count
    return centre[own] + torch.randn(count * each, size, generator=draw), own


def cloud(points, sample, labels=None, words=(), fits=None):
    n, s = len(points), len(sample)
    return Cloud(
        modality="both", total=n, ids=[f"{i}" for i in range(n)], labels=labels or [None] * n, points=points,
        sample=sample, classes=[], seen=[], texts=torch.zeros(0, points.shape[1]), words=list(words),
        named_by="phrases" if words else None, fits=torch.zeros(s, 0) if fits is None else fits,
    )  # fmt: skip


def test_clusters_are_found_again_and_the_largest_comes_first():
    points, own = islands(5, 40)
    points, own = torch.cat([points, points[own == 3]]), torch.cat([own, own[own == 3]])
    found = nearest(points, centres(points, 5))
    assert all(len(set(found[own == c].tolist())) == 1 for c in range(5)) and len(set(found.tolist())) == 5
    assert set(found[own == 3].tolist()) == {0}
    assert torch.equal(centres(points, 5), centres(points.clone(), 5))


def test_there_are_no_more_clusters_than_points_that_differ_or_words():
    assert len(centres(torch.ones(9, 2), 4)) == 1
    assert len(centres(torch.tensor([[0.0], [1.0], [0.0]]), 3)) == 2
    assert [how_many(4, 0), how_many(100, 3), how_many(100, 0), how_many(10**6, 700)] == [2, 3, 4, 12]


def test_names_are_of_words_that_fit_a_cluster_better_than_others_and_differ():
    own = torch.tensor([0, 0, 1, 1, 2, 2])
    bird, boat, thing = [3.0, 3, 0, 0, 1, 1], [0.0, 0, 1, 1, 0.9, 0.9], [9.0, 9, 9, 9, 9.1, 9]
    fits = torch.tensor([bird, boat, thing]).T
    assert names(own, fits, ["bird", "boat", "thing"], 3) == ["bird", "boat", "thing"]
    assert names(own, fits[:, :2], ["bird", "boat"], 3)[:2] == ["bird", "boat"]
    assert names(own, fits[:, :2], ["bird", "boat"], 3)[2] == "group 3"
    assert names(own, fits[:, :0], [], 3) == ["group 1", "group 2", "group 3"]


def test_of_many_clips_a_sample_is_laid_out_and_the_others_stand_by_their_like(monkeypatch):
    points, own = islands(4, 1000)
    laid_out = []
    monkeypatch.setattr(projection, "plane", lambda given: laid_out.append(len(given)) or plane(given))
    found = project(cloud(points, torch.arange(0, 4000, 33)))
    assert laid_out == [122] == [found.laid_out]
    place = torch.tensor([found.clips.x, found.clips.y]).T
    assert bool((place >= 0).all() and (place <= 1).all())
    middle = torch.stack([place[own == c].median(0).values for c in range(4)])
    assert float((torch.cdist(place, middle).argmin(1) == own).float().mean()) > 0.99
    assert len(torch.unique(place, dim=0)) > 3900, "many stand in one place"


def test_labels_come_in_the_order_of_how_many_clips_they_have():
    points, _ = islands(2, 6)
    labels = ["a", "b", None, "b", "c", "b", "c", None, None, "b", "b", "b"]
    found = project(cloud(points, torch.arange(12), labels))
    assert found.labels == ["b", "c", "a"]
    assert [None if i < 0 else found.labels[i] for i in found.clips.label] == labels


def test_without_scikit_learn_the_map_is_that_of_the_main_directions(monkeypatch):
    monkeypatch.setattr(projection, "find_spec", lambda name: None)
    points, own = islands(2, 30, size=5)
    found = project(cloud(points, torch.arange(60)))
    assert found.plane == "PCA" and "avgzsl[" in found.note
    apart = torch.tensor(found.clips.x) > 0.5
    assert bool((apart == (own == 0)).all() or (apart == (own == 1)).all())
    line = plane(torch.arange(5.0)[:, None])
    assert np.allclose(line[:, 0], np.arange(5) / 4) and not line[:, 1].any()


@pytest.mark.parametrize("most", [4, 10, 19])
def test_the_same_few_clips_stand_for_all_however_many_are_drawn(monkeypatch, most):
    monkeypatch.setattr(clouds, "SAMPLE", 6)
    with application() as app:
        archive = app.state.service.archive
        few, many = archive.cloud(None, 6), archive.cloud(None, most)
    assert len(many.ids) == most == len(set(many.ids))
    if most > 6:
        assert [many.ids[i] for i in many.sample] == few.ids
        assert torch.allclose(many.points[many.sample], few.points, atol=1e-5)
        assert torch.allclose(many.fits, few.fits)


def test_wide_points_become_narrow_ones_with_the_same_distances(monkeypatch):
    points, _ = islands(6, 5, size=40)
    monkeypatch.setattr(clouds, "_WIDEST", 30)  # as many as the points span
    narrow = clouds._narrowing(points)(points)
    assert narrow.shape == (30, 30)
    assert torch.allclose(*(torch.cdist(one.double(), one.double()) for one in (narrow, points)), atol=1e-3)


def test_a_map_is_kept_until_the_archive_changes(tmp_path, monkeypatch):
    folder, clips = tmp_path / "index", tmp_path / "clips"
    for i in range(5):
        render(clips / f"{i}.mp4", SEEN[i % 4], seed=i)
    index(world() / "run", clips, folder, engine="memory")
    made = []
    monkeypatch.setattr(projection, "project", lambda *asked: made.append(asked) or project(*asked))
    with application(folder) as app:
        client = client_of(app)
        first = client.get("/v1/map").json()
        assert client.get("/v1/map").json() == first and len(made) == 1
        render(clips / "5.mp4", SEEN[0], seed=5)
        index(world() / "run", clips, folder, engine="memory")
        assert [len(found["clips"]["id"]) for found in (first, client.get("/v1/map").json())] == [5, 6]


def test_without_labels_clusters_have_the_names_of_classes(tmp_path):
    index(world() / "run", world() / "clips", tmp_path / "index", engine="memory")
    with application(tmp_path / "index") as app:
        client = client_of(app)
        found, drawn = client.get("/v1/clusters").json(), client.get("/v1/map").json()
    told = [one["name"] for one in found["clusters"]]
    assert found["named_by"] == "classes" and len(set(told)) == len(told) >= 2
    assert set(told) <= {*SEEN, *UNSEEN}
    assert found["clusters"] == drawn["clusters"] and drawn["labels"] == []
    assert sum(one["clips"] for one in drawn["clusters"]) == len(drawn["clips"]["id"])


def test_a_run_without_classes_names_clusters_by_everyday_phrases(tmp_path):
    clips = write_folder(tmp_path / "clips")
    for i in range(6):
        write_wav(clips / f"{i}.wav", 200.0 * 2**i, 1.0)
    index_frozen(clips, tmp_path / "index", encoders=encoders(tmp_path / "models"))
    with application(tmp_path / "index") as app:
        found = client_of(app).get("/v1/clusters").json()
    told = [one["name"] for one in found["clusters"]]
    assert found["named_by"] == "phrases" and len(told) == len(set(told)) == 2
    assert set(told) <= set(everyday_phrases())


def test_too_few_clips_for_a_map_are_counted_in_plain_words(tmp_path):
    index_frozen(write_folder(tmp_path / "clips"), tmp_path / "index", encoders=encoders(tmp_path / "models"))
    with application(tmp_path / "index") as app:
        told = client_of(app).get("/v1/map")
    assert told.status_code == 422
    assert told.json()["detail"] == "a map needs 4 clips or more, and here are 3 with sound"


def test_clips_that_are_gone_are_left_out_of_some():
    with application() as app:
        client = client_of(app)
        ids = client.get("/v1/map").json()["clips"]["id"][:3]
        rows = client.get("/v1/clips/some", params={"id": [ids[2], "nobody", ids[0]]}).json()
        assert [row["id"] for row in rows] == [ids[2], ids[0]]
        assert client.get("/v1/clips/some", params={"id": ids * 20}).status_code == 422


@pytest.mark.parametrize(
    "name", ["Tapes of 1970", "<script>alert(1)</script>", "&\"'", "", "ß", "\x00\x1b", "愛", "🎬 films"]
)
def test_an_icon_is_well_formed_whatever_the_name(name):
    drawn = ElementTree.fromstring(icon(name))
    texts = drawn.findall("{http://www.w3.org/2000/svg}text")
    assert [one.tag.rsplit("}", 1)[1] for one in drawn] == ["rect", "path", "path", "text"]
    assert len(texts) == 1 and len(texts[0].text) == 1 and texts[0].text.isalnum()


def test_icons_of_archives_differ_by_letter_or_colour():
    assert len({icon(name) for name in ("birds", "bells", "boats", "Films", "fish", "2024")}) == 6
    assert icon("birds") == icon("birds")


def test_the_icon_of_an_archive_is_for_those_who_may_ask():
    with application(token="0123456789abcdef-secret") as app:
        client = client_of(app)
        assert client.get("/v1/icon").status_code == 401
        told = client.get("/v1/icon", headers={"authorization": "Bearer 0123456789abcdef-secret"})
        assert (told.status_code, told.headers["content-type"], told.text) == (200, "image/svg+xml", icon("index"))
