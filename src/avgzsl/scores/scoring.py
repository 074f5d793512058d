"""From scores to decisions: fusion of modalities, calibrated stacking, ranking. Higher is nearer, always.

Calibrated stacking (Chao et al. 2016) takes a penalty gamma off the scores of seen classes. Of all penalties only the
order of gamma and of t = (best seen score) - (best unseen score) matters, so a clip goes to its best seen class iff
t > gamma (in float64), else to its best unseen class; inside a group the lowest class index wins a tie. Every distinct
outcome is thus met by one sort of t: no grid, nothing missed. A penalty is one number, or one for each clip (a clip
that lacks a modality carries the penalty of the one it has).

A stretch b (b > -1, one number or one for each clip) multiplies the scores of seen classes by 1 + b before gamma is
taken off, so t = (1 + b) (best seen score) - (best unseen score). The size of the best seen score then tells how new a
clip is: with b > 0 a clip that is near to no seen class goes to an unseen class sooner, also where scores are negative
distances, for a long distance becomes longer by more. The order inside a group is as before.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from avgzsl.errors import ConfigError, DataError, ModalityError

SAME_HM = 1e-12  # class means that differ by less differ by rounding, not by a clip


class Curve(NamedTuple):
    """Seen and unseen accuracy at every penalty.

    `thresholds` (k) are the distinct t, ascending. Entry j of the accuracies (k + 1, fractions) holds for penalties
    from thresholds[j - 1], included, up to thresholds[j], excluded; the first for -inf, the last for +inf.
    """

    thresholds: Float64[Tensor, " k"]
    seen_accuracy: Float64[Tensor, " k+1"]
    unseen_accuracy: Float64[Tensor, " k+1"]


class Best(NamedTuple):
    """A penalty, and the harmonic mean (a fraction) that it reaches."""

    gamma: float
    HM: float


def fuse(
    audio: Float[Tensor, "n c"] | None,
    video: Float[Tensor, "n c"] | None,
    has_audio: Bool[Tensor, " n"],
    has_video: Bool[Tensor, " n"],
    video_weight: Float[Tensor, "_n _c"] | None = None,
) -> Float[Tensor, "n c"]:
    """(1 - w) audio + w video, w = 1/2 by default (paper §4.2.1); a clip with one modality is scored by that alone.

    w is one a clip (n x 1), one a class (1 x c), or one for all (1 x 1).

    Rows and weights of what a clip lacks are not read. Raises ModalityError for clips with neither modality, and for
    clips marked as having a modality that was not scored.
    """
    for name, scores, has in (("audio", audio, has_audio), ("video", video, has_video)):
        if scores is None and has.any():
            raise ModalityError(
                f"{int(has.sum())} of {len(has)} clips are marked as having {name}, but no {name} scores are given; "
                f"score their {name} too, or mark them as lacking it"
            )
    neither = int((~(has_audio | has_video)).sum())
    if neither:
        raise ModalityError(
            f"{neither} of {len(has_audio)} clips have neither audio nor video; leave them out, or give them features"
        )
    if audio is None or video is None:
        if audio is not None:
            return audio
        if video is not None:
            return video
        raise ModalityError("neither audio nor video scores are given; score at least one modality")
    weight = audio.new_full((1, 1), 0.5) if video_weight is None else video_weight.to(audio)
    alone = torch.where(has_audio[:, None], audio, video)
    return torch.where((has_audio & has_video)[:, None], (1 - weight) * audio + weight * video, alone)


def predict(
    scores: Float[Tensor, "n c"],
    seen: Bool[Tensor, " c"],
    gamma: float | Float[Tensor, " n"] = 0.0,
    stretch: float | Float[Tensor, " n"] = 0.0,
) -> Int[Tensor, " n"]:
    """The class of each clip by calibrated stacking; ties between the groups go to unseen.

    Raises DataError for scores that are not finite, ConfigError for a penalty that is not or a stretch that is not
    above -1.
    """
    best_seen, best_unseen, margin = _margins(scores, seen, stretch)
    return torch.where(margin > _penalty(gamma, scores), best_seen, best_unseen)


def calibrated(
    scores: Float[Tensor, "n c"],
    seen: Bool[Tensor, " c"],
    gamma: float | Float[Tensor, " n"] = 0.0,
    stretch: float | Float[Tensor, " n"] = 0.0,
) -> Float64[Tensor, "n c"]:
    """Scores with those of seen classes stretched, and the penalty taken off them. Raises as `predict`."""
    _require_finite(scores)
    stretched = torch.where(seen, _factor(stretch, scores)[:, None] * scores.double(), scores.double())
    return stretched - _penalty(gamma, scores)[:, None] * seen


def top(
    scores: Float[Tensor, "n c"],
    seen: Bool[Tensor, " c"],
    gamma: float | Float[Tensor, " n"],
    k: int,
    stretch: float | Float[Tensor, " n"] = 0.0,
) -> tuple[Int[Tensor, "n k"], Float64[Tensor, "n k"]]:
    """The k nearest classes of each clip and their calibrated scores, best first; rank 1 is `predict`'s, always.

    Ties go to unseen classes, then to the lowest class index. Raises as `predict`, and ConfigError for a k that is not
    between 1 and the number of classes.
    """
    if not 1 <= k <= len(seen):
        raise ConfigError(f"top {k} of {len(seen)} classes was asked for; give a number from 1 to {len(seen)}")
    values = calibrated(scores, seen, gamma, stretch)
    # s - gamma may round to a tie, or past u, where s - u > gamma did not: the winner is put first by name
    first = predict(scores, seen, gamma, stretch)[:, None]
    by_group = torch.cat([(~seen).nonzero(), seen.nonzero()]).squeeze(1)
    keys = values.scatter(1, first, torch.inf)[:, by_group]
    classes = by_group[keys.sort(dim=1, descending=True, stable=True).indices[:, :k]]
    return classes, values.gather(1, classes)


def sweep(
    scores: Float[Tensor, "n c"],
    labels: Int[Tensor, " n"],
    seen: Bool[Tensor, " c"],
    gamma: float | Float[Tensor, " n"] = 0.0,
    stretch: float | Float[Tensor, " n"] = 0.0,
) -> Curve:
    """Class-mean accuracy of seen and of unseen clips at every penalty on top of `gamma`, from one sort.

    Clips of equal t change sides together. A group without clips has NaN accuracy. Raises as `predict`, and DataError
    for labels that are no class.
    """
    require_labels(labels, len(seen))
    best_seen, best_unseen, margin = _margins(scores, seen, stretch)
    thresholds, place = torch.unique(margin - _penalty(gamma, scores), return_inverse=True)
    of_seen = seen[labels]
    still = len(thresholds) - 1 - place  # counted from the far end, a seen clip too is right from some point on
    seen_accuracy = _right_from(still, best_seen == labels, labels, of_seen, len(thresholds))
    unseen_accuracy = _right_from(place, best_unseen == labels, labels, ~of_seen, len(thresholds))
    return Curve(thresholds, seen_accuracy.flip(0), unseen_accuracy)


def calibrate(scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"], seen: Bool[Tensor, " c"]) -> float:
    """The penalty of `best_penalty` without a stretch. Raises as that."""
    return best_penalty(scores, labels, seen).gamma


def best_penalty(
    scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"], seen: Bool[Tensor, " c"], stretch: float = 0.0
) -> Best:
    """The penalty with the best harmonic mean of seen and unseen class-mean accuracy (paper eq. 13); may be negative.

    It is the middle, in float64, of an interval between neighbouring t, the open ends counting as one further than the
    last t. Of intervals with the same best value (to 12 digits) the middle nearest to 0 is taken, of two equally near
    the lower. Raises as `sweep`, and DataError without seen and unseen classes that have clips.
    """
    require_labels(labels, len(seen))
    of_seen = int(seen[labels].sum())
    if of_seen in (0, len(labels)):
        raise DataError(
            f"calibrating needs labelled clips of both seen and unseen classes; given are {of_seen} clips of "
            f"{int(seen.sum())} seen classes and {len(labels) - of_seen} of {int((~seen).sum())} unseen. Choose the "
            "calibration `none`, or `pseudo-unseen`, which holds out some of the seen classes"
        )
    curve = sweep(scores, labels, seen, stretch=stretch)
    total = curve.seen_accuracy + curve.unseen_accuracy
    means = torch.where(total > 0, 2 * curve.seen_accuracy * curve.unseen_accuracy / total, 0.0)
    middles = _middles(curve.thresholds)
    distance = torch.where(means >= means.max() - SAME_HM, middles.abs(), torch.inf)
    return Best(float(middles[distance.argmin()]), float(means.max()))


def rank(scores: Float[Tensor, "n c"], seed: int = 0) -> Int[Tensor, "n c"]:
    """Column c is the gallery in the order in which the query c finds it, best first.

    Clips of equal score come in the order of one random permutation of the gallery, drawn from `seed` and the same for
    every query: neither the order of files nor that of classes helps. Raises DataError for scores that are not finite.
    """
    _require_finite(scores)
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(scores), generator=generator).to(scores.device)
    columns = scores.T[:, shuffled].contiguous()  # a sort along rows of memory is several times faster
    return shuffled[columns.sort(dim=1, descending=True, stable=True).indices].T


def best_of(scores: Float[Tensor, "n c"], group: Bool[Tensor, " c"]) -> tuple[Int[Tensor, " n"], Float64[Tensor, " n"]]:
    """The best class in `group` for each clip (lowest index on ties) and its score; class 0 and -inf if it is empty."""
    value, index = scores.masked_fill(~group, -torch.inf).max(dim=1)
    return index, value.double()


def require_labels(labels: Int[Tensor, " n"], n_classes: int) -> None:
    """Raises DataError unless each label is the index of a class."""
    wrong = labels[(labels < 0) | (labels >= n_classes)]
    if len(wrong):
        raise DataError(
            f"{len(wrong)} of {len(labels)} labels are no class, the first is {int(wrong[0])}; "
            f"expected 0 to {n_classes - 1} for {n_classes} classes"
        )


def _margins(
    scores: Float[Tensor, "n c"], seen: Bool[Tensor, " c"], stretch: float | Float[Tensor, " n"]
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"], Float64[Tensor, " n"]]:
    """Best seen class, best unseen class, and the stretched seen one's lead (infinite where a group is empty)."""
    if not len(seen):
        raise DataError("there are no classes to choose from; give at least one")
    _require_finite(scores)
    best_seen, seen_score = best_of(scores, seen)
    best_unseen, unseen_score = best_of(scores, ~seen)
    return best_seen, best_unseen, _factor(stretch, scores) * seen_score - unseen_score


