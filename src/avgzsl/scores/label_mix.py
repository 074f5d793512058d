"""Search by the labels of taggers: a clip is its K probabilities, a phrase is weights over the K labels.

For network m and label l, with c the greatest cosine between a phrase's vector and those of the parts of l's name:

    w_m(l|q) = softmax over labels of 30 c_m(q,l)
    kappa_m(q) = max over l of c_m(q,l), within [0.05, 1]
    S(q,clip) = sum_m kappa_m^2 sum_l w_m(l|q) sqrt(p_m(l)) / sum_m kappa_m^2

over the modalities that the clip has; S is within 0 and 1. The rule is this project's own; its numbers were chosen on
the clips that benchmarks/labels.py measures, and lie on wide plateaus. ConSE (Norouzi et al. 2014), which compares a
phrase with the mean vector of the labels, finds much less there.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Part = TypeVar("Part", bound=str)  # a modality
SHARPNESS = 30.0
"""Of the softmax over labels."""
KAPPA_RANGE = (0.05, 1.0)
"""How far the labels can be trusted with a phrase: from hardly to fully."""
FOUND = 0.35
"""A phrase whose first hit has this S is there; a line for some hundred clips, it rises with their number."""
PERHAPS = 0.2
"""A first hit under this says that nothing fits."""
FEW_LABELS = 0.6
"""Where kappa is under this in every modality, few labels fit the phrase, and little can be said of it."""


class LabelWeights(NamedTuple):
    """Phrases as weights over labels, rows of sum 1, and how well the best label fits."""

    weights: Float[Tensor, "q k"]
    kappa: Float[Tensor, " q"]


class Because(NamedTuple):
    """A label, the modality whose network has it, and what it adds to a score or weighs in a phrase."""

    label: str
    modality: str
    amount: float


def label_weights(
    phrases: Float[Tensor, "q t"], parts: Float[Tensor, "p t"], part_of: Int[Tensor, " p"], count: int | None = None
) -> LabelWeights:
    """The weights of phrases over the labels whose parts are given; `part_of` is the position of each part's label.

    All rows have unit length. `count` is the number of labels, K, if it is not that of the last part's label; a label
    without a part has no weight. One part is the least.
    """
    labels = int(part_of.max()) + 1 if count is None else count
    lowest = phrases.new_full((len(phrases), labels), -torch.inf)
    nearest = lowest.scatter_reduce(1, part_of.expand(len(phrases), -1), phrases @ parts.T, "amax")
    return LabelWeights((SHARPNESS * nearest).softmax(1), nearest.amax(1).clamp(*KAPPA_RANGE))


def clip_roots(probabilities: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """What is kept of a clip: the square roots of its probabilities, so that a label's small ones count, too."""
    return probabilities.clamp_min(0).sqrt()


def clip_scores(roots: Float[Tensor, "n k"], weights: Float[Tensor, "q k"]) -> Float[Tensor, "n q"]:
    """sum_l w(l|q) sqrt(p(l)), one modality."""
    return roots @ weights.T


def video_share(audio_kappa: Float[Tensor, " q"], video_kappa: Float[Tensor, " q"]) -> Float[Tensor, " q"]:
    """The weight of video in the score of a clip that has both: kappa_v^2 / (kappa_a^2 + kappa_v^2)."""
    return video_kappa.square() / (audio_kappa.square() + video_kappa.square())


def fused_scores(
    audio: Float[Tensor, "n q"],
    video: Float[Tensor, "n q"],
    has_audio: Bool[Tensor, " n"],
    has_video: Bool[Tensor, " n"],
    share: Float[Tensor, " q"],
) -> Float[Tensor, "n q"]:
    """S of clips with one modality or both; `share` is `video_share`. Rows of what a clip lacks are not read."""
    alone = torch.where(has_audio[:, None], audio, video)
    return torch.where((has_audio & has_video)[:, None], (1 - share) * audio + share * video, alone)


def because(
    labels: Mapping[Part, Sequence[str]],
    weights: Mapping[Part, Float[Tensor, " k"]],
    shares: Mapping[Part, float],
    roots: Mapping[Part, Float[Tensor, " k"]] | None = None,
    most: int = 3,
) -> list[Because]:
    """The labels that add most to a clip's score, or, without `roots`, those of greatest weight in the phrase.

    By modality: names of labels, the phrase's weights, the modality's share in the score, roots of the clip's
    probabilities (`clip_roots`). Over all labels the amounts sum to the score S, or to the sum of the shares. At most
    `most` are given, greatest first; those that add nothing are left out.
    """
    found = []
    for modality, weight in weights.items():
        amounts = shares[modality] * (weight if roots is None else weight * roots[modality])
        best = amounts.topk(min(most, len(amounts)))
        for amount, position in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            found.append(Because(labels[modality][position], modality, amount))
    return sorted((one for one in found if one.amount > 0), key=lambda one: -one.amount)[:most]
