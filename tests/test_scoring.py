"""Fusion, calibrated stacking and ranking against loops and fractions written without a look at the package."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avgzsl.errors import ConfigError, DataError, ModalityError
from avgzsl.scores.scoring import best_of, calibrate, calibrated, fuse, predict, rank, sweep, top

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
quick = settings(max_examples=80, deadline=None)


@st.composite
def problems(draw, both_groups=False):
    """Scores with many ties (halves from -2 to 2), labels and seen marks; sometimes an empty group or class."""
    n, c = draw(st.integers(1, 12)), draw(st.integers(2 if both_groups else 1, 5))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    value = draw(st.sampled_from([st.integers(-4, 4).map(lambda i: i / 2), st.floats(-3, 3, width=32)]))
    scores = torch.tensor(draw(st.lists(st.lists(value, min_size=c, max_size=c), min_size=n, max_size=n)), dtype=dtype)
    labels = torch.tensor(draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n)))
    seen = torch.tensor(draw(st.lists(st.booleans(), min_size=c, max_size=c)))
    if both_groups:
        seen[0], seen[1] = True, False
        scores, labels = torch.cat([scores, scores[:1], scores[:1]]), torch.cat([labels, torch.tensor([0, 1])])
    return scores, labels, seen


def slow_predict(row, seen, gamma):
    """The class of one clip, by the rule in words."""
    groups = {True: (-math.inf, None), False: (-math.inf, None)}
    for index, (score, mark) in enumerate(zip(row, seen, strict=True)):
        if groups[mark][1] is None or score > groups[mark][0]:
            groups[mark] = (score, index)
    (s, best_seen), (u, best_unseen) = groups[True], groups[False]
    if best_unseen is None:
        return best_seen
    return best_seen if best_seen is not None and s - u > gamma else best_unseen


def slow_accuracies(scores, labels, seen, gamma):
    """Exact class-mean accuracies (S, U) as fractions; None for a group without clips."""
    groups = {True: [], False: []}
    marks = seen.tolist()
    for c, mark in enumerate(marks):
        rows = [row for row, label in zip(scores.tolist(), labels.tolist(), strict=True) if label == c]
        if rows:
            groups[mark].append(Fraction(sum(slow_predict(row, marks, gamma) == c for row in rows), len(rows)))
    return tuple(sum(values) / len(values) if values else None for values in (groups[True], groups[False]))


def slow_hm(s, u):
    return Fraction(0) if s + u == 0 else 2 * s * u / (s + u)


def slow_penalties(scores, seen):
    """One penalty per interval, from the distinct best-seen-less-best-unseen of all clips."""
    t = sorted({max(r[seen].tolist()) - max(r[~seen].tolist()) for r in scores.double()})
    return [t[0] - 1, *((a + b) / 2 for a, b in pairwise(t)), t[-1] + 1], t


# fusion


@DTYPES
def test_fuse_by_hand(dtype):
    audio = torch.tensor([[1.0, -3.0], [math.nan, math.inf], [5.0, 6.0]], dtype=dtype)
    video = torch.tensor([[3.0, -1.0], [7.0, 8.0], [math.nan, -math.inf]], dtype=dtype)
    has_audio, has_video = torch.tensor([True, False, True]), torch.tensor([True, True, False])
    equal = fuse(audio, video, has_audio, has_video)
    assert equal.dtype == dtype
    assert equal.tolist() == [[2.0, -2.0], [7.0, 8.0], [5.0, 6.0]]
    weight = torch.tensor([0.25, math.nan, math.nan], dtype=dtype)
    assert fuse(audio, video, has_audio, has_video, weight[:, None]).tolist() == [[1.5, -2.5], [7.0, 8.0], [5.0, 6.0]]


@pytest.mark.parametrize(("weight", "which"), [(0.0, 0), (1.0, 1)])
def test_the_weight_is_that_of_video(weight, which):
    parts = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    yes = torch.ones(4, dtype=torch.bool)
    assert torch.equal(fuse(parts[0], parts[1], yes, yes, torch.full((4, 1), weight)), parts[which])


def test_one_modality_alone_is_scored_as_it_is():
    scores, yes = torch.randn(3, 2), torch.ones(3, dtype=torch.bool)
    assert torch.equal(fuse(scores, None, yes, ~yes), scores)
    assert torch.equal(fuse(None, scores, ~yes, yes, torch.full((3, 1), 0.1)), scores)


def test_fuse_names_how_many_clips_it_cannot_score():
    scores, yes = torch.zeros(3, 2), torch.ones(3, dtype=torch.bool)
    with pytest.raises(ModalityError, match="2 of 3 clips have neither"):
        fuse(scores, scores, torch.tensor([True, False, False]), ~yes)
    with pytest.raises(ModalityError, match="3 of 3 clips have neither"):
        fuse(None, None, ~yes, ~yes)
    with pytest.raises(ModalityError, match="3 of 3 clips are marked as having video, but no video scores"):
        fuse(scores, None, yes, yes)
    with pytest.raises(ModalityError, match="at least one"):
        fuse(None, None, yes[:0], yes[:0])


# calibrated stacking


@quick
@given(problems(), st.integers(-6, 6).map(lambda i: i / 2))
def test_predict_equals_the_rule_in_words(problem, gamma):
    scores, _, seen = problem
    assert predict(scores, seen, gamma).tolist() == [slow_predict(row, seen.tolist(), gamma) for row in scores.tolist()]


@DTYPES
def test_ties_go_to_unseen_and_to_the_lowest_index(dtype):
    seen = torch.tensor([True, False, True, False])
    scores = torch.tensor([[1.0, 1.0, 1.0, 1.0], [-1.0, -3.0, -1.0, -3.0]], dtype=dtype)
    assert predict(scores, seen).tolist() == [1, 0]
    assert predict(scores, seen, 2.0).tolist() == [1, 1]
    assert predict(scores, seen, torch.tensor([-0.5, 1.5])).tolist() == [0, 0]


def test_a_penalty_is_compared_in_float64():
    scores, seen = torch.tensor([[1.0, 0.0]]), torch.tensor([True, False])
    assert predict(scores, seen, 1 - 1e-12).tolist() == [0]
    assert predict(scores, seen, 1.0).tolist() == [1]


@pytest.mark.parametrize("mark", [True, False])
def test_one_group_alone_is_a_plain_argmax_at_any_penalty(mark):
    scores = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    seen = torch.full((4,), mark)
    for gamma in (-100.0, 0.0, 100.0):
        assert torch.equal(predict(scores, seen, gamma), scores.argmax(1))
    assert torch.equal(predict(scores[:, :1], seen[:1]), torch.zeros(9, dtype=torch.int64))


@quick
@given(problems(), st.integers(-6, 6).map(lambda i: i / 2))
def test_a_constant_added_to_a_clip_and_an_order_of_classes_change_nothing(problem, gamma):
    scores, _, seen = problem
    scores = (2 * scores).round() / 2  # so that adding is exact
    shift = torch.arange(len(scores), dtype=scores.dtype)[:, None] - 3
    expected = predict(scores, seen, gamma)
    assert torch.equal(predict(scores + shift, seen, gamma), expected)
    distinct = scores + torch.arange(scores.shape[1], dtype=scores.dtype) / 64  # ties go by index, which is permuted
    order = torch.arange(len(seen)).roll(1).flip(0)
    permuted = predict(distinct[:, order], seen[order], gamma)
    assert torch.equal(order[permuted], predict(distinct, seen, gamma))


@DTYPES
def test_calibrated_takes_the_penalty_off_seen_classes_only(dtype):
    scores, seen = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=dtype), torch.tensor([True, False])
    got = calibrated(scores, seen, 0.5)
    assert got.dtype == torch.float64
    assert got.tolist() == [[0.5, 2.0], [2.5, 4.0]]
    assert calibrated(scores, seen, torch.tensor([1.0, -1.0], dtype=dtype)).tolist() == [[0.0, 2.0], [4.0, 4.0]]


@quick
@given(problems(), st.floats(-3, 3))
def test_top_is_sorted_distinct_and_begins_with_the_prediction(problem, gamma):
    scores, _, seen = problem
    c = scores.shape[1]
    classes, values = top(scores, seen, gamma, c)
    assert torch.equal(classes[:, 0], predict(scores, seen, gamma))
    assert torch.equal(classes.sort(1).values, torch.arange(c).expand(len(scores), c))
    assert torch.equal(values, calibrated(scores, seen, gamma).gather(1, classes))
    assert (values[:, 1:-1] >= values[:, 2:]).all()
    assert (values[:, 0] >= values[:, -1] - 1e-15).all()
    fewer = top(scores, seen, gamma, 1)
    assert torch.equal(fewer[0], classes[:, :1])


def test_top_breaks_ties_by_unseen_then_index_and_follows_predict_through_rounding():
    seen = torch.tensor([True, True, False, False])
    assert top(torch.zeros(1, 4), seen, 0.0, 4)[0].tolist() == [[2, 3, 0, 1]]
    # 1 - 1e-17 rounds to 1, a tie that would go to unseen; but s - u = 1 > 1 - 1e-16 holds, and so on
    scores, pair = torch.tensor([[1.0, 1.0 - 2**-53]], dtype=torch.float64), torch.tensor([True, False])
    gamma = 2.0**-54
    assert predict(scores, pair, gamma).tolist() == [0]
    assert top(scores, pair, gamma, 1)[0].tolist() == [[0]]
    tiny = 2.0**-60
    scores = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    assert predict(scores, pair, -tiny).tolist() == [0]  # the calibrated scores are equal: 1 + 2^-60 is 1
    assert calibrated(scores, pair, -tiny).tolist() == [[1.0, 1.0]]
    assert top(scores, pair, -tiny, 2)[0].tolist() == [[0, 1]]


@pytest.mark.parametrize("k", [0, 4])
def test_top_refuses_an_impossible_k(k):
    with pytest.raises(ConfigError, match=f"top {k} of 3 classes"):
        top(torch.zeros(2, 3), torch.tensor([True, True, False]), 0.0, k)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(bad):
    seen, labels = torch.tensor([True, False]), torch.tensor([0, 1])
    scores = torch.tensor([[bad, 0.0], [1.0, bad]])
    for call in (
        lambda: predict(scores, seen),
        lambda: calibrated(scores, seen),
        lambda: top(scores, seen, 0.0, 1),
        lambda: sweep(scores, labels, seen),
        lambda: calibrate(scores, labels, seen),
        lambda: rank(scores),
    ):
        with pytest.raises(DataError, match="2 of 4 scores are not finite, in 2 of 2 clips"):
            call()
    with pytest.raises(ConfigError, match="gamma must be finite"):
        predict(torch.zeros(2, 2), seen, bad)
    with pytest.raises(ConfigError, match="gamma must be finite"):
        predict(torch.zeros(2, 2), seen, torch.tensor([0.0, bad]))


def test_no_classes_and_labels_that_are_no_class_are_refused():
    with pytest.raises(DataError, match="no classes"):
        predict(torch.zeros(2, 0), torch.zeros(0, dtype=torch.bool))
    seen = torch.tensor([True, False])
    for wrong in (-1, 2):
        with pytest.raises(DataError, match=f"1 of 2 labels are no class, the first is {wrong}; expected 0 to 1"):
            sweep(torch.zeros(2, 2), torch.tensor([0, wrong]), seen)


def test_best_of_an_empty_group_is_minus_infinity():
    index, value = best_of(torch.ones(2, 3), torch.zeros(3, dtype=torch.bool))
    assert index.tolist() == [0, 0]
    assert value.tolist() == [-math.inf, -math.inf]


# the sweep and the choice of a penalty


def check_sweep(scores, labels, seen):
    """Every interval against exact fractions, float(fraction) to the last digit but one."""
    curve = sweep(scores, labels, seen)
    penalties, thresholds = slow_penalties(scores, seen)
    assert curve.thresholds.tolist() == thresholds
    assert len(curve.seen_accuracy) == len(curve.unseen_accuracy) == len(penalties)
    for j, gamma in enumerate(penalties):
        for got, exact in zip((curve[1][j], curve[2][j]), slow_accuracies(scores, labels, seen, gamma), strict=True):
            assert math.isnan(got) if exact is None else abs(Fraction(float(got)) - exact) <= Fraction(1, 2**51)


@quick
@given(problems(both_groups=True))
def test_the_sweep_equals_brute_force_in_every_interval(problem):
    check_sweep(*problem)


@quick
@given(problems(both_groups=True))
def test_the_sweep_equals_predict_at_and_between_thresholds(problem):
    scores, labels, seen = problem
    curve = sweep(scores, labels, seen)
    for j, gamma in enumerate(curve.thresholds.tolist()):  # at a threshold its own clips have changed sides
        exact = slow_accuracies(scores, labels, seen, gamma)
        for got, value in zip((curve[1][j + 1], curve[2][j + 1]), exact, strict=True):
            assert float(got) == pytest.approx(float(value), abs=1e-15)


@DTYPES
def test_clips_of_equal_t_change_sides_together(dtype):
    scores = torch.tensor([[2.0, 1.0], [5.0, 4.0], [-1.0, -2.0], [0.0, 3.0]], dtype=dtype)
    curve = sweep(scores, torch.tensor([0, 0, 1, 1]), torch.tensor([True, False]))
    assert curve.thresholds.tolist() == [-3.0, 1.0]
    assert curve.seen_accuracy.tolist() == [1.0, 1.0, 0.0]
    assert curve.unseen_accuracy.tolist() == [0.0, 0.5, 1.0]


def test_a_penalty_shifts_the_sweep_clip_by_clip():
    generator = torch.Generator().manual_seed(4)
    scores = torch.randint(-8, 8, (40, 5), generator=generator) / 4.0
    labels, seen = torch.randint(5, (40,), generator=generator), torch.tensor([True, True, True, False, False])
    gamma = torch.randint(-4, 4, (40,), generator=generator) / 4.0
    shifted = sweep(scores - gamma[:, None] * seen, labels, seen)
    got = sweep(scores, labels, seen, gamma)
    assert all(torch.equal(a, b) for a, b in zip(got, shifted, strict=True))
    zero = int(torch.searchsorted(got.thresholds, torch.tensor(0.0, dtype=torch.float64), right=True))
    right = predict(scores, seen, gamma) == labels
    assert float(got.seen_accuracy[zero]) == pytest.approx(
        np.mean([right[labels == c].double().mean() for c in (0, 1, 2)]), abs=1e-15
    )


def test_a_group_without_clips_or_classes_has_no_accuracy():
    scores = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    curve = sweep(scores, torch.tensor([0, 0]), torch.tensor([True, False]))
    assert curve.unseen_accuracy.isnan().all()
    assert curve.seen_accuracy.tolist() == [1.0, 0.5, 0.0]
    nothing_seen = sweep(scores, torch.tensor([0, 1]), torch.tensor([False, False]))
    assert nothing_seen.seen_accuracy.isnan().all()
    assert nothing_seen.unseen_accuracy.tolist() == [0.0, 0.0]  # each clip's best class is the other one
    assert nothing_seen.thresholds.tolist() == [-math.inf]
    empty = sweep(scores[:0], torch.tensor([], dtype=torch.int64), torch.tensor([True, False]))
    assert len(empty.thresholds) == 0
    assert empty.seen_accuracy.isnan().tolist() == [True]


def slow_calibrate(scores, labels, seen):
    """(best HM, penalty): all intervals by exact fractions, then nearest to 0, then the lower."""
    penalties, _ = slow_penalties(scores, seen)
    means = [slow_hm(*slow_accuracies(scores, labels, seen, gamma)) for gamma in penalties]
    best = max(means)
    ties = [gamma for gamma, hm in zip(penalties, means, strict=True) if hm == best]
    return best, min(ties, key=lambda gamma: (abs(gamma), gamma))


@quick
@given(problems(both_groups=True))
def test_calibrate_equals_brute_force_and_predict_attains_its_hm(problem):
    scores, labels, seen = problem
    best, expected = slow_calibrate(scores, labels, seen)
    gamma = calibrate(scores, labels, seen)
    assert gamma == expected
    assert slow_hm(*slow_accuracies(scores, labels, seen, gamma)) == best
    reached = {c: (predict(scores, seen, gamma)[labels == c] == c).double().mean() for c in set(labels.tolist())}
    s, u = (np.mean([v for c, v in reached.items() if bool(seen[c]) is mark]) for mark in (True, False))
    assert (0 if s + u == 0 else 2 * s * u / (s + u)) == pytest.approx(float(best), abs=1e-14)


@DTYPES
def test_calibrate_may_be_negative(dtype):
    scores = torch.tensor([[0.0, 1.0], [0.0, 4.0]], dtype=dtype)  # t = -1 for the seen clip, -4 for the unseen one
    assert calibrate(scores, torch.tensor([0, 1]), torch.tensor([True, False])) == -2.5


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_equally_good_intervals_give_the_one_nearest_to_zero_then_the_lower(order):
    # t: unseen -3, seen 5; a seen clip that is never right splits the interval between them at its own t
    scores = torch.tensor([[-3.0, 0.0, -9.0], [5.0, 0.0, -9.0], [-9.0, 0.0, 1.0]])[order]
    labels, seen = torch.tensor([1, 0, 0])[order], torch.tensor([True, False, True])
    assert calibrate(scores, labels, seen) == -1.0  # intervals (-3, 1) and (1, 5) with middles -1 and 3
    scores[order.index(2), 2] = 1.5
    scores[order.index(1), 0] = 3.0 - 1.5  # both t 1.5: one interval (-3, 1.5)
    assert calibrate(scores, labels, seen) == -0.75
    scores[order.index(2), 2] = 0.0
    scores[order.index(1), 0] = 3.0  # (-3, 0) and (0, 3): -1.5 and 1.5 are equally near
    assert calibrate(scores, labels, seen) == -1.5


def test_intervals_that_differ_by_rounding_only_are_equally_good():
    # S, U are 8/9, 7/9 for penalties from -4 to 3, and 7/9, 8/9 from 3 to 10; in floats the latter is ahead by a bit,
    # (1 + 1 + 1/3) / 3 against (1/3 + 1 + 1) / 3
    seen, labels = torch.arange(6) < 3, torch.arange(6).repeat_interleave(3)
    t = torch.tensor([10.0] * 7 + [3.0, 10.0] + [-4.0, 3.0, 10.0] + [-4.0] * 6)
    best_seen = torch.where(labels < 3, labels, 0)
    best_seen[8] = 0  # a seen clip that is never right
    best_unseen = torch.where(labels > 2, labels, 3)
    scores = torch.full((18, 6), -20.0)
    scores[torch.arange(18), best_seen] = t
    scores[torch.arange(18), best_unseen] = 0.0
    assert slow_accuracies(scores, labels, seen, 0.0) == (Fraction(8, 9), Fraction(7, 9))
    assert slow_accuracies(scores, labels, seen, 6.5) == (Fraction(7, 9), Fraction(8, 9))
    best, gamma = slow_calibrate(scores, labels, seen)
    assert best == slow_hm(Fraction(7, 9), Fraction(8, 9))
    assert calibrate(scores, labels, seen) == gamma == -0.5


@pytest.mark.parametrize("low", [1.0, float(np.nextafter(1.0, 2.0)), -1.0])  # the middle rounds to even: down, then up
def test_calibrate_lies_inside_the_interval_between_neighbouring_floats(low):
    high = np.nextafter(low, np.inf)
    scores = torch.tensor([[low, 0.0], [high, 0.0]], dtype=torch.float64)
    labels, seen = torch.tensor([1, 0]), torch.tensor([True, False])
    gamma = calibrate(scores, labels, seen)
    assert predict(scores, seen, gamma).tolist() == [1, 0]


@pytest.mark.parametrize("value", [-1e30, 1e30])
def test_an_open_end_is_a_penalty_beyond_the_last_threshold_however_large(value):
    from avgzsl.scores.scoring import _middles

    thresholds = torch.tensor([value], dtype=torch.float64)
    first, last = _middles(thresholds).tolist()
    assert first < value <= last
    assert _middles(torch.tensor([2.0, 4.0], dtype=torch.float64)).tolist() == [1.0, 3.0, 5.0]


def test_calibrate_of_hopeless_scores_is_the_nearest_to_zero():
    scores = torch.tensor([[0.0, 0.5, 1.0, 2.0]] * 2)  # t = -1.5; best are 1 and 3, the labels 0 and 2
    assert calibrate(scores, torch.tensor([0, 2]), torch.tensor([True, True, False, False])) == -0.5  # not -2.5


@pytest.mark.parametrize(
    ("labels", "seen", "numbers"),
    [
        ([0, 0], [True, False], "2 clips of 1 seen classes and 0 of 1 unseen"),
        ([1, 1], [True, False], "0 clips of 1 seen classes and 2 of 1 unseen"),
        ([0, 1], [True, True], "2 clips of 2 seen classes and 0 of 0 unseen"),
        ([0, 1], [False, False], "0 clips of 0 seen classes and 2 of 2 unseen"),
    ],
)
def test_calibrate_says_what_it_needs_and_what_to_do_instead(labels, seen, numbers):
    with pytest.raises(DataError, match=f"both seen and unseen classes; given are {numbers}.*`none`.*`pseudo-unseen`"):
        calibrate(torch.zeros(2, 2), torch.tensor(labels), torch.tensor(seen))


def test_calibrate_without_clips_says_so():
    with pytest.raises(DataError, match="given are 0 clips of 1 seen classes and 0 of 1 unseen"):
        calibrate(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), torch.tensor([True, False]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_calibrate_on_a_larger_problem_without_ties(dtype):
    generator = torch.Generator().manual_seed(7)
    labels = torch.randint(7, (300,), generator=generator)
    seen = torch.arange(7) < 4
    scores = -torch.rand(300, 7, generator=generator, dtype=dtype)
    scores[torch.arange(300), labels] += 0.4
    scores[:, :4] += 0.3
    check_sweep(scores, labels, seen)
    assert calibrate(scores, labels, seen) == slow_calibrate(scores, labels, seen)[1]


# ranking


@DTYPES
def test_rank_orders_each_column_best_first(dtype):
    scores = -torch.rand(50, 4, generator=torch.Generator().manual_seed(0), dtype=dtype)
    order = rank(scores)
    assert torch.equal(order, scores.argsort(0, descending=True))


@quick
@given(problems(), st.integers(0, 5))
def test_ties_follow_one_permutation_of_the_gallery(problem, seed):
    scores = problem[0]
    place = {clip: i for i, clip in enumerate(rank(torch.zeros(len(scores), 1), seed)[:, 0].tolist())}
    for c, column in enumerate(rank(scores, seed).T.tolist()):
        assert column == sorted(range(len(scores)), key=lambda i: (-float(scores[i, c]), place[i]))


def test_seeds_give_other_orders_of_ties_and_the_same_seed_the_same():
    scores = torch.zeros(30, 2)
    orders = {tuple(rank(scores, seed)[:, 0].tolist()) for seed in range(10)}
    assert len(orders) == 10
    assert tuple(range(30)) not in orders
    assert torch.equal(rank(scores, 3), rank(scores, 3))
    state = torch.get_rng_state()
    rank(scores)
    assert torch.equal(torch.get_rng_state(), state)


def test_rank_of_an_empty_gallery_is_empty():
    assert rank(torch.zeros(0, 3)).shape == (0, 3)
