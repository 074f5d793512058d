"""Whether methods differ by more than chance: ranks over classes (Demsar 2006), and a bootstrap over splits and seeds.

The paper (section 7, Figure 7) takes the classes of one test set for the data sets of Demsar's tests. They share
training, test set and backbone, so they are not independent, and p-values come out smaller than they should:
`Comparison.sentence` says so each time.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from avgzsl.errors import ConfigError, DataError
from avgzsl.scores.metrics import spread

SAME = 12  # decimals: scores, and differences, that agree in so many differ by rounding, not by a clip


class Pair(NamedTuple):
    """The first method against another one: on how many classes it is better, worse, equal; Wilcoxon's p."""

    name: str
    wins: int
    losses: int
    ties: int
    wilcoxon_p: float


class Interval(NamedTuple):
    """A mean and the ends of its confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RankComparison:
    """k methods on n classes: mean ranks (1 is best), Friedman and Iman-Davenport tests, Nemenyi's critical difference.

    `units` are what the methods are ranked on: classes, or class splits. `iman_f` and `iman_p` are None for two
    methods. `pairs` holds the first method against each other one; their p are
    not corrected for the number of pairs.
    """

    names: tuple[str, ...]
    n: int
    alpha: float
    mean_ranks: tuple[float, ...]
    chi2: float
    p: float
    iman_f: float | None
    iman_p: float | None
    critical_difference: float
    pairs: tuple[Pair, ...]
    units: str = "classes"

    @property
    def k(self) -> int:
        """The number of methods."""
        return len(self.names)

    def order(self) -> list[int]:
        """Methods from the best mean rank to the worst, those of equal rank as they were given."""
        return sorted(range(self.k), key=lambda place: self.mean_ranks[place])

    def groups(self) -> list[tuple[int, ...]]:
        """The largest sets of two or more methods, best first, whose mean ranks lie within the critical difference."""
        order = self.order()
        groups: list[tuple[int, ...]] = []
        for place, best in enumerate(order):
            near = [m for m in order[place:] if self.mean_ranks[m] - self.mean_ranks[best] < self.critical_difference]
            if len(near) > 1 and not (groups and set(near) <= set(groups[-1])):
                groups.append(tuple(near))
        return groups

    def sentence(self) -> str:
        """The result in plain words, with the weakness of the test."""
        ranks = _two_methods(self) if self.k == 2 else _many_methods(self)
        return f"{ranks} {self.weakness()}: the p-values are too optimistic."

    def weakness(self) -> str:
        """Why the units are not the independent data sets that these tests assume."""
        shared = "come from one test set and one training" if self.units == "classes" else "share their clips"
        return f"The {self.n} {self.units} {shared}, so they are not the independent data sets that these tests assume"


def average_ranks(scores: Float[Tensor, "n k"]) -> Float64[Tensor, " k"]:
    """Mean over the n classes of each method's rank: 1 for the highest score, tied methods share the mean of theirs.

    Raises DataError for NaN or infinity: leave such classes out, for all methods.
    """
    return _ranks(scores).mean(0)


def critical_difference(k: int, n: int, alpha: float = 0.05) -> float:
    """Nemenyi: mean ranks of k methods over n classes differ at level alpha if by this much (Demsar 2006).

    q_alpha sqrt(k(k+1) / 6n), q_alpha being the studentized range with infinite degrees of freedom over sqrt(2). Raises
    ConfigError for a level outside (0, 1), DataError for fewer than two methods or no class.
    """
    from scipy import stats  # type: ignore[import-untyped,unused-ignore]

    _require_open("alpha", alpha)
    if k < 2 or n < 1:
        raise DataError(f"{k} methods on {n} classes cannot be compared; expected at least two methods and one class")
    quantile = float(stats.studentized_range.ppf(1 - alpha, k, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(k * (k + 1) / (6 * n))


def cannot_compare(n: int, k: int, units: str = "classes", alpha: float = 0.05) -> str | None:
    """Why k methods cannot be told apart on n units, whatever their scores; None where they can."""
    if k < 2:
        return f"{k} method{'' if k == 1 else 's'} cannot be ranked; it takes two"
    if n < 2:
        return f"{'one' if n else 'none'} of the {units} cannot rank methods; it takes two"
    difference = critical_difference(k, n, alpha)
    if difference > k - 1:
        return (
            f"{n} {units} cannot tell {k} methods apart: mean ranks would have to differ by {difference:.1f}, and the "
            f"best and the worst are at most {k - 1} apart"
        )
    return None


def compare_methods(
    scores: Float[Tensor, "n k"], names: Sequence[str], alpha: float = 0.05, units: str = "classes"
) -> RankComparison:
    """Compare methods over classes, or other `units`, by ranks (Demsar 2006); higher scores are better.

    Raises DataError for NaN or infinity, fewer than two classes or methods, or names that are not one for each method,
    all different; ConfigError for a level outside (0, 1).
    """
    n, k = scores.shape
    if len(names) != k or len(set(names)) != k:
        raise DataError(f"{k} columns of scores are named {', '.join(names)}; expected one different name for each")
    if n < 2 or k < 2:
        raise DataError(f"{k} methods on {n} classes cannot be compared; expected at least two of each")
    from scipy import stats

    difference = critical_difference(k, n, alpha)
    chi2 = _friedman(_ranks(scores))
    remainder = n * (k - 1) - chi2  # 0 when all classes order the methods alike
    iman = None if k == 2 else (n - 1) * chi2 / remainder if remainder > 1e-9 else math.inf
    return RankComparison(
        names=tuple(names),
        n=n,
        alpha=alpha,
        mean_ranks=tuple(average_ranks(scores).tolist()),
        chi2=chi2,
        p=float(stats.chi2.sf(chi2, k - 1)),
        iman_f=iman,
        iman_p=None if iman is None else float(stats.f.sf(iman, k - 1, (k - 1) * (n - 1))),
        critical_difference=difference,
        pairs=tuple(_pair(name, scores[:, 0], scores[:, j]) for j, name in enumerate(names) if j),
        units=units,
    )


def bootstrap_difference(
    pairs: Mapping[str, Sequence[float]], seed: int = 0, resamples: int = 10_000, level: float = 0.95
) -> Interval:
    """Mean difference of two methods and its percentile interval, by a hierarchical bootstrap (Davison, Hinkley 1997).

    `pairs` holds, for each class split, the differences of the two methods under the same seeds. Splits are drawn with
    replacement, then seeds within each drawn one; the mean is `metrics.spread`'s, over splits of means over seeds.
    With few splits the interval is too narrow: in simulation, of normal differences with 3 splits, one of 95 % held the
    true mean in 76 % of cases, with 10 in 92 %. With one split it knows of seeds alone; with a single value there is
    none, and its ends are NaN. Raises DataError for no value, or one that is not finite, and ConfigError for a
    level outside (0, 1) or no resample.
    """
    _require_open("level", level)
    if resamples < 1:
        raise ConfigError(f"{resamples} resamples were asked for; give at least 1")
    mean, _ = spread(pairs)
    if not math.isfinite(mean):
        raise DataError(f"the differences of {_not_finite(pairs)} are not all finite; leave out what was not measured")
    if sum(map(len, pairs.values())) == 1:
        return Interval(mean, math.nan, math.nan)
    means = _resampled(pairs, resamples, torch.Generator().manual_seed(seed))
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.quantile(means, ends).tolist()
    return Interval(mean, low, high)


def _ranks(scores: Float[Tensor, "n k"]) -> Float64[Tensor, "n k"]:
    broken = int((~scores.isfinite()).any(1).sum())
    if broken:
        raise DataError(f"{broken} of {len(scores)} classes have a score that is not finite; drop these classes first")
    rounded = scores.double().round(decimals=SAME)
    own, others = rounded[:, :, None], rounded[:, None, :]
    return (others > own).sum(2).double() + (1 + (others == own).sum(2)).double() / 2


def _friedman(ranks: Float64[Tensor, "n k"]) -> float:
    """Friedman's chi-square: 12n / (k(k+1)) (sum of squared mean ranks - k(k+1)²/4), over 1 when no two methods tie.

    With ties it is divided by 1 - sum(t³ - t) / (n(k³ - k)), t the sizes of tied sets, as scipy and R do. That factor
    is the share of the variance of untied ranks, k(k²-1)/12 a class, that is left; so one quotient serves both cases.
    """
    n, k = ranks.shape
    centre = (k + 1) / 2
    within = float((ranks - centre).square().sum())
    between = n * n * float((ranks.mean(0) - centre).square().sum())
    return (k - 1) * between / within if within else 0.0  # all methods tie on every class: no sign of a difference


def _pair(name: str, first: Float[Tensor, " n"], second: Float[Tensor, " n"]) -> Pair:
    """Wins, losses, ties and the two-sided signed-rank test (Wilcoxon 1945), which leaves out ties."""
    from scipy import stats

    difference = (first.double() - second.double()).round(decimals=SAME).numpy(force=True)
    wins, losses, ties = (int(x.sum()) for x in (difference > 0, difference < 0, difference == 0))
    p = float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0
    return Pair(name, wins, losses, ties, p)


def _resampled(pairs: Mapping[str, Sequence[float]], count: int, generator: torch.Generator) -> Float64[Tensor, " r"]:
    """`count` means of splits and, within these, of seeds that are drawn with replacement."""
    sizes = torch.tensor([len(values) for values in pairs.values()])
    padded = torch.zeros(len(pairs), int(sizes.max()), dtype=torch.float64)
    for row, values in zip(padded, pairs.values(), strict=True):
        row[: len(values)] = torch.tensor(values, dtype=torch.float64)
    split = torch.randint(len(pairs), (count, len(pairs)), generator=generator)
    size = sizes[split][..., None]
    uniform = torch.rand(*split.shape, padded.shape[1], generator=generator, dtype=torch.float64)
    drawn = padded[split].gather(2, (uniform * size).long())
    used = torch.arange(padded.shape[1]) < size
    return ((drawn * used).sum(2) / size.squeeze(2)).mean(1)


def _not_finite(pairs: Mapping[str, Sequence[float]]) -> str:
    return ", ".join(split for split, values in pairs.items() if not math.isfinite(fmean(values)))


def _require_open(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"{name} must lie between 0 and 1, ends excluded; given {value}")


def _two_methods(result: RankComparison) -> str:
    first, second = result.names
    pair = result.pairs[0]
    gap = abs(result.mean_ranks[0] - result.mean_ranks[1])
    differ = gap >= result.critical_difference
    return (
        f"Of {result.n} {result.units}, {first} is better than {second} on {pair.wins}, worse on {pair.losses}, equal "
        f"on {pair.ties}. The mean ranks {result.mean_ranks[0]:.3f} and {result.mean_ranks[1]:.3f} differ by {gap:.3f}"
        f", {'at least' if differ else 'less than'} the critical difference {result.critical_difference:.4f}: the two "
        f"{'differ' if differ else 'do not differ'} significantly at the level {result.alpha:g} (Nemenyi; Friedman "
        f"chi2 {result.chi2:.2f}, {_p(result.p)}; Wilcoxon {_p(pair.wilcoxon_p)})."
    )


def _many_methods(result: RankComparison) -> str:
    order = result.order()
    best, worst = order[0], order[-1]
    with_best = [group for group in result.groups() if group[0] == best]
    unlike = f"{result.names[best]} differs significantly from all others"
    if with_best:
        unlike = f"not told apart from {result.names[best]}: {', '.join(result.names[m] for m in with_best[0][1:])}"
    return (
        f"Over {result.n} {result.units}, {result.names[best]} has the best mean rank of {result.k} methods "
        f"({result.mean_ranks[best]:.2f}) and {result.names[worst]} the worst ({result.mean_ranks[worst]:.2f}). Were "
        f"all equal, such ranks would have {_p(result.p)} (Friedman, chi2 {result.chi2:.2f}) and {_p(result.iman_p)} "
        f"(Iman-Davenport, F {result.iman_f:.2f}). Mean ranks differ significantly at the level {result.alpha:g} "
        f"from a difference of {result.critical_difference:.2f} on (Nemenyi); {unlike}."
    )


def _p(value: float | None) -> str:
    if value is None:
        return "no p"
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.4f}"
