"""The numbers of clips with several right labels against slow loops, scikit-learn, and the numbers of one label."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

from avgzsl.errors import DataError
from avgzsl.scores.metrics import classification, retrieval
from avgzsl.scores.multi_label import class_f1, multi_label_classification, multi_label_retrieval
from avgzsl.scores.scoring import predict, rank

SEEN = torch.arange(8) < 5


def problem(seed, n=120, share=0.25, levels=None):
    """Clips of none to several of eight classes, which their scores know a little of; the last class has no clip."""
    generator = torch.Generator().manual_seed(seed)
    carried = torch.rand(n, 8, generator=generator) < share
    carried[:, 7] = False
    scores = torch.rand(n, 8, generator=generator, dtype=torch.float64) + 0.4 * carried
    return (scores * levels).round() / levels if levels else scores, carried


def slow_accuracy(answers, carried):
    """Clip by clip: right for c if the answer is one of the clip's classes that are of c's group."""
    result = []
    for c in range(8):
        marks = []
        for i in range(len(carried)):
            if carried[i, c]:
                group = {d for d in range(8) if carried[i, d] and SEEN[d] == SEEN[c]}
                marks.append(int(answers[i]) in group)
        result.append(sum(marks) / len(marks) if marks else math.nan)
    return result


def mean(values):
    kept = [value for value in values if not math.isnan(value)]
    return sum(kept) / len(kept) if kept else math.nan


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gamma", [0.0, 0.2])
def test_accuracies_are_those_of_slow_loops(seed, gamma):
    scores, carried = problem(seed)
    got = multi_label_classification(scores, carried, SEEN, gamma)
    answers = predict(scores, SEEN, gamma)
    expected = slow_accuracy(answers, carried)
    assert got.per_class.tolist() == pytest.approx(expected, nan_ok=True)
    assert pytest.approx(mean(expected[:5])) == got.S
    assert pytest.approx(mean(expected[5:])) == got.U
    assert pytest.approx(2 * got.S * got.U / (got.S + got.U)) == got.HM
    among_unseen = 5 + scores[:, 5:].argmax(1)
    assert pytest.approx(mean(slow_accuracy(among_unseen, carried)[5:])) == got.ZSL
    hits = [bool(row[answer]) for row, answer in zip(carried, answers, strict=True) if row.any()]
    assert got.hit == sum(hits) / len(hits)
    assert 0 < got.hit < 1 and math.isnan(got.per_class[7])


@pytest.mark.parametrize("seed", range(4))
def test_f1_is_that_of_scikit_learn(seed):
    scores, carried = problem(seed)
    kept = carried.any(1)
    answers = torch.nn.functional.one_hot(predict(scores, SEEN), 8)[kept]
    expected = f1_score(carried[kept].int(), answers, average=None, zero_division=0)[:7]  # the last has no clip
    got = multi_label_classification(scores, carried, SEEN)
    assert pytest.approx(expected.mean()) == got.F1
    assert class_f1(predict(scores, SEEN)[kept], carried[kept])[:7].tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("seed", range(4))
def test_precision_is_that_of_scikit_learn(seed):
    scores, carried = problem(seed)
    kept = carried.any(1)
    expected = [average_precision_score(carried[kept, c], scores[kept, c]) for c in range(7)]
    got = multi_label_retrieval(scores, carried, SEEN)
    np.testing.assert_allclose(got.per_class[:7], expected, rtol=1e-12)
    assert pytest.approx(np.mean(expected[:5])) == got.S
    assert pytest.approx(np.mean(expected[5:])) == got.U
    assert math.isnan(got.per_class[7])


def test_ties_are_ranked_as_for_one_label():
    scores, carried = problem(9, levels=3)
    scores, carried = scores[carried.any(1)], carried[carried.any(1)]
    order = rank(scores)
    for c, value in enumerate(multi_label_retrieval(scores, carried, SEEN).per_class[:7].tolist()):
        found, precisions = 0, []
        for place, clip in enumerate(order[:, c].tolist(), start=1):
            if carried[clip, c]:
                found += 1
                precisions.append(found / place)
        assert value == pytest.approx(mean(precisions))


@pytest.mark.parametrize("gamma", [-0.1, 0.0, 0.3])
def test_with_one_label_a_clip_the_numbers_are_those_of_one_label(gamma):
    scores, _ = problem(3)
    labels = torch.arange(len(scores)) % 7
    carried = torch.nn.functional.one_hot(labels, 8).bool()
    got, one = multi_label_classification(scores, carried, SEEN, gamma), classification(scores, labels, SEEN, gamma)
    assert (got.S, got.U, got.HM, got.ZSL) == (one.S, one.U, one.HM, one.ZSL)
    torch.testing.assert_close(got.per_class, one.per_class, rtol=0, atol=0, equal_nan=True)
    several, single = multi_label_retrieval(scores, carried, SEEN), retrieval(scores, labels, SEEN)
    assert (several.S, several.U, several.HM) == (single.S, single.U, single.HM)


def test_a_seen_name_is_no_right_answer_for_an_unseen_class():
    carried = torch.zeros(4, 8, dtype=torch.bool)
    carried[:, [0, 6]] = True  # all clips carry a seen and an unseen class
    got = multi_label_classification(torch.eye(8)[[0, 0, 0, 0]], carried, SEEN)
    assert (got.S, got.U, got.HM, got.hit) == (1.0, 0.0, 0.0, 1.0)
    assert got.ZSL == 0.0  # among unseen names the first wins, and it is not theirs
    got = multi_label_classification(torch.eye(8)[[0, 6, 6, 6]], carried, SEEN)
    assert (got.S, got.U, got.ZSL, got.hit) == (0.25, 0.75, 0.75, 1.0)


def test_clips_without_a_class_count_nowhere():
    scores, carried = problem(5)
    kept = carried.any(1)
    assert not kept.all()
    for call in (multi_label_classification, multi_label_retrieval):
        everything, chosen = call(scores, carried, SEEN), call(scores[kept], carried[kept], SEEN)
        assert {k: v for k, v in vars(everything).items() if k != "per_class"} == {
            k: v for k, v in vars(chosen).items() if k != "per_class"
        }


def test_without_any_label_there_are_no_numbers():
    scores, carried = problem(5)
    nothing = torch.zeros_like(carried)
    got = multi_label_classification(scores, nothing, SEEN)
    assert all(map(math.isnan, (got.S, got.U, got.HM, got.ZSL, got.hit, got.F1)))
    assert math.isnan(multi_label_retrieval(scores, nothing, SEEN).HM)


def test_scores_that_are_not_finite_are_refused():
    scores, carried = problem(1)
    scores[0, 0] = math.nan
    with pytest.raises(DataError, match="not finite"):
        multi_label_classification(scores, carried | True, SEEN)
    with pytest.raises(DataError, match="not finite"):
        multi_label_retrieval(scores, carried | True, SEEN)
