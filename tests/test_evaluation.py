"""The numbers of the task against loops in numpy and against scikit-learn."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, balanced_accuracy_score, recall_score

from avgzsl.errors import ConfigError, DataError
from avgzsl.scores.metrics import (
    ausuc,
    average_precision,
    class_accuracy,
    classification,
    harmonic_mean,
    retrieval,
    spread,
)
from avgzsl.scores.scoring import Curve, calibrate, predict, rank, sweep

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
NAN = float("nan")


def problem(seed, n=200, c=7, n_seen=4, dtype=torch.float64, levels=None):
    """Clips of all classes, scores negative throughout; with `levels`, full of ties."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.arange(c), torch.randint(c, (n - c,), generator=generator)])
    scores = torch.rand(n, c, generator=generator, dtype=dtype)
    scores[torch.arange(n), labels] += 0.3
    if levels:
        scores = (scores * levels).round() / levels
    return scores - 9, labels, torch.arange(c) < n_seen


def slow_average_precision(scores, labels, order):
    """Walk down each ranking, and average the precision at the clips of the class."""
    result = []
    for c in range(scores.shape[1]):
        found, precisions = 0, []
        for place, clip in enumerate(order[:, c].tolist(), start=1):
            if labels[clip] == c:
                found += 1
                precisions.append(found / place)
        result.append(np.mean(precisions) if precisions else NAN)
    return result


# accuracy


@DTYPES
@pytest.mark.parametrize("seed", range(3))
def test_accuracies_equal_scikit_learn(seed, dtype):
    scores, labels, seen = problem(seed, dtype=dtype)
    gamma = 0.1
    got = classification(scores, labels, seen, gamma)
    predictions = predict(scores, seen, gamma)
    recalls = recall_score(labels, predictions, average=None)
    np.testing.assert_allclose(got.per_class, recalls, rtol=1e-14)
    for value, group in ((got.S, seen), (got.U, ~seen)):
        of_group = group[labels]
        # balanced accuracy counts clips that leave their group as wrong, as it should
        with np.errstate(all="ignore"):
            expected = recall_score(labels[of_group], predictions[of_group], average=None, labels=group.nonzero()[:, 0])
        assert value == pytest.approx(expected.mean(), rel=1e-14)
    assert pytest.approx(2 * got.S * got.U / (got.S + got.U), rel=1e-14) == got.HM
    everything = got.per_class.mean().item()
    assert everything == pytest.approx(balanced_accuracy_score(labels, predictions), rel=1e-14)


@DTYPES
def test_zsl_has_unseen_clips_and_unseen_candidates_only(dtype):
    scores, labels, seen = problem(5, dtype=dtype)
    got = classification(scores, labels, seen, gamma=-50.0)
    assert got.U == 0.0  # every clip goes to a seen class
    of_unseen = ~seen[labels]
    among = scores[of_unseen][:, ~seen].argmax(1)
    assert pytest.approx(balanced_accuracy_score(labels[of_unseen] - 4, among), rel=1e-14) == got.ZSL
    assert classification(scores, labels, seen, gamma=50.0).U == got.ZSL


@DTYPES
@pytest.mark.parametrize("levels", [None, 4])
def test_ausuc_equals_the_trapezoid_of_brute_force(levels, dtype):
    scores, labels, seen = problem(6, n=60, dtype=dtype, levels=levels)
    wide = scores.double()
    t = sorted({a - b for a, b in zip(wide[:, :4].amax(1).tolist(), wide[:, 4:].amax(1).tolist(), strict=True)})
    penalties = [t[0] - 1, *((a + b) / 2 for a, b in pairwise(t)), t[-1] + 1]
    points = []
    for gamma in penalties:
        recalls = recall_score(labels, predict(scores, seen, gamma), average=None, zero_division=0)
        points.append((recalls[4:].mean(), recalls[:4].mean()))
    area = sum((u1 - u0) * (s0 + s1) / 2 for (u0, s0), (u1, s1) in pairwise(points))
    assert pytest.approx(area, rel=1e-13) == classification(scores, labels, seen).AUSUC
    assert pytest.approx(area, rel=1e-13) == classification(scores, labels, seen, 0.25).AUSUC


def test_scores_far_from_zero_keep_their_order_in_every_number():
    scores, labels, seen = problem(16, levels=64)  # so that adding 2^30 is exact, and beyond float32
    near, far = (classification(x, labels, seen, 0.125) for x in (scores, scores + 2.0**30))
    assert (near.S, near.U, near.ZSL, near.AUSUC) == (far.S, far.U, far.ZSL, far.AUSUC)
    assert retrieval(scores, labels, seen).HM == retrieval(scores + 2.0**30, labels, seen).HM


def test_perfect_scores_give_one_everywhere_and_reversed_scores_nothing():
    labels = torch.arange(6).repeat(3)
    scores, seen = torch.nn.functional.one_hot(labels, 6).double() - 5, torch.arange(6) < 3
    best = classification(scores, labels, seen)
    assert (best.S, best.U, best.HM, best.ZSL, best.AUSUC) == (1.0, 1.0, 1.0, 1.0, 1.0)
    worst = classification(-scores, labels, seen)
    assert (worst.S, worst.U, worst.HM, worst.ZSL, worst.AUSUC) == (0.0, 0.0, 0.0, 0.0, 0.0)
    assert retrieval(scores, labels, seen).HM == 1.0


