"""Clusters of clips, by k-means, and names for them, chosen from words that can be compared with the clips."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

MOST = 12  # as many as colours can be told apart
_CLIPS_EACH = 8  # the fewer clips, the fewer clusters
_ROUNDS = 50
_CHUNK = 8192


def how_many(clips: int, words: int) -> int:
    """Clusters for so many clips, and at most as many as there are words to name them, if there are any."""
    wanted = round(math.sqrt(clips / _CLIPS_EACH))
    return max(2, min(wanted, MOST, words or MOST))


def centres(points: Float[Tensor, "n d"], k: int) -> Float[Tensor, "_k d"]:
    """At most k centres, that of most points first: k-means (Lloyd 1982) from k-means++ (Arthur, Vassilvitskii 2007).

    The same every time. There are fewer where fewer points differ.
    """
    found = _spread(points, k)
    for _ in range(_ROUNDS):
        own = nearest(points, found)
        sizes = torch.bincount(own, minlength=len(found))
        sums = torch.zeros_like(found).index_add_(0, own, points)
        moved = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], found)
        if torch.equal(moved, found):
            break
        found = moved
    sizes = torch.bincount(nearest(points, found), minlength=len(found))
    order = sizes.argsort(descending=True, stable=True)
    return found[order][sizes[order] > 0]


def nearest(points: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Int64[Tensor, " n"]:
    """The centre that each point is nearest to."""
    return torch.cat([torch.cdist(chunk, centres).argmin(1) for chunk in points.split(_CHUNK)])


def names(own: Int64[Tensor, " n"], fits: Float[Tensor, "n w"], words: Sequence[str], k: int) -> list[str]:
    """A name for each of k clusters, no two the same: the words that fit its clips most above how they fit others.

    `own` is the cluster of each clip, `fits` how near each word is to it. Each word is held against its own mean and
    deviation, for some fit everything; to the deviation that of most words is added, for some hardly differ at all
    (with it, drums of the real clips are "a fast drum roll", without "congas and shakers"). Of all ways to give each
    cluster a word of its own, the sum of what fits is greatest. What is left without one is a number.
    """
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped,unused-ignore]

    if not words:
        return [f"group {number + 1}" for number in range(k)]
    values = fits.double()
    deviation = values.std(0, correction=0)
    values = (values - values.mean(0)) / (deviation + deviation.median()).clamp(min=1e-9)
    sizes = torch.bincount(own, minlength=k).clamp(min=1)
    means = torch.zeros(k, len(words), dtype=torch.float64).index_add_(0, own, values) / sizes[:, None]
    chosen = dict(zip(*(places.tolist() for places in linear_sum_assignment(means.numpy(), True)), strict=True))
    return [words[chosen[c]] if c in chosen else f"group {c + 1}" for c in range(k)]


def _spread(points: Float[Tensor, "n d"], k: int) -> Float[Tensor, "_k d"]:
    """Points far from each other: each is drawn in proportion to its squared distance from those before it."""
    draw = torch.Generator().manual_seed(0)
    chosen = [int(torch.randint(len(points), (1,), generator=draw))]
    far = torch.cdist(points, points[chosen]).square()[:, 0].double()
    while len(chosen) < k and float(far.max()) > 0:
        chosen.append(int(torch.multinomial(far, 1, generator=draw)))
        far = torch.minimum(far, torch.cdist(points, points[chosen[-1:]]).square()[:, 0].double())
    return points[chosen]
