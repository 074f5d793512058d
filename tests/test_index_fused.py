"""One vector a clip stands for the fused score of its embeddings; every engine finds what brute force finds."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from avgzsl.archive.bounds import bound, nearest_distances, reach, rounding
from avgzsl.archive.collection import view
from avgzsl.archive.engines import engines, open_engine
from avgzsl.archive.fused import Question, Space, fused, question, video_share
from avgzsl.archive.nearest import nearest
from avgzsl.archive.repair import rebuild, verify
from avgzsl.errors import AvgzslError, ConfigError, UnknownNameError
from avgzsl.experiments.protocol import Mode, served_modes
from avgzsl.methods import Embeddings
from avgzsl.scores.similarity import SIMILARITIES
from tests.index_world import MODES, Compares, brute_force, collection_of, compared, here, random_embeddings
from tests.samples.engines.qdrant import local_client


def asked(t, similarity) -> Question:
    """What vectors of one space are asked for a text."""
    return question(here(t), Space(MODES[0], similarity))


def slow_score(clips, i, t, mode, similarity):
    """The fused score of a clip by the definitions, in numpy and float64."""

    def near(z):
        z, x = z.double().numpy(), t.double().numpy()
        if similarity == "dot":
            return float(z @ x)
        if similarity == "cosine":
            return float(z @ x / np.sqrt((z @ z) * (x @ x)))
        squared = float(((z - x) ** 2).sum())
        return -squared / len(x) if similarity == "mse" else -(squared**0.5)

    if mode.modality == "both" and clips.joint is not None:
        return near(clips.joint[i])
    has = bool(clips.has_audio[i]), bool(clips.has_video[i])
    w = 0.5 if mode.fusion == "equal" else float(clips.video_weight[i])
    w = {"audio": 0.0, "video": 1.0}.get(mode.modality, w if all(has) else float(has[1]))
    parts = [(1 - w, clips.audio, has[0]), (w, clips.video, has[1])]
    return sum(share * near(z[i]) for share, z, there in parts if there and share)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_inner_product_is_the_fused_score_or_bounds_it(similarity, mode):
    clips, text = random_embeddings(300, 6, seed=1), torch.randn(7, 6, generator=torch.Generator().manual_seed(2))
    keep = clips.scorable(mode.modality)
    kept = clips.where(keep)
    vectors = fused(kept, Space(mode, similarity)).astype(np.float64)
    for t in text:
        products = vectors @ asked(t, similarity).vector.astype(np.float64)
        for i, product in enumerate(products):
            score = slow_score(kept, i, t, mode, similarity)
            # the bound of a clip's own product, without any slack for rounding
            limit = bound(product, 0.0, asked(t, similarity))
            assert score <= limit + 1e-5
            if similarity != "euclidean" or mode.modality != "both":
                assert score == pytest.approx(limit, abs=1e-4)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_no_clip_of_a_smaller_product_scores_as_high(similarity, mode, scale):
    clips, text = random_embeddings(300, 6, seed=1), torch.randn(7, 6, generator=torch.Generator().manual_seed(2))
    clips = replace(clips, audio=clips.audio * scale, video=clips.video * scale)
    kept = clips.where(clips.scorable(mode.modality))
    vectors = fused(kept, Space(mode, similarity))
    largest = float(np.linalg.norm(vectors.astype(np.float64), axis=1).max())
    for t in text * scale:
        products = vectors @ asked(t, similarity).vector  # in float32, as an engine has them
        scores = Compares(similarity).compare(kept, here(t), *mode)[:, 0].tolist()
        for product, score in zip(products.tolist(), scores, strict=True):
            least = reach(score, largest, asked(t, similarity))
            assert product >= least
            assert bound(least - 1e-9 * abs(least), largest, asked(t, similarity)) < score


@pytest.mark.parametrize("scale", [0.1, 1.0, 1e3])
def test_distances_from_products_are_never_too_large_and_hardly_too_small(scale):
    g = torch.Generator().manual_seed(0)
    z, t = scale * torch.randn(500, 6, generator=g), scale * torch.randn(6, generator=g)
    z[:50] = t + scale * torch.logspace(-9, 0, 50)[:, None] * torch.randn(50, 6, generator=g)
    has = torch.ones(500, dtype=torch.bool)
    vectors = fused(Embeddings(z, None, None, has, ~has), Space(Mode("audio", "equal"), "euclidean"))
    largest = float(np.linalg.norm(vectors.astype(np.float64), axis=1).max())
    least = nearest_distances(vectors @ asked(t, "euclidean").vector, largest, asked(t, "euclidean"))
    true = np.linalg.norm(z.double().numpy() - t.double().numpy(), axis=1)
    assert (least <= true).all()
    far = true > 0.3 * scale
    assert least[far] == pytest.approx(true[far], rel=0.01)
    assert nearest_distances(np.array([-np.inf], np.float32), largest, asked(t, "euclidean"))[0] == np.inf


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_vectors_are_rounded_once(similarity, mode):
    """Each number is that of float64, rounded at the end: what is stored is as near as float32 can be."""
    clips = random_embeddings(400, 9, seed=6)
    kept = clips.where(clips.scorable(mode.modality))
    has = {"audio": kept.has_audio.numpy(), "video": kept.has_video.numpy()}
    w = kept.video_weight.double().numpy() if mode.fusion == "attention" else np.full(len(kept.has_audio), 0.5)
    w = np.where(has["audio"] & has["video"], w, has["video"].astype(float))
    if mode.modality != "both":
        w = np.full(len(w), float(mode.modality == "video"))
    z = {m: np.where(has[m][:, None], getattr(kept, m).double().numpy(), 0.0) for m in has}
    if similarity == "cosine":
        z = {m: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300) for m, x in z.items()}
    share = {"audio": 1 - w, "video": w}
    middle = sum(z[m] * share[m][:, None] for m in z)
    rest = sum((z[m] ** 2).sum(1) * share[m] for m in z)
    c = {"mse": rest, "euclidean": (middle**2).sum(1)}.get(similarity, 0 * rest)
    expected = np.column_stack([middle, c]).astype(np.float32)
    found = fused(kept, Space(mode, similarity))
    assert found.dtype == np.float32
    assert (found == expected).mean(0).min() > 0.98


@pytest.mark.parametrize("largest", [0.25, 1.0, 40.0])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_what_rounding_is_allowed_for_is_the_formula(similarity, largest):
    """2 (e + 4) units in the last place of 1 + sum |q_i v_i|, and one of the product; each bound leaves that room.

    Too little of it would lose clips, too much would read more of them than needed: so the very number is held.
    """
    step, distance = 2.0**-23, similarity in ("mse", "euclidean")
    for d in (3, 64):
        t = torch.randn(d, generator=torch.Generator().manual_seed(d))
        q = asked(t, similarity).vector.astype(np.float64).tolist()
        long = min(largest, math.sqrt(largest)) if distance else largest  # of [m, c]: |m|² <= c where there is c
        most = math.sqrt(math.fsum(x * x for x in q[:-1])) * long + largest
        slack = 2 * (d + 1 + 4) * step * (1 + most)
        assert rounding(asked(t, similarity), largest) == pytest.approx(slack, rel=1e-9)
        own = math.fsum(x * x for x in t.double().tolist())
        for product in (-3.0, 0.0, 0.5, own - 1e-3, own + 1.0):
            highest = product + slack + abs(product) * step
            squared = max(own - highest, 0.0) * (1 - 2 * (d + 1) * step)
            expected = {"mse": -squared / d, "euclidean": -math.sqrt(squared)}.get(similarity, highest)
            assert bound(product, largest, asked(t, similarity)) == pytest.approx(expected, rel=1e-12, abs=1e-15)
        for score in (-2.0, -0.5, 0.0):
            squared = {"mse": -score * d, "euclidean": score**2}.get(similarity)
            product = score if squared is None else own - squared * (1 + 4 * (d + 1) * step)
            expected = product - 2 * slack - 4 * abs(product) * step
            assert reach(score, largest, asked(t, similarity)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("largest", [1.0, 30.0])
def test_distances_from_products_are_the_bound_of_each(largest):
    """Never above it, as it is float32; and not much below."""
    t = torch.randn(7, generator=torch.Generator().manual_seed(3))
    own = float(t.double().square().sum())
    products = np.concatenate([np.linspace(-20, own, 2000), own + np.array([-1e-3, 0, 1e-3, 5])]).astype(np.float32)
    least = nearest_distances(products, largest, asked(t, "euclidean")).astype(np.float64)
    limits = -np.array([bound(float(product), largest, asked(t, "euclidean")) for product in products])
    assert (least <= limits).all()
    assert (least[products > own] == 0).all()
    q = asked(t, "euclidean").vector.astype(np.float64)
    most = np.linalg.norm(q[:-1]) * min(largest, largest**0.5) + largest  # no product is larger
    start = own - rounding(asked(t, "euclidean"), largest) - 2 * (own + most) * 2.0**-23
    squared = np.maximum(np.float32(start) - products, np.float32(0))
    assert np.array_equal(least.astype(np.float32), np.sqrt(squared) * np.float32(1 - 2 * len(q) * 2.0**-23))
    far = limits > 1
    assert far.sum() > 1000
    assert least[far] == pytest.approx(limits[far], rel=1e-5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_joint_embeddings_are_one_vector(similarity):
    z, t = torch.randn(20, 5, generator=torch.Generator().manual_seed(0)), torch.randn(5)
    has = torch.arange(20) % 3 > 0
    clips = Embeddings(None, None, z, has, torch.ones(20, dtype=torch.bool))
    mode = Mode("both", "equal")
    assert torch.equal(clips.scorable(mode.modality), has)
    products = fused(clips, Space(mode, similarity)) @ asked(t, similarity).vector
    scores = [slow_score(clips, i, t, mode, similarity) for i in range(20)]
    assert np.array_equal(np.argsort(-products), np.argsort(-np.array(scores)))


def test_what_is_absent_is_not_read():
    clips = random_embeddings(50, 4, seed=3)
    spoiled = Embeddings(
        torch.where(clips.has_audio[:, None], clips.audio, torch.nan),
        torch.where(clips.has_video[:, None], clips.video, torch.nan),
        None, clips.has_audio, clips.has_video,
        torch.where(clips.has_audio & clips.has_video, clips.video_weight, torch.nan),
    )  # fmt: skip
    for mode in MODES:
        keep = clips.scorable(mode.modality).numpy()
        for similarity in SIMILARITIES:
            assert np.array_equal(
                fused(clips, Space(mode, similarity))[keep], fused(spoiled, Space(mode, similarity))[keep]
            )


def test_which_clips_can_be_scored_in_a_mode_and_how_much_their_video_counts():
    """All four kinds of clips: with both, with sound, with pictures, with neither."""
    audio, video = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    z = torch.ones(4, 2)
    apart = Embeddings(z, z, None, audio, video, torch.tensor([0.25, 0.9, 0.1, 0.5]))
    together = Embeddings(None, None, z, audio, video)
    for clips in (apart, together):
        assert clips.scorable("audio").tolist() == clips.has("audio").tolist() == audio.tolist()
        assert clips.scorable("video").tolist() == clips.has("video").tolist() == video.tolist()
        assert clips.has("both").tolist() == [True, False, False, False]
    assert apart.scorable("both").tolist() == [True, True, True, False]
    assert together.scorable("both").tolist() == [True, False, False, False]
    equal, attended = MODES[2:]
    assert video_share(apart, equal).tolist() == [0.5, 0.0, 1.0, 0.0]
    assert video_share(apart, attended).tolist() == [0.25, 0.0, 1.0, 0.0]
    assert video_share(Embeddings(z, z, None, audio, video), attended).tolist() == [0.5, 0.0, 1.0, 0.0]
    assert video_share(apart, attended).dtype == torch.float64


def test_modes_are_those_that_the_method_serves():
    assert served_modes(Compares("mse")) == MODES


@pytest.fixture
def qdrant_here(monkeypatch):
    """The client's own store in memory in place of a server."""
    local = local_client()
    monkeypatch.setattr("avgzsl.archive.engines.qdrant.connect", lambda url: local)


