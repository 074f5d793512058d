"""Numbers of calibration, chosen where labels are known: penalty and stretch for decisions, the energy for retrieval.

What is chosen has the best mean objective over the given problems: one, the validation clips, or several, the folds of
pseudo-unseen classes. Where several choices are equally good (to 12 digits), the first in the order of the grid is
taken, which begins with the one that changes nothing.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from avgzsl.scores.energy import corrected
from avgzsl.scores.metrics import retrieval
from avgzsl.scores.scoring import SAME_HM, best_penalty

STRETCHES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
SHARES = (0.25, 0.5, 0.75, 1.0)  # and 0
WARMTHS = (0.125, 0.25, 0.5, 1.0, 2.0)  # temperatures over the deviation of a clip's scores


class Problem(NamedTuple):
    """Scores of labelled clips, and which classes were seen in training."""

    scores: Float[Tensor, "n c"]
    labels: Int[Tensor, " n"]
    seen: Bool[Tensor, " c"]


class Stacking(NamedTuple):
    """A penalty and a stretch, and the harmonic mean (a fraction) that they reach together."""

    gamma: float
    stretch: float
    HM: float


class Energy(NamedTuple):
    """The share and the temperature of the energy term."""

    share: float
    temperature: float


def choose_stacking(problems: Sequence[Problem], stretches: Sequence[float] = (0.0,)) -> Stacking:
    """The stretch with the best HM, each problem at its own best penalty, and the mean of these penalties.

    `problems` and `stretches` are at least one. Raises DataError as `scoring.best_penalty`.
    """
    tried = []
    for stretch in stretches:
        best = [best_penalty(*problem, stretch) for problem in problems]
        tried.append(Stacking(fmean(one.gamma for one in best), stretch, fmean(one.HM for one in best)))
    return first_best(tried)


def first_best(tried: Sequence[Stacking]) -> Stacking:
    """The first of those (at least one) whose HM is the best."""
    best = max(one.HM for one in tried)
    return next(one for one in tried if best - SAME_HM <= one.HM)


def choose_energy(problems: Sequence[Problem]) -> Energy:
    """Share and temperature with the best HM of mean average precision over seen and unseen names.

    A temperature is tried as a multiple of the deviation of a problem's scores, and the mean over the problems is given
    back, so that one grid serves cosines and distances alike. `problems` is at least one, each with clips of seen
    and of unseen classes. Raises DataError for scores that are not finite.
    """
    none = fmean(retrieval(*problem).HM for problem in problems)
    grid = [(share, warmth) for share in SHARES for warmth in WARMTHS]
    scales = [deviation(problem.scores, problem.seen) for problem in problems]
    if not all(scales):  # all classes score alike: there is nothing to correct
        return Energy(0.0, 1.0)
    reached = torch.zeros(len(grid), dtype=torch.float64)
    for problem, scale in zip(problems, scales, strict=True):
        reached += _retrieved(problem, [(share, warmth * scale) for share, warmth in grid]) / len(problems)
    best = max(none, float(reached.max()))
    if none >= best - SAME_HM:
        return Energy(0.0, fmean(scales))
    share, warmth = grid[int((reached >= best - SAME_HM).nonzero()[0])]
    return Energy(share, warmth * fmean(scales))


def deviation(scores: Float[Tensor, "n c"], seen: Bool[Tensor, " c"]) -> float:
    """How far the scores of one clip for seen classes lie apart: their standard deviation, mean over clips."""
    return float(scores[:, seen].double().std(1, correction=0).mean())


def _retrieved(problem: Problem, grid: Sequence[tuple[float, float]]) -> Float64[Tensor, " k"]:
    """HM of mean average precision at each share and temperature."""
    scores, labels, seen = problem
    values = [retrieval(corrected(scores, seen, *numbers), labels, seen).HM for numbers in grid]
    return torch.tensor(values, dtype=torch.float64)