def _right_from(
    place: Int[Tensor, " n"], right: Bool[Tensor, " n"], labels: Int[Tensor, " n"], group: Bool[Tensor, " n"], k: int
) -> Float64[Tensor, " {k}+1"]:
    """Class-mean accuracy over the clips in `group` at 0..k, a right clip counting at every point after its place.

    Summed from counts, class by class, not as a running sum: equal counts then give equal bits, and no error grows.
    """
    own, order = labels[group].sort()
    sizes = torch.unique_consecutive(own, return_counts=True)[1].tolist()  # one read from a GPU, not one a class
    total = torch.zeros(k + 1, dtype=torch.float64, device=labels.device)
    for places, rights in zip(place[group][order].split(sizes), right[group][order].long().split(sizes), strict=True):
        correct = torch.zeros_like(total[1:], dtype=torch.int64).index_add_(0, places, rights).cumsum(0)
        total[1:] += correct.double() / len(places)  # an integer tensor over a number would be float32
    return total / len(sizes) if sizes else total.fill_(torch.nan)


def _middles(thresholds: Float64[Tensor, " k"]) -> Float64[Tensor, " k+1"]:
    """One penalty inside each interval of a curve."""
    low, high = thresholds[:-1], thresholds[1:]
    inner = (low + high) / 2
    # between neighbouring floats the middle rounds to an end, and only the lower one belongs to the interval
    inner = torch.where(inner < high, inner, low)
    first = torch.minimum(thresholds[:1] - 1, torch.nextafter(thresholds[:1], thresholds.new_tensor(-torch.inf)))
    return torch.cat([first, inner, thresholds[-1:] + 1])


