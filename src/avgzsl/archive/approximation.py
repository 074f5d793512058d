"""The nearest clips as far as an approximate engine finds them: what it proposes is ranked by the run's own score.

Clips that the engine does not have yet are all ranked. How many of the nearest are found that way is measured when an
index is built (`archive.recall`); nothing proves it for one search.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from avgzsl.archive import clip_selection
from avgzsl.archive.asked import Asked, score
from avgzsl.archive.clip_selection import is_among
from avgzsl.archive.collection import View
from avgzsl.archive.proposals import proposals
from avgzsl.archive.where import Condition
from avgzsl.scores.largest import best

_LEAST = 16  # so many are asked for at least
_GROWTH = 16  # at most, where a condition or removed clips leave too few


class Ranked(NamedTuple):
    """Positions, best first, and their scores; `absent` says what did not answer."""

    positions: Int64[np.ndarray, " k"]
    scores: Float64[np.ndarray, " k"]
    absent: tuple[str, ...] = ()


def approximately(
    seen: View,
    asked: Asked,
    top: int,
    candidates: int,
    allowed: Int64[np.ndarray, " n"] | None = None,
    itself: Condition = (),
) -> Ranked:
    """The `top` best of so many `candidates` for each of them; fewer only where the engine has no more.

    Where `allowed` is given, of those clips; as many of them are candidates, too. The engine `filters_itself` by the
    condition `itself`. Raises AvgzslError where the engine refuses.
    """
    applied, dead = seen.state.applied, seen.dead()
    waiting = clip_selection.positions_within(seen.db, applied, seen.state.end, itself) if itself else seen.waiting()
    propose = proposals(seen, asked, certain=False, condition=itself)
    n = enough = candidates * max(top, _LEAST)
    while True:
        proposed = propose(n, -np.inf)
        inside = (proposed.positions >= 0) & (proposed.positions < applied)
        known = np.unique(proposed.positions[inside & ~is_among(proposed.positions, dead)])
        known = known if allowed is None else known[is_among(known, allowed)]
        if len(known) >= enough or proposed.rest == -np.inf or n >= seen.state.end:
            break
        n = min(n * min(2 * enough // max(len(known), 1) + 1, _GROWTH), seen.state.end)
    waiting = waiting if allowed is None else waiting[is_among(waiting, allowed)]
    return Ranked(*best(*score(seen, np.concatenate([known, waiting]), asked), top), proposed.absent)
