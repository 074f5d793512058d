"""Ranks and their tests, against scipy, naive loops and the published constants; the bootstrap, against loops."""

import dataclasses
import math
import random
from statistics import fmean

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from avgzsl.errors import ConfigError, DataError
from avgzsl.reports.significance import average_ranks, bootstrap_difference, compare_methods, critical_difference
from avgzsl.scores.metrics import spread

Q05 = {2: 1.960, 3: 2.344, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.948, 8: 3.031, 9: 3.102, 10: 3.164}  # Demsar's table 5a
Q10 = {2: 1.645, 3: 2.052, 4: 2.291, 5: 2.460, 6: 2.589, 7: 2.693, 8: 2.780, 9: 2.855, 10: 2.920}


def duel(wins, losses, ties=0):
    """Accuracies of two methods on as many classes, differences all of another size."""
    step = torch.arange(1, wins + losses + ties + 1, dtype=torch.float64) / 100
    sign = torch.tensor([1.0] * wins + [-1.0] * losses + [0.0] * ties, dtype=torch.float64)
    return torch.stack([0.5 + sign * step, torch.full_like(step, 0.5)], 1)


def case(seed, n, k, levels=None):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(n, k, generator=generator, dtype=torch.float64) + torch.linspace(0.3, 0, k)
    return scores if levels is None else (scores * levels).round() / levels


# ranks


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(1, 8), st.integers(1, 6), st.sampled_from([2, 5, None]))
def test_average_ranks_by_a_loop(seed, n, k, levels):
    scores = case(seed, n, k, levels)
    expected = [0.0] * k
    for row in scores.tolist():
        order = sorted(row, reverse=True)
        for j, value in enumerate(row):
            places = [place for place, other in enumerate(order, 1) if other == value]
            expected[j] += fmean(places) / n
    assert average_ranks(scores).tolist() == pytest.approx(expected, abs=1e-12)
    assert average_ranks(scores.float()).dtype == torch.float64


def test_rank_one_is_the_highest_score_and_negative_scores_are_scores():
    assert average_ranks(torch.tensor([[-3.0, -1.0, -2.0]])).tolist() == [3, 1, 2]
    assert average_ranks(torch.tensor([[0.5, 0.5, 0.1]])).tolist() == [1.5, 1.5, 3]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_not_finite_has_no_rank(bad):
    scores = torch.ones(3, 2)
    scores[1, 0] = bad
    for call in (average_ranks, lambda s: compare_methods(s, ["a", "b"])):
        with pytest.raises(DataError, match="1 of 3 classes"):
            call(scores)


# the critical difference


@pytest.mark.parametrize(("alpha", "table"), [(0.05, Q05), (0.10, Q10)])
def test_critical_difference_by_the_published_table(alpha, table):
    for k, q in table.items():
        assert critical_difference(k, 14, alpha) == pytest.approx(q * math.sqrt(k * (k + 1) / (6 * 14)), rel=3e-4)


def test_the_papers_critical_difference():
    assert f"{critical_difference(2, 33):.4f}" == "0.3412"


@pytest.mark.parametrize(("k", "n", "alpha", "error"), [
    (1, 33, 0.05, DataError), (2, 0, 0.05, DataError), (2, 33, 0.0, ConfigError), (2, 33, 1.0, ConfigError),
])  # fmt: skip
def test_a_senseless_critical_difference_is_refused(k, n, alpha, error):
    with pytest.raises(error):
        critical_difference(k, n, alpha)


# comparisons


@pytest.mark.parametrize(("n", "k"), [(2, 3), (7, 3), (33, 5), (12, 12)])
@pytest.mark.parametrize("levels", [None, 4])
def test_friedman_by_scipy(n, k, levels):
    scores = case(n + k, n, k, levels)
    found = compare_methods(scores, [f"m{j}" for j in range(k)])
    oracle = stats.friedmanchisquare(*scores.T.numpy())
    assert found.chi2 == pytest.approx(float(oracle.statistic), rel=1e-9)
    assert found.p == pytest.approx(float(oracle.pvalue), rel=1e-9)


def test_friedman_and_iman_davenport_by_demsars_formulas():
    n, k = 9, 4
    scores = case(3, n, k)
    found = compare_methods(scores, "abcd")
    ranks = average_ranks(scores).tolist()
    chi2 = 12 * n / (k * (k + 1)) * (sum(r * r for r in ranks) - k * (k + 1) ** 2 / 4)
    iman = (n - 1) * chi2 / (n * (k - 1) - chi2)
    assert found.chi2 == pytest.approx(chi2)
    assert found.iman_f == pytest.approx(iman)
    assert found.iman_p == pytest.approx(1 - stats.f.cdf(iman, k - 1, (k - 1) * (n - 1)))
    assert found.mean_ranks == pytest.approx(ranks)
    assert (found.n, found.k, found.critical_difference) == (n, k, critical_difference(k, n))


