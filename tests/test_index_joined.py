"""Sound and picture with a text each, weights that the text says, the energy term: what is found is exact, always."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from avgzsl.archive import clip_table, embeddings
from avgzsl.archive.bounds import bound, limits, reach
from avgzsl.archive.changing import drop_vectors
from avgzsl.archive.collection import view
from avgzsl.archive.fused import Space, fused, points, question, stars
from avgzsl.archive.index_record import IndexRecord
from avgzsl.archive.nearest import nearest
from avgzsl.archive.repair import rebuild, verify
from avgzsl.archive.search import mode_for, point_of
from avgzsl.archive.vectors import addend_name
from avgzsl.errors import ModalityError
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import TextEmbeddings
from avgzsl.scores.similarity import SIMILARITIES
from tests.index_world import MODES, Compares, collection_of, here, random_embeddings, seen_points
from tests.test_index_fused import qdrant_here  # noqa: F401

WEIGHTED = Mode("both", "weighted")
ALL = [*MODES, WEIGHTED]
A, V, W = 5, 9, 0.3
ENERGY = {
    "audio": {"share": 0.5, "temperature": 0.1},
    "video": {"share": 1.0, "temperature": 0.7},
    "both-equal": {"share": 0.75, "temperature": 0.3},
    "both-attention": {"share": 0.25, "temperature": 1.0},
    "both-weighted": {"share": 0.0, "temperature": 1.0},
}


def apart(text: int = 4, seed: int = 2, weights: bool = False) -> TextEmbeddings:
    """Texts for sound and for picture, of different widths."""
    g = torch.Generator().manual_seed(seed)
    audio, video = torch.randn(text, A, generator=g), torch.randn(text, V, generator=g)
    return TextEmbeddings(audio, video, None, torch.rand(text, generator=g) if weights else None)


def one(text: TextEmbeddings, i: int) -> TextEmbeddings:
    return text.take(torch.tensor([i]))


def slow_scores(clips, text, mode, similarity, weight=W):
    """The fused scores (n x c) by the definitions, in numpy and float64; NaN of clips without what the mode needs."""

    def near(modality):
        z, x = clips.of(modality).double().numpy(), text.of(modality).double().numpy()
        if similarity == "dot":
            return z @ x.T
        if similarity == "cosine":
            return (z @ x.T) / np.outer(np.sqrt((z * z).sum(1)), np.sqrt((x * x).sum(1)))
        squared = ((z[:, None] - x[None]) ** 2).sum(2)
        return -squared / x.shape[1] if similarity == "mse" else -np.sqrt(squared)

    has = {m: clips.has(m).numpy()[:, None] for m in ("audio", "video")}
    alone = {m: np.where(has[m], near(m), np.nan) for m in has}
    if mode.modality != "both":
        return alone[mode.modality]
    by_clip = clips.video_weight.double().numpy()[:, None]
    by_text = weight if text.video_weight is None else text.video_weight.double().numpy()[None]
    w = {"equal": 0.5, "attention": by_clip, "weighted": by_text}[mode.fusion]
    whole = (1 - w) * alone["audio"] + w * alone["video"]
    return np.where(has["audio"] & has["video"], whole, np.where(has["audio"], alone["audio"], alone["video"]))


def slow_addends(clips, mode, similarity, text, weight=W):
    """-k tau log sum exp(s / tau) over the seen classes, a clip that lacks a modality with the numbers of its own."""
    scores, found = slow_scores(clips, text, mode, similarity, weight), np.zeros(len(clips))
    for i in clips.scorable(mode.modality).nonzero()[:, 0].tolist():
        lone = {(True, False): "audio", (False, True): "video"}.get(
            (bool(clips.has_audio[i]), bool(clips.has_video[i]))
        )
        name = lone if mode.modality == "both" and lone else str(mode)
        k, tau = ENERGY[name]["share"], ENERGY[name]["temperature"]
        top = scores[i].max()
        found[i] = -k * (top + tau * math.log(sum(math.exp((s - top) / tau) for s in scores[i].tolist())))
    return found


def best(collection, clips, point, mode, corrected, k=10):
    """By `Method.compare` of all clips at once, and the addends by their definition; ties by position."""
    keep = clips.scorable(mode.modality)
    weight = collection.record.weight
    scores = collection.run.method.compare(clips.where(keep), point, *mode, weight)[:, 0].double().numpy()
    positions = keep.nonzero()[:, 0].numpy()
    if corrected:
        similarity, sizes = collection.run.method.similarity, collection.record.dimensions
        seen = seen_points(sizes, collection.record.joined)
        scores = scores + slow_addends(clips.where(keep), mode, similarity, seen, weight)
    order = np.lexsort((positions, -scores))[:k]
    return scores[order], dict(zip((f"clip-{i}" for i in positions), scores, strict=True))


def check(collection, clips, point, mode, corrected=False, k=10):
    """What is found is what scores best: the scores agree one by one, and each is the clip's own."""
    found = nearest(collection, point, k, mode, corrected=corrected)
    expected, of_clip = best(collection, clips, point, mode, corrected, k)
    assert found.scores == pytest.approx(expected, abs=2e-5, rel=2e-5)
    assert found.scores == pytest.approx([of_clip[clip.id] for clip in found.clips], abs=2e-5, rel=2e-5)
    assert len({clip.id for clip in found.clips}) == len(expected) == k
    return found


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("mode", ALL[2:], ids=str)
def test_the_joined_product_is_the_fused_score_or_bounds_it(similarity, mode):
    clips, text, space = random_embeddings(200, A, 1, V), apart(), Space(mode, similarity, True, W)
    kept = clips.where(clips.scorable("both"))
    vectors = fused(kept, space).astype(np.float64)
    assert vectors.shape[1] == space.size(A + V)
    for c in range(4):
        asked = question(one(text, c), space)
        limit = [bound(product, 0.0, asked) for product in vectors @ asked.vector.astype(np.float64)]
        scores = slow_scores(kept, one(text, c), mode, similarity)[:, 0]
        assert all(score <= most + 1e-5 for score, most in zip(scores, limit, strict=True))
        lone = (~kept.has("both")).numpy() if similarity == "euclidean" else np.ones(len(kept), bool)
        assert scores[lone] == pytest.approx(np.array(limit)[lone], abs=1e-4)


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_no_clip_of_a_smaller_product_scores_as_high(similarity, joined, corrected, scale):
    """With and without addends, which are of the size of the scores here; and with each score being sought."""
    clips = random_embeddings(200, A, 1, V if joined else None)
    text = apart() if joined else TextEmbeddings.shared(torch.randn(4, A, generator=torch.Generator().manual_seed(2)))
    clips = replace(clips, audio=clips.audio * scale, video=clips.video * scale)
    scaled = [None if z is None else z * scale for z in (text.audio, text.video)]
    text = TextEmbeddings(*scaled, None) if joined else TextEmbeddings.shared(scaled[0])
    for mode in ALL[2:] if joined else ALL:
        kept = clips.where(clips.scorable(mode.modality))
        scores = Compares(similarity, ALL).compare(kept, text, *mode, W).double().numpy()
        size = float(np.abs(scores).max())
        e = np.random.default_rng(0).uniform(-size, size / 3, len(kept)).astype(np.float32)
        space = Space(mode, similarity, joined, W, energy=True)
        vectors, highest = fused(kept, space, e), float(e.max())
        largest = float(np.linalg.norm(vectors.astype(np.float64), axis=1).max())
        for c in range(4):
            of_clips = scores[:, c] + e * corrected
            for score in of_clips[::17].tolist():
                for sought in (None, score):
                    asked = question(one(text, c), space, corrected, sought)
                    products = vectors @ asked.vector  # in float32, as an engine has them
                    least = reach(score, largest, asked, highest)
                    assert (products[of_clips >= score] >= least).all()
                    assert bound(least - 1e-9 * abs(least), largest, asked, highest) < score
                    order = np.argsort(-products)
                    for at in (0, 20, 100):  # what an engine leaves out
                        most = bound(float(products[order[at]]), largest, asked, highest)
                        assert of_clips[order[at:]].max() <= most


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_limits_of_many_products_are_never_too_low_and_hardly_too_high(similarity):
    clips, text = random_embeddings(500, A, 1), here(torch.randn(A, generator=torch.Generator().manual_seed(3)))
    space = Space(MODES[0], similarity)
    kept = clips.where(clips.has_audio)
    vectors, asked = fused(kept, space), question(text, space)
    largest = float(np.linalg.norm(vectors.astype(np.float64), axis=1).max())
    most = limits(vectors @ asked.vector, largest, asked)
    scores = slow_scores(kept, text, MODES[0], similarity)[:, 0]
    assert (most >= scores).all() and most == pytest.approx(scores, abs=2e-3)
    assert limits(np.array([-np.inf], np.float32), largest, asked)[0] == -np.inf