def test_calibration_attains_the_best_hm_of_its_own_clips():
    scores, labels, seen = problem(8)
    best = classification(scores, labels, seen, calibrate(scores, labels, seen)).HM
    assert best >= classification(scores, labels, seen).HM
    grid = [classification(scores, labels, seen, gamma).HM for gamma in np.linspace(-1, 1, 41).tolist()]
    assert best >= max(grid)


def test_a_penalty_per_clip_equals_the_penalty_of_its_part():
    scores, labels, seen = problem(9)
    gamma = torch.where(torch.arange(200) < 80, 0.2, -0.1)
    got = class_accuracy(predict(scores, seen, gamma), labels, 7)
    parts = torch.cat([predict(scores[:80], seen, gamma[0].item()), predict(scores[80:], seen, gamma[-1].item())])
    assert torch.equal(class_accuracy(parts, labels, 7), got)
    assert torch.equal(classification(scores, labels, seen, gamma).per_class, got)


def test_a_class_without_clips_is_nan_and_is_left_out_of_the_means():
    scores, labels, seen = problem(10, c=6, n_seen=3)
    keep = (labels != 1) & (labels != 5)
    got = classification(scores[keep], labels[keep], seen)
    assert got.per_class.isnan().tolist() == [False, True, False, False, False, True]
    assert pytest.approx((got.per_class[0] + got.per_class[2]).item() / 2) == got.S
    assert pytest.approx((got.per_class[3] + got.per_class[4]).item() / 2) == got.U
    found = retrieval(scores[keep], labels[keep], seen)
    assert found.per_class.isnan().tolist() == [False, True, False, False, False, True]
    assert pytest.approx((found.per_class[3] + found.per_class[4]).item() / 2) == found.U


@pytest.mark.parametrize("mark", [True, False])
def test_a_group_without_clips_is_nan_not_zero(mark):
    scores, labels, seen = problem(11)
    keep = seen[labels] == mark
    got, found = classification(scores[keep], labels[keep], seen), retrieval(scores[keep], labels[keep], seen)
    for result in (got, found):
        assert math.isnan(result.HM)
        assert math.isnan(result.U) is mark
        assert math.isnan(result.S) is not mark
    assert math.isnan(got.AUSUC)
    assert math.isnan(got.ZSL) is mark


@pytest.mark.parametrize("mark", [True, False])
def test_classes_of_one_group_alone(mark):
    scores, labels, _ = problem(12)
    got = classification(scores, labels, torch.full((7,), mark))
    value, other = (got.S, got.U) if mark else (got.U, got.S)
    assert value == pytest.approx(balanced_accuracy_score(labels, scores.argmax(1)), rel=1e-14)
    assert math.isnan(other)
    assert math.isnan(got.AUSUC)


def test_one_class_and_no_clips():
    one = classification(torch.tensor([[-1.0], [-2.0]]), torch.tensor([0, 0]), torch.tensor([True]))
    assert one.S == 1.0
    assert math.isnan(one.U)
    assert retrieval(torch.tensor([[-1.0], [-2.0]]), torch.tensor([0, 0]), torch.tensor([False])).U == 1.0
    nothing = torch.zeros(0, dtype=torch.int64)
    none = classification(torch.zeros(0, 3), nothing, torch.tensor([True, True, False]))
    assert all(math.isnan(v) for v in (none.S, none.U, none.HM, none.ZSL, none.AUSUC))
    assert retrieval(torch.zeros(0, 3), nothing, torch.tensor([True, True, False])).per_class.isnan().all()


def test_permuted_classes_permute_the_result():
    scores, labels, seen = problem(13)
    order = torch.tensor([3, 6, 0, 5, 1, 4, 2])
    where = order.argsort()
    plain = (classification(scores, labels, seen, 0.1), retrieval(scores, labels, seen))
    moved = scores[:, order], where[labels], seen[order]
    for before, after in zip(plain, (classification(*moved, 0.1), retrieval(*moved)), strict=True):
        assert torch.equal(after.per_class, before.per_class[order])
        assert pytest.approx((before.S, before.U)) == (after.S, after.U)
    assert pytest.approx(classification(*moved).AUSUC) == plain[0].AUSUC


@pytest.mark.parametrize("wrong", [-1, 3])
def test_labels_that_are_no_class_are_refused(wrong):
    scores, labels, seen = torch.zeros(2, 3), torch.tensor([0, wrong]), torch.tensor([True, True, False])
    for call in (
        lambda: class_accuracy(torch.tensor([0, 1]), labels, 3),
        lambda: classification(scores, labels, seen),
        lambda: average_precision(scores, labels),
    ):
        with pytest.raises(DataError, match=f"1 of 2 labels are no class, the first is {wrong}; expected 0 to 2"):
            call()