@pytest.mark.parametrize(("record", "gap", "ratio"), [
    ((27, 6, 0), 0.636, 1.87), ((27, 5, 1), 0.667, 1.95), ((28, 5, 0), 0.697, 2.04),
])  # fmt: skip
def test_two_methods_as_in_the_paper(record, gap, ratio):
    found = compare_methods(duel(*record), ["ours", "theirs"])
    wins, losses, _ = record
    difference = found.mean_ranks[1] - found.mean_ranks[0]
    assert round(difference, 3) == gap
    assert round(difference / found.critical_difference, 2) == ratio
    assert found.pairs[0][:4] == ("theirs", *record)
    assert (found.iman_f, found.iman_p) == (None, None)
    assert found.chi2 == pytest.approx((wins - losses) ** 2 / (wins + losses))  # the sign test's, ties left out
    assert found.groups() == []
    assert compare_methods(duel(*record).flip(1), ["theirs", "ours"]).pairs[0][1:4] == (losses, wins, record[2])


@pytest.mark.parametrize("scores", [duel(27, 6), duel(4, 5, 3), case(0, 60, 2), case(1, 8, 2, 4)])
def test_wilcoxon_by_scipy(scores):
    found = compare_methods(scores, "ab").pairs[0].wilcoxon_p
    difference = np.round((scores[:, 0] - scores[:, 1]).numpy(), 9)
    assert found == pytest.approx(float(stats.wilcoxon(difference).pvalue))
    assert found == compare_methods(scores.flip(1), "ba").pairs[0].wilcoxon_p  # two-sided


def test_differences_that_rounding_tells_apart_are_tied():
    first = torch.tensor([0.3, 0.7, 0.1, 0.9, 0.5, 0.2, 0.6], dtype=torch.float64)
    step = torch.tensor([0.1, 0.1, -0.1, 0.1, 0.1, 0.1, -0.1], dtype=torch.float64)
    difference = first - (first - step)
    assert len(difference.abs().unique()) > 1
    exact = float(stats.wilcoxon(step.sign().numpy()).pvalue)
    assert compare_methods(torch.stack([first, first - step], 1), "ab").pairs[0].wilcoxon_p == pytest.approx(exact)
    assert float(stats.wilcoxon(difference.numpy()).pvalue) != pytest.approx(exact)


def test_scores_that_rounding_tells_apart_are_tied_in_ranks_and_wins():
    """As means of the same share of hits are, by the order of their sums."""
    same = torch.tensor([[value, 50.0] for value in (49.99999999999999, 50.00000000000001) * 5], dtype=torch.float64)
    scores = torch.cat([same, torch.tensor([[60.0, 50.0], [50.0, 60.0]], dtype=torch.float64)])
    assert average_ranks(scores).tolist() == [1.5, 1.5]
    found = compare_methods(scores, "ab")
    assert found.pairs[0][1:4] == (1, 1, 10)
    assert (found.chi2, found.p) == (0, 1)


def test_each_method_is_paired_with_the_first():
    scores = case(5, 20, 4)
    found = compare_methods(scores, "abcd")
    assert [pair.name for pair in found.pairs] == ["b", "c", "d"]
    for j, pair in enumerate(found.pairs, 1):
        assert pair == compare_methods(scores[:, [0, j]], ["a", pair.name]).pairs[0]


def test_methods_that_are_equal_everywhere_do_not_differ():
    for k in (2, 3):
        found = compare_methods(torch.full((5, k), 0.3), "abc"[:k])
        assert (found.chi2, found.p, found.pairs[0]) == (0, 1, ("b", 0, 0, 5, 1.0))
        assert found.groups() == [tuple(range(k))]
        assert all(math.isfinite(value) for value in found.mean_ranks)


def test_methods_in_the_same_order_everywhere():
    found = compare_methods(torch.tensor([[0.1, 0.2, 0.3]]).repeat(6, 1), "abc")
    assert found.chi2 == pytest.approx(12)
    assert (found.iman_f, found.iman_p) == (math.inf, 0)
    assert found.order() == [2, 1, 0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(10, 90), min_size=2, max_size=8), st.sampled_from([0.05, 1.0, 2.0, 20.0]))
def test_groups_are_the_largest_sets_within_the_critical_difference(tenths, width):
    ranks = tuple(tenth / 10 for tenth in tenths)
    base = compare_methods(torch.rand(3, 2), "ab")
    found = dataclasses.replace(
        base, names=tuple(map(str, range(len(ranks)))), mean_ranks=ranks, critical_difference=width
    ).groups()
    joined = set()
    for first in ranks:  # every largest set starts at one of the ranks
        group = frozenset(j for j, rank in enumerate(ranks) if 0 <= rank - first < width)
        if len(group) > 1:
            joined.add(group)
    assert {frozenset(group) for group in found} == {g for g in joined if not any(g < other for other in joined)}
    assert len(found) == len(set(map(frozenset, found)))