ENGINES = [("memory", s) for s in SIMILARITIES] + [("lancedb", s) for s in SIMILARITIES] + [("qdrant", "euclidean")]


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(("engine", "similarity"), ENGINES)
def test_plain_and_corrected_are_found_exactly_by_every_engine(engine, similarity, joined, tmp_path, qdrant_here):  # noqa: F811
    pytest.importorskip(engine if engine != "qdrant" else "qdrant_client") if engine != "memory" else None
    n = 400 if engine == "qdrant" else 1500
    clips = random_embeddings(n, A, 4, V if joined else None)
    text = apart(2) if joined else TextEmbeddings.shared(torch.randn(2, A, generator=torch.Generator().manual_seed(5)))
    modes = ALL[2:] if engine == "lancedb" else [MODES[2]] if engine == "qdrant" else ALL
    modes = [*MODES[:2], *modes] if MODES[0] not in modes else modes
    known = {"joined": joined, "weight": W, "energy": {str(mode): ENERGY[str(mode)] for mode in modes}}
    collection = collection_of(tmp_path, clips, similarity, engine, modes, **known)
    moved = 0
    for mode in modes:
        for c in range(2):
            plain = check(collection, clips, one(text, c), mode)
            corrected = check(collection, clips, one(text, c), mode, corrected=True)
            moved += [x.id for x in plain.clips] != [x.id for x in corrected.clips]
            assert not plain.addends.any()
    assert moved
    assert verify(collection).rows() == []
    drop_vectors(collection)
    rebuild(collection)
    check(collection, clips, one(text, 0), modes[-1], corrected=True)


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("engine", ["memory", "lancedb"])
def test_a_text_that_says_how_much_video_counts_is_searched_exactly(engine, similarity, joined, tmp_path):
    clips, text = random_embeddings(1200, A, 4, V if joined else None), apart(3, weights=True)
    if not joined:
        text = replace(TextEmbeddings.shared(text.audio), video_weight=text.video_weight)
    modes = [*MODES[:2], WEIGHTED]
    known = {"joined": joined, "weighted_by_text": True, "energy": {str(m): ENERGY[str(m)] for m in modes}}
    collection = collection_of(tmp_path, clips, similarity, engine, modes, **known)
    assert collection.stored == MODES[:2]
    orders = []
    for c in range(3):
        found = check(collection, clips, one(text, c), WEIGHTED)
        own = replace(one(text, c), video_weight=None)  # as a clip as a query: by what the index says
        orders.append([x.id for x in found.clips] == [x.id for x in check(collection, clips, own, WEIGHTED).clips])
    assert not all(orders)
    # an addend is of the seen classes' own text, which has no weights here: that of the index
    for c in range(3):
        check(collection, clips, one(text, c), WEIGHTED, corrected=True)


