"""The numbers of the task where a clip may have several right labels, pure; `carried[i, c]`: clip i has class c.

The decision is that of one label: calibrated stacking over all classes, one answer a clip. With Y_i the classes of clip
i and y_i the answer, over the n clips that have a class:

    acc_c = the share of the clips of c whose y_i is in Y_i and of c's group, seen or unseen
    S, U  = means of acc_c over the seen and over the unseen classes that have clips; HM their harmonic mean
    ZSL   = U with only unseen classes as candidates
    hit   = the share of clips with y_i in Y_i                 (hit_rate@1 of VGGSounder, Zverev et al. 2025)
    F1    = mean over classes of 2 TP / (2 TP + FP + FN)       (its f1_macro@1, over the classes that have clips)

With one label a clip, S, U, HM and ZSL are those of `scores.metrics`. The group matters: most clips of VGGSound's
unseen classes have a seen class, too, and an answer with that, always, would make a U of 65 % without one unseen name
(AVCA's main_split, labels of VGGSounder 1.0). So an answer to a clip of both groups counts for S or for U, never for
both; for hit it counts either way. All are fractions; a group without clips gives NaN.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from avgzsl.scores.metrics import Retrieval, group_means, harmonic_mean, ranked_precision
from avgzsl.scores.scoring import best_of, predict, rank


@dataclass(frozen=True, eq=False)
class MultiLabel:
    """Generalized zero-shot classification by clips of several classes: formulas above; `per_class` has acc_c."""

    S: float
    U: float
    HM: float
    ZSL: float
    hit: float
    F1: float
    per_class: Float64[Tensor, " c"]


def multi_label_classification(
    scores: Float[Tensor, "n c"],
    carried: Bool[Tensor, "n c"],
    seen: Bool[Tensor, " c"],
    gamma: float | Float[Tensor, " n"] = 0.0,
    stretch: float | Float[Tensor, " n"] = 0.0,
) -> MultiLabel:
    """All candidates, the seen ones stretched and `gamma` off them; clips without a class count nowhere.

    Raises DataError for scores that are not finite, ConfigError for a bad penalty.
    """
    answers = predict(scores, seen, gamma, stretch)
    per_class = carried_accuracy(answers, carried, seen)
    s, u = group_means(per_class, seen)
    _, zsl = group_means(carried_accuracy(best_of(scores, ~seen)[0], carried, seen), seen)
    labelled = carried.any(1)
    hit = float(_hits(answers, carried)[labelled].double().mean())
    f1 = float(class_f1(answers[labelled], carried[labelled]).nanmean())
    return MultiLabel(s, u, harmonic_mean(s, u), zsl, hit, f1, per_class)


def multi_label_retrieval(
    scores: Float[Tensor, "n c"], carried: Bool[Tensor, "n c"], seen: Bool[Tensor, " c"], seed: int = 0
) -> Retrieval:
    """Mean average precision of class names over the clips that have a class, each right for all of its classes.

    Over all classes this is VGGSounder's auc_pr, but that ties are ranked by `rank`'s rule. Raises DataError for scores
    that are not finite.
    """
    labelled = carried.any(1)
    order = rank(scores[labelled], seed)
    per_class = ranked_precision(carried[labelled].gather(0, order).T)
    s, u = group_means(per_class, seen)
    return Retrieval(s, u, harmonic_mean(s, u), per_class)


def carried_accuracy(
    answers: Int[Tensor, " n"], carried: Bool[Tensor, "n c"], seen: Bool[Tensor, " c"]
) -> Float64[Tensor, " c"]:
    """acc_c of each class for one answer a clip; NaN for a class without clips."""
    right = _hits(answers, carried)[:, None] & (seen[answers][:, None] == seen)
    return (carried & right).sum(0).double() / carried.sum(0)


def class_f1(answers: Int[Tensor, " n"], carried: Bool[Tensor, "n c"]) -> Float64[Tensor, " c"]:
    """2 TP / (2 TP + FP + FN) of each class for one answer a clip; NaN for a class without clips."""
    n_classes, sizes = carried.shape[1], carried.sum(0)
    found = torch.bincount(answers[_hits(answers, carried)], minlength=n_classes)
    given = torch.bincount(answers, minlength=n_classes)
    return torch.where(sizes > 0, 2 * found.double() / (given + sizes), torch.nan)


def _hits(answers: Int[Tensor, " n"], carried: Bool[Tensor, "n c"]) -> Bool[Tensor, " n"]:
    return carried.gather(1, answers[:, None]).squeeze(1)