def test_the_sentence_for_two_says_verdict_numbers_and_weakness():
    apart, alike = (compare_methods(duel(*record), ["ours", "theirs"]).sentence() for record in ((27, 6), (17, 16)))
    for part in (
        "ours is better than theirs on 27, worse on 6, equal on 0", "1.182 and 1.818 differ by 0.636",
        "the critical difference 0.3412", "the two differ significantly", "not the independent data sets",
    ):  # fmt: skip
        assert part in apart
    assert "do not differ significantly" in alike
    assert "less than the critical difference" in alike


def test_the_sentence_for_many_names_those_like_the_best():
    text = compare_methods(case(2, 33, 4) + torch.tensor([0.0, 0.0, 0.0, 9.0]), "abcd").sentence()
    assert "d has the best mean rank of 4 methods (1.00)" in text
    assert "d differs significantly from all others" in text
    text = compare_methods(torch.tensor([[3.0, 2.9, 0.1], [3.0, 3.1, 0.2]]).repeat(8, 1), "abc").sentence()
    assert "not told apart from a: b." in text
    assert "Iman-Davenport" in text
    assert "not the independent data sets" in text


@pytest.mark.parametrize(("shape", "names"), [((5, 2), "abc"), ((5, 2), "aa"), ((1, 2), "ab"), ((5, 1), "a")])
def test_a_comparison_that_cannot_be_is_refused(shape, names):
    with pytest.raises(DataError, match="expected"):
        compare_methods(torch.rand(shape), names)


# the bootstrap

PAIRS = {"one": [1.0, 2.0, 4.0], "two": [-1.0], "three": [0.0, 5.0]}


def slow_bootstrap(pairs, count, seed):
    chance, splits = random.Random(seed), list(pairs.values())
    means = []
    for _ in range(count):
        drawn = [chance.choice(splits) for _ in splits]
        means.append(fmean(fmean(chance.choice(seeds) for _ in seeds) for seeds in drawn))
    return means


def test_bootstrap_by_a_slow_loop():
    for level in (0.5, 0.9, 0.95):
        found = bootstrap_difference(PAIRS, resamples=20_000, level=level)
        low, high = np.quantile(slow_bootstrap(PAIRS, 20_000, 1), [(1 - level) / 2, (1 + level) / 2])
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.08)
        assert found.mean == spread(PAIRS)[0]


def test_bootstrap_is_exact_where_all_resamples_can_be_listed():
    # two splits of one seed: means -1, 0, 0, 1 with chance a quarter each
    found = bootstrap_difference({"a": [-1.0], "b": [1.0]}, resamples=20_000, level=0.4)
    assert found == (0, 0, 0)
    found = bootstrap_difference({"a": [-1.0], "b": [1.0]}, resamples=20_000, level=0.6)
    assert found == (0, -1, 1)


@pytest.mark.parametrize(("splits", "seeds"), [(20, 1), (20, 4)])
def test_the_interval_covers_the_truth_as_often_as_it_says(splits, seeds):
    generator = torch.Generator().manual_seed(splits + seeds)
    hits, rounds = 0, 250
    for _ in range(rounds):
        centre = torch.randn(splits, 1, generator=generator, dtype=torch.float64)
        values = 0.7 + centre + 0.5 * torch.randn(splits, seeds, generator=generator, dtype=torch.float64)
        pairs = {str(row): seeds for row, seeds in enumerate(values.tolist())}
        found = bootstrap_difference(pairs, resamples=400, level=0.9)
        hits += found.low <= 0.7 <= found.high
    assert 0.83 <= hits / rounds <= 0.95


def test_bootstrap_is_repeatable_and_moves_with_its_seed():
    values = {"a": [0.11, 0.52, 0.93], "b": [0.24, 0.35, 0.86], "c": [0.17, 0.68, 0.49]}
    state = torch.get_rng_state()
    assert bootstrap_difference(values, seed=3) == bootstrap_difference(values, seed=3)
    assert bootstrap_difference(values, seed=3, resamples=50) != bootstrap_difference(values, seed=4, resamples=50)
    assert torch.equal(state, torch.get_rng_state())


def test_one_split_knows_of_seeds_alone_and_one_value_of_nothing():
    found = bootstrap_difference({"a": [1.0, 2.0, 3.0]})
    assert found.low == pytest.approx(1)
    assert found.high == pytest.approx(3)
    mean, low, high = bootstrap_difference({"a": [0.25]})
    assert (mean, math.isnan(low), math.isnan(high)) == (0.25, True, True)


@pytest.mark.parametrize(("pairs", "options", "error"), [
    ({}, {}, DataError), ({"a": [1.0], "b": []}, {}, DataError), ({"a": [1.0], "b": [math.nan]}, {}, DataError),
    ({"a": [1.0]}, {"level": 1.0}, ConfigError), ({"a": [1.0]}, {"resamples": 0}, ConfigError),
])  # fmt: skip
def test_a_bootstrap_that_cannot_be_is_refused(pairs, options, error):
    with pytest.raises(error):
        bootstrap_difference(pairs, **options)