def test_bad_scores_and_penalties_are_refused():
    scores, labels, seen = torch.zeros(2, 3), torch.tensor([0, 1]), torch.tensor([True, True, False])
    with pytest.raises(ConfigError, match="finite"):
        classification(scores, labels, seen, NAN)
    for call in (classification, retrieval):
        with pytest.raises(DataError, match="not finite"):
            call(scores / 0, labels, seen)


@pytest.mark.parametrize(
    ("s", "u", "hm"), [(0.4804, 0.3071, 0.3747), (0.5, 0.5, 0.5), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.3, 0.0)]
)
def test_harmonic_mean(s, u, hm):
    assert harmonic_mean(s, u) == pytest.approx(hm, abs=5e-5)
    assert harmonic_mean(u, s) == harmonic_mean(s, u)


@pytest.mark.parametrize(("s", "u"), [(NAN, 0.3), (0.3, NAN), (NAN, 0.0), (0.0, NAN), (NAN, NAN)])
def test_harmonic_mean_of_nan_is_nan(s, u):
    assert math.isnan(harmonic_mean(s, u))


def test_ausuc_by_hand():
    curve = Curve(*(torch.tensor(v, dtype=torch.float64) for v in ([0.0, 1.0], [0.8, 0.4, 0.0], [0.0, 0.5, 0.6])))
    assert ausuc(curve) == pytest.approx(0.5 * 0.6 + 0.1 * 0.2)


# retrieval


@DTYPES
@pytest.mark.parametrize("seed", range(3))
def test_average_precision_equals_scikit_learn_without_ties(seed, dtype):
    scores, labels, _ = problem(seed, dtype=dtype)
    assert all(len(column.unique()) == len(column) for column in scores.T)
    expected = [average_precision_score(labels == c, scores[:, c]) for c in range(7)]
    np.testing.assert_allclose(average_precision(scores, labels), expected, rtol=1e-13)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 40), levels=st.sampled_from([1, 3, None]), ties=st.integers(0, 3))
def test_average_precision_equals_a_walk_down_the_ranking(seed, n, levels, ties):
    scores, labels, _ = problem(seed, n=n, c=3, levels=levels)
    labels[labels == 2] = 1  # the last class is a query with no relevant clip
    expected = slow_average_precision(scores, labels, rank(scores, ties))
    np.testing.assert_allclose(average_precision(scores, labels, ties), expected, rtol=1e-13)


def test_average_precision_by_hand():
    scores, labels = torch.tensor([[-1.0], [-2.0], [-3.0], [-4.0]]).expand(4, 2), torch.tensor([1, 0, 1, 0])
    assert average_precision(scores, labels).tolist() == pytest.approx([(1 / 2 + 2 / 4) / 2, (1 / 1 + 2 / 3) / 2])


def test_a_degenerate_model_scores_by_chance_whatever_the_order_of_files():
    labels = torch.arange(4).repeat_interleave(250)  # a stable sort would give the first class 1
    values = torch.stack([average_precision(torch.zeros(1000, 4), labels, seed) for seed in range(8)])
    np.testing.assert_allclose(values.mean(0), 0.25, atol=0.03)
    assert len(values[:, 0].unique()) == 8
    again = average_precision(torch.zeros(1000, 4), labels, 3)
    assert torch.equal(again, values[3])


def test_retrieval_means_are_over_the_whole_gallery_without_a_penalty():
    scores, labels, seen = problem(14)
    got = retrieval(scores, labels, seen)
    expected = [average_precision_score(labels == c, scores[:, c]) for c in range(7)]
    assert pytest.approx(np.mean(expected[:4])) == got.S
    assert pytest.approx(np.mean(expected[4:])) == got.U
    assert harmonic_mean(got.S, got.U) == got.HM
    raised = retrieval(scores + 5.0 * seen, labels, seen)  # a shift of a whole column moves no ranking
    np.testing.assert_allclose(raised.per_class, got.per_class)


# several runs


def test_spread_is_over_class_splits_of_means_over_seeds():
    values = {"a": [0.1, 0.3], "b": [0.5], "c": [0.6, 0.7, 0.8]}
    mean, deviation = spread(values)
    assert mean == pytest.approx(np.mean([0.2, 0.5, 0.7]))
    assert deviation == pytest.approx(np.std([0.2, 0.5, 0.7], ddof=1))
    mean, deviation = spread({"a": [0.1, 0.3]})
    assert mean == pytest.approx(0.2)
    assert math.isnan(deviation)
    assert all(math.isnan(v) for v in spread({"a": [NAN], "b": [0.1]}))


def test_spread_of_nothing_is_refused():
    with pytest.raises(DataError, match="any class split"):
        spread({})
    with pytest.raises(DataError, match="no value for b"):
        spread({"a": [0.1], "b": []})


def test_the_sweep_of_a_result_holds_its_operating_point():
    scores, labels, seen = problem(15)
    got, curve = classification(scores, labels, seen, 0.05), sweep(scores, labels, seen)
    at = int(torch.searchsorted(curve.thresholds, torch.tensor(0.05, dtype=torch.float64), right=True))
    assert (curve.seen_accuracy[at].item(), curve.unseen_accuracy[at].item()) == pytest.approx((got.S, got.U))