ENGINES = sorted(engines())
SERVERS = ("qdrant", "pgvector", "pgvector-hnsw", "milvus")


@pytest.fixture
def url_of(request, tmp_path_factory):
    """Where a server is, or the shards of an engine of several, for `collection_of`."""

    def url(engine):
        if engine == "sharded":
            place = tmp_path_factory.mktemp("shards")
            return {"url": f"memory={place / 'one'},{place / 'two'},memory-bf16={place / 'three'}"}
        real = {"pgvector": "pgvector_url", "pgvector-hnsw": "pgvector_url", "milvus": "milvus_url"}
        return {"url": request.getfixturevalue(real[engine])} if engine in real else {}

    return url


@pytest.mark.parametrize(
    ("engine", "similarity"),  # of a server, the one similarity that asks it twice is enough
    [(e, s) for e in ENGINES for s in SIMILARITIES if e not in SERVERS or s == "euclidean"],
)
def test_every_engine_equals_brute_force_over_10000_rows(engine, similarity, tmp_path, big, qdrant_here, url_of):
    clips, text = big
    modes = MODES if engine == "memory" else MODES[2:]
    collection = collection_of(tmp_path, clips, similarity, engine, modes, **url_of(engine))
    for mode in modes:
        for t in text:
            found = nearest(collection, here(t), 10, mode)
            positions, scores = brute_force(collection.run.method, clips, here(t), mode, 10)
            ids = [clip.id for clip in found.clips]
            if similarity in ("mse", "euclidean"):
                assert ids == [f"clip-{i}" for i in positions]
                assert np.array_equal(found.scores, scores)
            else:  # the last bits of a matrix product hang on its shape: ties may swap
                own = compared(collection.run.method, clips, here(t), mode)
                assert found.scores == pytest.approx(scores, abs=1e-5)
                assert len(set(ids)) == 10
                assert [own[name] for name in ids] == pytest.approx(scores.tolist(), abs=1e-5)
    with view(collection) as seen:
        assert len(seen.positions()) == len(clips.has_audio)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_is_verified(engine, tmp_path, qdrant_here, url_of):
    clips = random_embeddings(90, 6, seed=3)
    mode = MODES[2]
    own = {"id": "1" * 16}  # a server may still have the vectors of another test
    collection = collection_of(tmp_path, clips, "mse", engine, [mode], **own, **url_of(engine))
    assert not verify(collection)
    kept = collection.engine(mode)
    vectors = np.full((3, collection.size(mode)), 0.5, np.float32)
    kept.delete(np.array([3, 4, 5]))
    kept.upsert(np.array([3, 5]), vectors[:2])
    assert "3 of 80 clips" in " ".join(verify(collection).engine)
    rebuild(collection)
    assert not verify(collection)


