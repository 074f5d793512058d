"""The numbers of the task, pure, from scores (n clips x c classes, higher is nearer). All are fractions, not per cent.

S and U are means over classes, of accuracy or of average precision, over the seen and the unseen classes that have
clips (Xian et al. 2018); HM is their harmonic mean (paper eq. 13). A group without clips gives NaN, never 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from avgzsl.errors import DataError
from avgzsl.scores.scoring import Curve, best_of, predict, rank, require_labels, sweep


@dataclass(frozen=True, eq=False)
class Classification:
    """Generalized zero-shot classification: S, U, HM; ZSL (unseen clips among unseen classes); AUSUC; accuracies."""

    S: float
    U: float
    HM: float
    ZSL: float
    AUSUC: float
    per_class: Float64[Tensor, " c"]


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Retrieval by class name: mean average precision S and U, their HM, and the average precision of each class."""

    S: float
    U: float
    HM: float
    per_class: Float64[Tensor, " c"]


def class_accuracy(predictions: Int[Tensor, " n"], labels: Int[Tensor, " n"], n_classes: int) -> Float64[Tensor, " _c"]:
    """Fraction of each class's clips that are right; NaN for a class without clips. Raises DataError for bad labels."""
    require_labels(labels, n_classes)
    right = torch.bincount(labels[predictions == labels], minlength=n_classes)
    return right.double() / torch.bincount(labels, minlength=n_classes)


def harmonic_mean(s: float, u: float) -> float:
    """2su / (s + u) (paper eq. 13); 0 if both are 0, NaN if either is NaN."""
    return 0.0 if s == 0 == u else 2 * s * u / (s + u)


def classification(
    scores: Float[Tensor, "n c"],
    labels: Int[Tensor, " n"],
    seen: Bool[Tensor, " c"],
    gamma: float | Float[Tensor, " n"] = 0.0,
    stretch: float | Float[Tensor, " n"] = 0.0,
) -> Classification:
    """Accuracies with all classes as candidates, the seen ones stretched and `gamma` off them; ZSL and AUSUC beside.

    Raises DataError for scores that are not finite or labels that are no class, ConfigError for a bad penalty.
    """
    per_class = class_accuracy(predict(scores, seen, gamma, stretch), labels, len(seen))
    s, u = group_means(per_class, seen)
    _, zsl = group_means(class_accuracy(best_of(scores, ~seen)[0], labels, len(seen)), seen)
    return Classification(s, u, harmonic_mean(s, u), zsl, ausuc(sweep(scores, labels, seen, gamma, stretch)), per_class)


def ausuc(curve: Curve) -> float:
    """Area under seen accuracy as a function of unseen accuracy, by trapezoids (Chao et al. 2016); NaN if one is."""
    if curve.seen_accuracy.isnan().any() or curve.unseen_accuracy.isnan().any():
        return float("nan")  # also of a curve of one point, whose area would be 0
    return float(torch.trapezoid(curve.seen_accuracy, curve.unseen_accuracy))


def average_precision(scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"], seed: int = 0) -> Float64[Tensor, " c"]:
    """Average precision, not interpolated, of each class as a query over all clips; NaN for a class without clips.

    The mean over a class's clips of the precision at their rank; ties are ranked by `rank`'s rule. Negative scores are
    scores like any other. Raises DataError for scores that are not finite or labels that are no class.
    """
    n_classes = scores.shape[1]
    require_labels(labels, n_classes)
    classes = torch.arange(n_classes, device=labels.device)
    return ranked_precision(labels[rank(scores, seed).T] == classes[:, None])


def ranked_precision(relevant: Bool[Tensor, "c n"]) -> Float64[Tensor, " c"]:
    """Average precision of each query whose clips, best first, are `relevant` or not; NaN where none is."""
    query, position = relevant.nonzero(as_tuple=True)  # by query, then by rank
    sizes = relevant.sum(1)
    earlier = torch.arange(len(query), device=relevant.device) - (sizes.cumsum(0) - sizes)[query]
    precision = (earlier + 1).double() / (position + 1)
    # each query's sum in the order of its clips, on a GPU, too, where `index_add` sums in any order
    return torch.segment_reduce(precision, "sum", lengths=sizes) / sizes


def retrieval(
    scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"], seen: Bool[Tensor, " c"], seed: int = 0
) -> Retrieval:
    """Mean average precision over the whole gallery, without any penalty. Raises as `average_precision`."""
    per_class = average_precision(scores, labels, seed)
    s, u = group_means(per_class, seen)
    return Retrieval(s, u, harmonic_mean(s, u), per_class)


def spread(values: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Mean and standard deviation of a number over class splits, each the mean over its seeds.

    Seeds of one split share their classes, so they are averaged before the deviation (n - 1 in the denominator) is
    taken; with a single split there is none, and it is NaN. Raises DataError for no split, or a split without a value.
    """
    empty = [split for split, seeds in values.items() if not len(seeds)]
    if empty or not values:
        raise DataError(f"no value for {'any class split' if not values else ', '.join(empty)}; give at least one seed")
    means = torch.tensor([fmean(seeds) for seeds in values.values()], dtype=torch.float64)
    return float(means.mean()), float(means.std()) if len(means) > 1 else float("nan")


def group_means(per_class: Float64[Tensor, " c"], seen: Bool[Tensor, " c"]) -> tuple[float, float]:
    """Means over seen and over unseen classes, of those that have clips."""
    return float(per_class[seen].nanmean()), float(per_class[~seen].nanmean())