def _penalty(gamma: float | Float[Tensor, " n"], scores: Float[Tensor, "n c"]) -> Float64[Tensor, " _m"]:
    """The penalty in float64, one number (m = 1) or one per clip (m = n)."""
    penalty = torch.as_tensor(gamma, dtype=torch.float64, device=scores.device).reshape(-1)
    if not torch.isfinite(penalty).all():
        raise ConfigError(f"the seen-class penalty gamma must be finite; given {gamma}")
    return penalty


def _factor(stretch: float | Float[Tensor, " n"], scores: Float[Tensor, "n c"]) -> Float64[Tensor, " _m"]:
    """1 + stretch in float64, one number (m = 1) or one per clip (m = n)."""
    factor = 1 + torch.as_tensor(stretch, dtype=torch.float64, device=scores.device).reshape(-1)
    if not bool((torch.isfinite(factor) & (factor > 0)).all()):
        raise ConfigError(f"the stretch of seen scores must be finite and above -1; given {stretch}")
    return factor


def _require_finite(scores: Float[Tensor, "n c"]) -> None:
    finite = torch.isfinite(scores)
    if not finite.all():
        clips = int((~finite.all(dim=1)).sum())
        raise DataError(
            f"{int((~finite).sum())} of {scores.numel()} scores are not finite, in {clips} of {len(scores)} clips; "
            "look for NaN or infinity in the features of those clips, or for a training that diverged"
        )