def test_the_second_question_of_a_corrected_search_asks_for_few(tmp_path, monkeypatch):
    """Euclidean distances with addends of their size: what may be among the first is asked for, not all."""
    pytest.importorskip("lancedb")
    clips = random_embeddings(6000, A, 4)
    energy = {str(mode): ENERGY[str(mode)] for mode in MODES}
    collection = collection_of(tmp_path, clips, "euclidean", "lancedb", energy=energy)
    engine = collection.engine(MODES[0])
    given = []
    own = type(engine).query
    monkeypatch.setattr(type(engine), "query", lambda *a: given.append(own(*a)) or given[-1])
    point = here(torch.randn(A, generator=torch.Generator().manual_seed(8)))
    check(collection, clips, point, MODES[0], corrected=True)
    assert len(given) == 2
    assert len(given[1][0]) < 1000


def test_rows_hold_embeddings_of_different_widths_and_addends(tmp_path):
    clips = random_embeddings(50, A, 3, V)
    collection = collection_of(tmp_path, clips, "dot", modes=ALL, joined=True, weight=W, energy=ENERGY)
    with view(collection) as seen:
        here_ = seen.positions()
        back = seen.embeddings(here_)
        kept = {m: seen.addends(here_, m) for m in ALL}
        noted = clip_table.greatest(seen.db, addend_name(MODES[0]), -9.0)
    assert noted == kept[MODES[0]][clips.has_audio.numpy()].max()
    assert (back.audio.shape, back.video.shape) == ((50, A), (50, V))
    for modality in ("audio", "video"):
        has = clips.has(modality)
        assert torch.equal(back.of(modality)[has], clips.of(modality)[has])
    seen_text = seen_points({"audio": A, "video": V}, joined=True)
    for mode in ALL:
        assert kept[mode] == pytest.approx(slow_addends(clips, mode, "dot", seen_text), abs=1e-5, rel=1e-5)
    assert embeddings.width(collection.record) == A + V + 5 + 3


