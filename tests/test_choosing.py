"""Numbers of calibration, and the energy term, against loops over plain numbers."""

import math

import numpy as np
import pytest
import torch

from avgzsl.errors import ConfigError, DataError
from avgzsl.scores.choosing import SHARES, STRETCHES, WARMTHS, Problem, choose_energy, choose_stacking, deviation
from avgzsl.scores.energy import addend, corrected
from avgzsl.scores.metrics import retrieval
from avgzsl.scores.scoring import best_penalty, predict


def some(seed, n=60, c=6, by=1.0):
    """Scores with a bias to seen classes that is greater for clips that are near anything at all."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % c
    seen = torch.arange(c) < c // 2
    scores = torch.rand(n, c, generator=generator)
    scores[torch.arange(n), labels] += torch.where(seen[labels], 0.9, 0.3)
    scores[:, ~seen] += torch.where(seen[labels], 0.3, 0.0)[:, None]  # near everything
    return Problem(scores * by, labels, seen)


def slow_energy(row, seen, share, temperature):
    """From the largest down, in plain floats."""
    inside = [value / temperature for value, mark in zip(row, seen, strict=True) if mark]
    largest = max(inside)
    return -share * temperature * (largest + math.log(sum(math.exp(value - largest) for value in inside)))


@pytest.mark.parametrize(("share", "temperature"), [(0.5, 0.1), (1.0, 2.0), (0.25, 1e-3), (0.0, 0.1)])
def test_the_energy_by_hand(share, temperature):
    scores, _, seen = some(0, by=-3.0)
    got = corrected(scores, seen, share, temperature)
    assert got.dtype == torch.float64
    for row, moved in zip(scores.tolist(), got.tolist(), strict=True):
        shift = slow_energy(row, seen.tolist(), share, temperature)
        assert moved == pytest.approx([value + shift for value in row], abs=1e-12)


def test_the_energy_of_one_score_is_the_score_and_a_cold_one_is_the_best():
    scores = torch.tensor([[3.0, -1.0], [-7.0, -2.0]])
    assert addend(scores[:, :1], 1.0, 0.3).tolist() == pytest.approx([-3.0, 7.0])
    assert addend(scores, 0.5, 1e-6).tolist() == pytest.approx([-1.5, 1.0])


def test_the_energy_is_stable_for_scores_of_any_size():
    huge = torch.tensor([[1e30, -1e30], [-1e30, -1e30], [1e-30, 0.0]])
    assert torch.isfinite(addend(huge, 1.0, 1e-3)).all()


def test_each_clip_may_have_its_own_numbers():
    scores, _, seen = some(1)
    share, temperature = torch.linspace(0, 1, len(scores)), torch.linspace(0.1, 2, len(scores))
    got = addend(scores[:, seen], share, temperature).tolist()
    marks = seen.tolist()
    expected = [
        slow_energy(r, marks, k, t)
        for r, k, t in zip(scores.tolist(), share.tolist(), temperature.tolist(), strict=False)
    ]
    assert got == pytest.approx(expected, abs=1e-6)


def test_classification_is_as_before_and_retrieval_is_not():
    scores, labels, seen = some(2)
    moved = corrected(scores, seen, 0.5, 0.1)
    assert torch.equal(predict(moved.float(), seen, 0.1), predict(scores, seen, 0.1))
    assert retrieval(moved, labels, seen).HM != retrieval(scores, labels, seen).HM


def test_without_a_seen_class_there_is_nothing_to_take_off():
    scores = torch.rand(4, 3)
    assert addend(scores[:, :0], 1.0, 0.1).tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("share", "temperature", "what"),
    [
        (-0.1, 1.0, "share"),
        (1.1, 1.0, "share"),
        (math.nan, 1.0, "share"),
        (1.0, 0.0, "temperature"),
        (1.0, math.inf, "temperature"),
    ],
)
def test_numbers_that_are_none_are_refused(share, temperature, what):
    with pytest.raises(ConfigError, match=what):
        addend(torch.zeros(2, 2), share, temperature)


# choosing


def test_the_grids():
    """The first of each stretch and weight changes nothing; a share of 0 is tried besides."""
    assert STRETCHES == (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    assert SHARES == (0.25, 0.5, 0.75, 1.0)
    assert WARMTHS == (0.125, 0.25, 0.5, 1.0, 2.0)


def test_the_stretch_is_the_best_of_the_grid_with_its_own_penalty():
    problem = some(3)
    found = choose_stacking([problem], STRETCHES)
    best = {stretch: best_penalty(*problem, stretch) for stretch in STRETCHES}
    top = max(one.HM for one in best.values())
    smallest = min(stretch for stretch, one in best.items() if top - 1e-12 <= one.HM)
    assert found == (best[smallest].gamma, smallest, top)
    assert choose_stacking([problem]) == (best[0.0].gamma, 0.0, best[0.0].HM)


def test_of_equally_good_stretches_the_smaller_is_taken():
    scores = torch.tensor([[2.0, 0.0], [0.0, 2.0]])  # every stretch is right
    problem = Problem(scores, torch.tensor([0, 1]), torch.tensor([True, False]))
    assert choose_stacking([problem], STRETCHES).stretch == 0.0
    assert choose_stacking([problem], (0.5, 0.0)).stretch == 0.5


def test_over_several_problems_the_mean_counts_and_the_penalties_are_averaged():
    problems = [some(4), some(5), some(6)]
    found = choose_stacking(problems, STRETCHES)
    means = [np.mean([best_penalty(*problem, stretch).HM for problem in problems]) for stretch in STRETCHES]
    stretch = STRETCHES[int(np.argmax(means))]
    assert found.stretch == stretch
    assert pytest.approx(max(means)) == found.HM
    assert found.gamma == pytest.approx(np.mean([best_penalty(*problem, stretch).gamma for problem in problems]))


@pytest.mark.parametrize("seeds", [[7], [8, 9]])
@pytest.mark.parametrize("by", [1.0, 20.0])
def test_the_energy_is_the_best_of_the_grid_at_any_scale(seeds, by):
    problems = [some(seed, by=by) for seed in seeds]
    share, temperature = choose_energy(problems)
    scales = []
    for scores, _, seen in problems:
        scales.append(
            np.mean([np.std([v for v, m in zip(r, seen.tolist(), strict=False) if m]) for r in scores.tolist()])
        )
        assert deviation(scores, seen) == pytest.approx(scales[-1])

    def reached(k, warmth):
        return np.mean(
            [retrieval(corrected(s, m, k, warmth * d), y, m).HM for (s, y, m), d in zip(problems, scales, strict=True)]
        )

    tried = {(k, warmth): reached(k, warmth) for k in (0.0, *SHARES) for warmth in WARMTHS}
    best = max(tried.values())
    expected, warmth = next(key for key, value in tried.items() if value >= best - 1e-12)
    assert expected > 0, "the world was made so that the term helps"
    assert (share, temperature) == (expected, pytest.approx(warmth * np.mean(scales), rel=1e-5))


def test_where_the_energy_helps_nobody_its_share_is_zero():
    scores = torch.eye(4).repeat(3, 1)  # every name finds its clips first
    problem = Problem(scores, torch.arange(12) % 4, torch.tensor([True, True, False, False]))
    assert choose_energy([problem]).share == 0.0
    flat = Problem(torch.zeros(4, 4), torch.arange(4), problem.seen)
    share, temperature = choose_energy([flat])
    assert share == 0.0
    assert addend(flat.scores, share, temperature).tolist() == [0.0] * 4


def test_scores_that_are_not_finite_are_refused():
    scores, labels, seen = some(10)
    with pytest.raises(DataError, match="not finite"):
        choose_energy([Problem(scores.masked_fill(labels[:, None] == 1, math.nan), labels, seen)])
