"""Is it there at all? The evidence of hits, and the lines above which they are likely.

A score says which clip is nearest to a phrase, never whether it is near enough, for phrases have offsets of their own.
A bank of everyday phrases tells how well just anything fits: with s(b, c) the scores of its phrases at the first hit c,

    evidence of a hit = (its score - mean over b of s(b, c)) / deviation over b of s(b, c).

All hits of a phrase are held against the bank at its first hit, so that evidence falls with the score. (At each hit's
own clip it would not: rankings by that lose a fifth of their mean AP, and the line would cut through the list.)
Scores that are probabilities, as those of taggers, need no bank: they are evidence themselves.

The first hit of a phrase that is not there is the best of n clips. Where what varies from clip to clip is normal, the
best of n stands e(n) deviations above the mean, e(n) being the expected largest of n normal numbers (Blom 1958:
the quantile at (n - 3/8) / (n + 1/4)); so lines rise with e(n), by `growth` a unit. Of z, growth is 0.3: most of the
variation is between phrases, which more clips do not change (measured on 5 to 276 real clips). Of taggers it is 0.18,
which is .35 at 276 clips and .43 at 1,344.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from avgzsl.errors import DataError

LEAST_BANK = 100  # phrases: a mean and a deviation of fewer say little
NEAR_MISSES = 0.25  # how much names whose clips are taken away count among phrases that are not there
_ARCHIVE = 276  # clips of the archive for which the defaults were found
_SAME = 1e-9  # numbers that differ by less differ by rounding
_SHARES = tuple(i / 20 for i in range(1, 20))  # from which a share is chosen


@dataclass(frozen=True)
class Lines:
    """Above which evidence hits are likely, in an archive of `clips` clips.

    The first hit is likely from `found` on; another, where the first is, from the `share` of the first one's evidence
    on. No hit is likely below `least`.
    """

    found: float
    share: float
    growth: float
    least: float
    clips: int = _ARCHIVE

    def at(self, clips: int) -> "Lines":
        """The lines in an archive of another size (at least one clip)."""
        found = self.found + self.growth * (expected_largest(clips) - expected_largest(self.clips))
        return replace(self, found=max(found, self.least), clips=clips)


Z_LINES = Lines(found=2.5, share=0.8, growth=0.3, least=1.0)
"""Of evidence in deviations of the bank; the lines of a method stand with it."""
TAGGER_LINES = Lines(found=0.35, share=0.5, growth=0.18, least=0.2)
"""Of scores that are probabilities."""


def expected_largest(n: int) -> float:
    """The expected largest of n independent normal numbers, n >= 1, in deviations; to within 0.03."""
    return NormalDist().inv_cdf((n - 0.375) / (n + 0.25))


def z_evidence(scores: Float[Tensor, " k"], bank: Float[Tensor, " b"]) -> Float64[Tensor, " k"]:
    """Scores in deviations of the bank's, from their mean; the bank's scores are at the first hit.

    Raises DataError where all phrases of the bank fit the clip alike, so that nothing can be held against them.
    """
    values = bank.double()
    deviation = values.std()
    if not float(deviation) > 0:
        raise DataError(f"{len(values)} phrases fit the first clip equally well: there is nothing to hold it against")
    return (scores.double() - values.mean()) / deviation


def likely(evidence: Float[Tensor, " k"], lines: Lines) -> Bool[Tensor, " k"]:
    """Which hits, best first, are likely, by lines for an archive of its size: none where the first is not."""
    if not len(evidence) or float(evidence[0]) < lines.found:
        return torch.zeros(len(evidence), dtype=torch.bool)
    first = torch.arange(len(evidence)) == 0
    return first | (evidence >= max(lines.least, lines.share * float(evidence[0])))


def first_evidence(scores: Float[Tensor, "n q"], bank: Float[Tensor, "n b"]) -> Float64[Tensor, " q"]:
    """The evidence of each phrase's first hit among n clips."""
    first = scores.argmax(0)
    at = bank[first].double()
    return (scores.double().amax(0) - at.mean(1)) / at.std(1)


def choose_found(
    present: Float[Tensor, " p"], absent: Float[Tensor, " a"], near_misses: Float[Tensor, " m"] | None = None
) -> float:
    """The line with the best mean of kept and refused, from the first hits' evidence of phrases there and not there.

    `near_misses` are absent phrases that resemble what is there, and count NEAR_MISSES of all absent ones. It is the
    middle of an interval between neighbouring values; of equally good intervals the highest. Raises DataError where
    phrases of either kind are missing.
    """
    if not len(present) or not len(absent):
        raise DataError(f"a line needs phrases that are there and that are not; given {len(present)} and {len(absent)}")
    weight = NEAR_MISSES if near_misses is not None and len(near_misses) else 0.0
    near = absent[:0] if near_misses is None else near_misses
    lines = torch.cat([present, absent, near]).double().unique()

    def share_above(values: Tensor) -> Tensor:
        return (
            (values.double()[None] >= lines[:, None] - _SAME).double().mean(1)
            if len(values)
            else torch.zeros(len(lines))
        )

    kept, refused = share_above(present), 1 - (1 - weight) * share_above(absent) - weight * share_above(near)
    good = kept + refused
    best = lines[good >= good.max() - _SAME][-1]
    below = lines[lines < best - _SAME]
    return float((below[-1] + best) / 2 if len(below) else best)


def choose_share(found: Sequence[tuple[Float[Tensor, " k"], Bool[Tensor, " k"]]]) -> float:
    """The share of the first hit's evidence with the best mean F1 over phrases; each gives its hits' evidence, and
    which of them are right. Of equally good ones the largest. Raises DataError without a phrase.
    """
    if not found:
        raise DataError("a line for single clips needs phrases that are there; none was given")

    def mean_f1(share: float) -> float:
        return sum(_f1(evidence >= share * evidence.amax(), right) for evidence, right in found) / len(found)

    return max(_SHARES, key=lambda share: (round(mean_f1(share), 9), share))


def _f1(chosen: Bool[Tensor, " k"], right: Bool[Tensor, " k"]) -> float:
    both = int((chosen & right).sum())
    return 2 * both / max(int(chosen.sum()) + int(right.sum()), 1)
