"""Evidence and lines, against slow sums and simulated archives."""

import math
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from avgzsl.errors import DataError
from avgzsl.scores.evidence import (
    NEAR_MISSES,
    TAGGER_LINES,
    Z_LINES,
    Lines,
    choose_found,
    choose_share,
    expected_largest,
    first_evidence,
    likely,
    z_evidence,
)


def test_evidence_is_the_distance_from_the_banks_mean_in_its_deviations():
    bank = [0.3, -0.1, 0.25, 0.4]
    mean, deviation = statistics.fmean(bank), statistics.stdev(bank)
    found = z_evidence(torch.tensor([0.9, 0.1]), torch.tensor(bank))
    assert found.tolist() == pytest.approx([(0.9 - mean) / deviation, (0.1 - mean) / deviation], abs=1e-6)
    with pytest.raises(DataError, match="nothing to hold it against"):
        z_evidence(torch.tensor([1.0]), torch.full((200,), 0.5))


@pytest.mark.parametrize(("scale", "offset"), [(3.0, 0.0), (0.01, -7.0)])
def test_evidence_minds_neither_scale_nor_offset_of_scores(scale, offset):
    g = torch.Generator().manual_seed(0)
    scores, bank = torch.randn(5, generator=g).double(), torch.randn(300, generator=g).double()
    assert z_evidence(scale * scores + offset, scale * bank + offset).tolist() == pytest.approx(
        z_evidence(scores, bank).tolist(), abs=1e-9
    )


def test_first_hits_one_by_one():
    rng = np.random.default_rng(0)
    scores, bank = rng.normal(size=(30, 7)), rng.normal(size=(30, 150)) * rng.uniform(0.5, 2, (30, 1))
    expected = []
    for q in range(7):
        clip = max(range(30), key=lambda c: scores[c][q])
        expected.append((scores[clip][q] - statistics.fmean(bank[clip])) / statistics.stdev(bank[clip]))
    assert first_evidence(torch.from_numpy(scores), torch.from_numpy(bank)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("n", [1, 2, 5, 30, 276, 3000])
def test_the_expected_largest_of_normal_numbers(n):
    """By integration of x times the density of the largest."""
    x = np.linspace(-8, 8, 40_001)
    below = 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    density = n * below ** (n - 1) * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    assert expected_largest(n) == pytest.approx(np.trapezoid(x * density, x), abs=0.03)


def test_lines_rise_with_the_archive_as_they_were_measured():
    assert TAGGER_LINES.at(276).found == pytest.approx(0.35)
    assert TAGGER_LINES.at(1344).found == pytest.approx(0.43, abs=0.005)
    assert TAGGER_LINES.at(2).found == TAGGER_LINES.least == 0.2
    founds = [Z_LINES.at(n).found for n in (1, 10, 276, 1344, 100_000, 10_000_000)]
    assert founds == sorted(founds) and founds[2] == pytest.approx(Z_LINES.found)
    assert Z_LINES.at(5).at(276).found == pytest.approx(Z_LINES.found)


def test_a_first_hit_of_nothing_passes_a_line_as_rarely_in_a_large_archive_as_in_a_small_one():
    """Phrases with offsets of their own, and noise from clip to clip: the line that refuses 90 % keeps doing so."""
    rng = np.random.default_rng(1)

    def first(n: int) -> np.ndarray:
        return rng.normal(0, 0.8, 4000) + 0.3 * rng.normal(size=(4000, n)).max(1)

    line = Lines(float(np.quantile(first(50), 0.9)), share=0.8, growth=0.3, least=0.0, clips=50)
    assert np.mean(first(2000) < line.at(2000).found) == pytest.approx(0.9, abs=0.02)
    assert np.mean(first(2000) < line.found) < 0.86  # the line of the small archive would not


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([3.0, 2.5, 2.3, 1.0], [True, True, False, False]),  # 0.8 of the first
        ([2.4, 2.39, 2.3], [False, False, False]),  # the first is below the line, so none
        ([2.5], [True]),
        ([], []),
        ([20.0, 15.9, 16.1], [True, False, True]),
    ],
)
def test_no_hit_is_likely_where_the_first_is_not(evidence, expected):
    assert likely(torch.tensor(evidence), Z_LINES).tolist() == expected


def test_the_least_evidence_holds_for_every_hit_but_not_against_the_first():
    lines = Lines(found=0.3, share=0.5, growth=0.0, least=0.25)
    assert likely(torch.tensor([0.4, 0.24, 0.26]), lines).tolist() == [True, False, True]


@given(st.lists(st.floats(-3, 10), min_size=1, max_size=30))
def test_likely_hits_come_first(values):
    found = likely(torch.tensor(sorted(values, reverse=True)), Z_LINES).tolist()
    assert found == sorted(found, reverse=True)


def balance(line, present, absent, near):
    kept, refused = np.mean(np.array(present) >= line), np.mean(np.array(absent) < line)
    return kept + (1 - NEAR_MISSES) * refused + NEAR_MISSES * np.mean(np.array(near) < line)


@pytest.mark.parametrize("seed", range(5))
def test_the_line_found_is_as_good_as_any_on_a_fine_grid(seed):
    rng = np.random.default_rng(seed)
    present, absent, near = rng.normal(4, 1.5, 20), rng.normal(0.5, 1, 100), rng.normal(2, 1, 15)
    line = choose_found(*map(torch.from_numpy, (present, absent, near)))
    best = max(balance(grid, present, absent, near) for grid in np.linspace(-3, 10, 5000))
    assert balance(line, present, absent, near) >= best - 1e-9
    without = choose_found(torch.from_numpy(present), torch.from_numpy(absent))
    assert without <= line  # near misses can only lift it


def test_near_misses_count_a_quarter_of_what_is_not_there():
    """A line at 9 loses a fifth of the names: worth it for half of the absent phrases, or for all near misses."""

    def line(absent_above: int, near_above: int) -> float:
        absent, near = ([3.0] * above + [0.5] * (4 - above) for above in (absent_above, near_above))
        return choose_found(*map(torch.tensor, ([1.0] + [9.0] * 4, absent, near)))

    assert [line(1, 0), line(2, 0), line(0, 3), line(0, 4)] == [0.75, 6.0, 0.75, 6.0]  # gains .19, .38, .19 and .25


def test_what_cannot_be_chosen_from_is_refused():
    with pytest.raises(DataError, match="given 0 and 2"):
        choose_found(torch.zeros(0), torch.zeros(2))
    with pytest.raises(DataError, match="none was given"):
        choose_share([])


def test_the_share_is_that_of_the_best_mean_f1():
    rng = np.random.default_rng(3)
    phrases = []
    for _ in range(6):
        right = rng.random(40) < 0.3
        phrases.append((rng.normal(1, 0.6, 40) + 2.5 * right + 1, right))
    share = choose_share([(torch.from_numpy(e), torch.from_numpy(r)) for e, r in phrases])

    def mean_f1(t: float) -> float:
        return statistics.fmean(f1_score(right, evidence >= t * evidence.max()) for evidence, right in phrases)

    assert mean_f1(share) == pytest.approx(max(mean_f1(i / 20) for i in range(1, 20)))
    assert 0.3 < share < 0.9