def test_an_engine_that_says_it_scans_and_does_not_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("avgzsl.archive.engines.lancedb.SCANS", True)
    collection = collection_of(tmp_path, random_embeddings(100, 6, seed=0), "euclidean", "lancedb")
    with pytest.raises(ConfigError, match="lancedb says that it scans"):
        nearest(collection, here(torch.randn(6)), 10, Mode("both", "equal"))


@pytest.mark.parametrize("engine", ["memory", "lancedb"])
def test_a_modality_that_is_far_away_and_hardly_counts_costs_no_digits(engine, tmp_path):
    n, d, g = 2000, 64, torch.Generator().manual_seed(0)
    t, audio, aside = (torch.nn.functional.normalize(torch.randn(k, d, generator=g)) for k in (1, n, n))
    has = torch.ones(n, dtype=torch.bool)
    video = t + aside * (0.5 + 1e-3 * torch.rand(n, 1, generator=g))
    clips = Embeddings(1e4 * audio, video, None, has, has, torch.full((n,), 1 - 1e-5))
    collection = collection_of(tmp_path, clips, "euclidean", engine)
    positions, _ = brute_force(collection.run.method, clips, here(t[0]), MODES[3], 10)
    found = nearest(collection, here(t[0]), 10, MODES[3])
    assert [clip.id for clip in found.clips] == [f"clip-{i}" for i in positions]