def test_records_of_one_dimension_are_read(tmp_path):
    old = {
        "format": 1, "id": "0" * 16, "run": "r", "method": "m", "fingerprint": "f", "engine": "memory", "url": None,
        "parts": ["audio", "video"], "dimension": 5, "decoder": 3,
    }  # fmt: skip
    record = IndexRecord.model_validate(old)
    assert record.dimensions == {"audio": 5, "video": 5} and record.parts == ("audio", "video")
    assert (record.joined, record.energy, record.weight, record.decoder) == (False, {}, 0.5, 3)
    assert json.loads(record.model_dump_json())["dimensions"] == {"audio": 5, "video": 5}
    for wrong in ({"parts": ["video", "audio"]}, {"parts": 3}, {"dimension": 0}, {"parts": ["joint", "audio"]}):
        with pytest.raises(ValueError, match="IndexRecord"):
            IndexRecord.model_validate(old | wrong)
    with pytest.raises(ValueError, match="no mode"):
        IndexRecord.model_validate(old | {"energy": {"smell": {"share": 0.5, "temperature": 1}}})


def test_a_clip_asks_in_its_own_spaces(tmp_path):
    """Sound finds sounds and no pictures, where each has a text of its own."""
    clips = random_embeddings(300, A, 4, V)
    collection = collection_of(tmp_path, clips, "cosine", joined=True)
    whole = next(i for i in range(300) if clips.has_audio[i] and clips.has_video[i])
    with view(collection) as seen:
        clip = seen.embeddings(np.array([whole]))
    both = point_of(collection, clip, "both", "c")
    assert torch.equal(both.audio[0], clips.audio[whole]) and torch.equal(both.video[0], clips.video[whole])
    found = nearest(collection, both, 3, MODES[2])
    assert found.clips[0].id == f"clip-{whole}" and found.scores[0] == pytest.approx(1.0, abs=1e-5)
    sound = point_of(collection, clip, "audio", "c")
    assert sound.video is None
    assert mode_for(collection, sound, MODES[0]) == (MODES[0], ())
    for mode in MODES[2:]:
        told = "this asks with the sound of a clip alone, so clips are compared by sound"
        assert mode_for(collection, sound, mode) == (MODES[0], (told,))
    with pytest.raises(ModalityError, match=r"by sound \(modality audio\), or ask with words"):
        mode_for(collection, sound, MODES[1])
    assert mode_for(collection, both, MODES[2]) == (MODES[2], ())
    assert nearest(collection, sound, 1, MODES[0]).clips[0].id == f"clip-{whole}"


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_points_and_stars_of_a_map_lie_in_one_space(similarity):
    clips, text = random_embeddings(30, A, 4, V), apart()
    space = Space(MODES[2], similarity, joined=True)
    assert points(clips, space).shape == (30, A + V) and stars(text, space).shape == (4, A + V)
    with_both = clips.where(clips.has("both"))
    as_text = TextEmbeddings(with_both.audio, with_both.video, None)
    assert np.array_equal(stars(as_text, space).numpy(), points(with_both, space))
