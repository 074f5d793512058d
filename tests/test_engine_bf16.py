"""The engine in bf16: its numbers are nowhere below the inner products, and what is found by them is exact.

The truth is brute force in float64, over what bf16 tells apart badly.
"""

import numpy as np
import pytest
import torch

from avgzsl.archive import nearest as searching
from avgzsl.archive.asked import Asked, score
from avgzsl.archive.changing import remove, writing
from avgzsl.archive.collection import view
from avgzsl.archive.engines import open_engine
from avgzsl.archive.nearest import Sought, nearest, nearest_many
from avgzsl.archive.where import parse
from avgzsl.errors import DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import Embeddings, TextEmbeddings
from avgzsl.scores import largest
from avgzsl.scores.similarity import SIMILARITIES
from tests.index_world import MODES, clips_of, collection_of, here

KIND, D = "memory-bf16", 12
BOTH = Mode("both", "equal")


@pytest.fixture(params=[0, 1 << 15], autouse=True)
def few(request, monkeypatch):
    """Of how many clips all products are sorted."""
    monkeypatch.setattr(largest, "_FEW", request.param)


def vectors_of(kind: str, g: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Vectors that are hard to round, and a query of them, of which the last number is -1."""
    vectors, query = g.standard_normal((3000, 9)), np.append(g.standard_normal(8), -1)
    if kind == "near ties":
        vectors = vectors[:1] + 1e-3 * vectors
    elif kind == "halfway":  # numbers that rounding moves as far as it can
        vectors = (1 + (2 * g.integers(0, 128, vectors.shape) + 1) / 256) * g.choice([-1, 1], vectors.shape)
        query[:8] = 1 + (2 * g.integers(0, 128, 8) + 1) / 256
    elif kind == "large":
        vectors, query = vectors * 10 ** g.uniform(-20, 15, (3000, 1)), query * 1e3
        query[-1] = -1
    elif kind == "tiny":
        vectors, query = vectors * 1e-38, query * 1e-30
        query[-1] = -1
    elif kind == "zero":
        vectors[::3] = 0
    elif kind == "far":  # the last number is far larger than the others
        vectors[:, -1] = 1e6 + vectors[:, -1]
    return vectors.astype(np.float32), query.astype(np.float32)


@pytest.mark.parametrize("kind", ["plain", "near ties", "halfway", "large", "tiny", "zero", "far"])
def test_no_number_is_below_the_inner_product_nor_far_above(kind, tmp_path):
    vectors, query = vectors_of(kind, np.random.default_rng(3))
    engine = open_engine(KIND, tmp_path, "some", 9)
    engine.create()
    engine.upsert(np.arange(3000), vectors)
    exact = vectors.astype(np.float64) @ query.astype(np.float64)
    assert engine.holds(np.arange(3000), vectors).all()
    assert not engine.holds(np.arange(3000), vectors + np.abs(vectors).max() + 1).any()
    numbers = engine.products(query).astype(np.float64)
    lengths = np.linalg.norm(vectors[:, :-1].astype(np.float64), axis=1) * np.linalg.norm(query[:-1].astype(np.float64))
    assert (numbers >= exact).all()
    assert (numbers <= exact + 2**-6 * (lengths + np.abs(exact)) + 1e-4 * np.abs(vectors[:, -1]) + 1e-20).all()
    found, most = engine.query(query, 20)
    assert set(np.flatnonzero(exact > most[-1])) <= set(found)
    assert np.array_equal(np.sort(numbers)[::-1][:20], most)


def test_a_row_takes_half_the_space(tmp_path):
    files = {}
    for kind, name in (("memory", "some.f32"), (KIND, "some.bf16")):
        engine = open_engine(kind, tmp_path, "some", 513)
        engine.create()
        engine.upsert(np.arange(100), np.ones((100, 513), np.float32))
        files[kind] = (tmp_path / name).stat().st_size
    assert files[KIND] < 0.51 * files["memory"]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_is_told(wrong, tmp_path):
    engine = open_engine(KIND, tmp_path, "some", 5)
    engine.create()
    vectors = np.full((3, 5), wrong, np.float32)
    vectors[:, -1] = 0
    engine.upsert(np.arange(3), vectors)
    for ask in (engine.products, lambda query: engine.query(query, 2)):
        with pytest.raises(DataError, match="index-rebuild"):
            ask(np.array([1, 1, 1, 1, -1], np.float32))


def hard_clips(kind: str, n: int = 2000) -> Embeddings:
    g = torch.Generator().manual_seed(8)
    audio, video = torch.randn(n, D, generator=g), torch.randn(n, D, generator=g)
    if kind == "near ties":
        audio, video = audio[:1] + 1e-3 * audio, video[:1] + 1e-3 * video
    elif kind == "large":
        audio, video = audio * 100, video * (1 + 1000 * (torch.arange(n)[:, None] % 50 == 0))
    elif kind == "zero":
        audio[::3], video[::2] = 0, 0
    elif kind == "twice":
        audio[n // 2 :], video[n // 2 :] = audio[: n // 2], video[: n // 2]
    lacking = torch.randint(5, (n,), generator=g)
    weight = torch.rand(n, generator=g)
    has_audio, has_video = lacking != 0, lacking != 1
    if kind == "twice":
        for values in (has_audio, has_video, weight):
            values[n // 2 :] = values[: n // 2]
    return Embeddings(audio, video, None, has_audio, has_video, weight)


def truth(collection, one: Sought) -> tuple[np.ndarray, np.ndarray]:
    """By the method's scores of every clip, ties by position."""
    with view(collection) as seen:
        positions, scores = score(seen, seen.positions(one.condition or ()), Asked(one.point, one.mode, one.corrected))
    order = np.lexsort((positions, -scores))[: one.top]
    return positions[order], scores[order]


def in_double(similarity: str, clips: Embeddings, t: torch.Tensor) -> np.ndarray:
    """The score of each clip in mode `both`, from scratch, in float64."""
    t, parts = t.double(), []
    for z, has in ((clips.audio.double(), clips.has_audio), (clips.video.double(), clips.has_video)):
        if similarity == "cosine":
            by = torch.nn.functional.normalize(z, dim=1) @ torch.nn.functional.normalize(t, dim=0)
        else:
            by = {"dot": z @ t, "mse": -(z - t).square().mean(1), "euclidean": -(z - t).norm(dim=1)}[similarity]
        parts.append(torch.where(has, by, torch.nan))
    return torch.stack(parts).nanmean(0).numpy()


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("kind", ["near ties", "large", "zero", "twice"])
def test_a_search_is_exact(kind, similarity, tmp_path, monkeypatch):
    monkeypatch.setattr(searching, "_DIRECT", 100)
    clips = hard_clips(kind)
    collection = collection_of(tmp_path, clips, similarity, KIND)
    with writing(collection) as db:
        remove(collection, db, [clip.id for clip in clips_of(clips)[:300:7]])
    g = torch.Generator().manual_seed(2)
    texts = [torch.randn(D, generator=g), clips.audio[5] + 1e-3 * torch.randn(D, generator=g)]
    sought = [
        Sought(here(t), top, mode, condition)
        for t in texts
        for mode in MODES
        for top, condition in ((10, None), (150, parse("has_video = yes")))
    ]
    for found, one in zip(nearest_many(collection, sought), sought, strict=True):
        positions, scores = truth(collection, one)
        assert found.scores == pytest.approx(scores, rel=1e-5, abs=1e-5)
        if similarity in ("mse", "euclidean"):  # the last bits of a product of matrices hang on its shape
            assert [clip.id for clip in found.clips] == [f"clip-{i}" for i in positions]
    gone = [int(clip.id.removeprefix("clip-")) for clip in clips_of(clips)[:300:7]]
    for t in texts:
        exact = in_double(similarity, clips, t)
        exact[gone] = -np.inf
        best = np.sort(exact)[::-1][:10]
        ids = [int(clip.id.removeprefix("clip-")) for clip in nearest(collection, here(t), 10, BOTH).clips]
        assert exact[ids] == pytest.approx(best, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("joined", [False, True])
def test_corrected_and_joined_scores_are_exact(joined, similarity, tmp_path):
    from avgzsl.archive.index_record import EnergyRecord

    energy = {str(mode): EnergyRecord(share=0.7, temperature=0.5) for mode in MODES}
    clips = hard_clips("near ties", 800)
    collection = collection_of(tmp_path, clips, similarity, KIND, energy=energy, joined=joined)
    audio, video = torch.randn(2, 3, D, generator=torch.Generator().manual_seed(6))
    texts = [TextEmbeddings(a[None], v[None], None) if joined else here(a) for a, v in zip(audio, video, strict=True)]
    sought = [Sought(t, 12, mode, None, corrected) for t in texts for mode in MODES for corrected in (True, False)]
    for found, one in zip(nearest_many(collection, sought), sought, strict=True):
        positions, scores = truth(collection, one)
        assert found.scores == pytest.approx(scores, rel=1e-5, abs=1e-5)
        if similarity in ("mse", "euclidean"):
            assert [clip.id for clip in found.clips] == [f"clip-{i}" for i in positions]