@pytest.mark.parametrize(("engine", "stored"), [("memory", 2), ("lancedb", 4)])
def test_an_engine_is_asked_twice_at_most(engine, stored, tmp_path, big, monkeypatch):
    clips, text = big
    collection = collection_of(tmp_path, clips, "euclidean", engine)
    assert len(collection.stored) == stored
    kind = type(collection.engine(collection.stored[0]))
    asked = []
    for name in ("query", "products", "scan"):
        if hasattr(kind, name):
            own = getattr(kind, name)
            monkeypatch.setattr(kind, name, lambda self, *given, own=own: asked.append(given) or own(self, *given))
    for t in text:
        asked.clear()
        nearest(collection, here(t), 10, Mode("both", "attention"))
        assert len(asked) == 2 if engine == "memory" else 1 <= len(asked) <= 2


@pytest.fixture(scope="module")
def big():
    """Clips and queries: two anywhere, one in the midst of clips, one at a clip that the engine has not got yet."""
    clips = random_embeddings(10_000, 16, seed=4)
    g = torch.Generator().manual_seed(5)
    late = next(i for i in range(9990, 10_000) if clips.has_audio[i] and clips.has_video[i])
    middle = torch.stack([clips.audio[:200].mean(0), clips.video[late]])
    return clips, torch.cat([torch.randn(2, 16, generator=g), middle])


def test_engines_are_found_by_listing_and_named_in_errors(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean lancedb"):
        open_engine("lancdb", tmp_path, "some", 5)
    with pytest.raises(ConfigError, match="takes no url"):
        open_engine("memory", tmp_path, "some", 5, "http://localhost:6333")
    with pytest.raises(ConfigError, match="needs a url"):
        open_engine("qdrant", tmp_path, "some", 5)
    with pytest.raises(ConfigError, match="no address"):
        open_engine("qdrant", tmp_path, "some", 5, "localhost:6333")


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(AvgzslError, match=r"http://127\.0\.0\.1:9: Qdrant does not answer"):
        open_engine("qdrant", tmp_path, "some", 5, "http://127.0.0.1:9").count()
