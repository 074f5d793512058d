"""The clips nearest to a point of the common space, ranked by the run's own score, exactly.

An engine proposes clips; each proposal is scored by `Method.compare`, as is every clip that the engine does not have
yet. Where no bound proves that no other clip comes before the last of them, all that might are asked for, which settles
it. Of clips of equal score the one that was indexed first comes first.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from avgzsl.archive import clip_database, clip_table
from avgzsl.archive.asked import Asked, score
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection, View, view_of
from avgzsl.archive.proposals import proposals
from avgzsl.archive.where import Condition
from avgzsl.errors import AvgzslError, DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import Embeddings, TextEmbeddings

_DIRECT = 20_000  # so few clips are scored sooner than an engine finds them among others
_MORE = 4  # times as many as are asked for, at first
_GROWTH = 16  # where a condition leaves too few


class Sought(NamedTuple):
    """What one search asks for; as `nearest`."""

    point: TextEmbeddings
    top: int
    mode: Mode
    condition: Condition | None = None
    corrected: bool = False


class NearestClips(NamedTuple):
    """Clips, best first, their scores (higher is nearer), their embeddings, and what of each score is the addend.

    `archive` is of how many clips they are the nearest. `recall` is None where they are the nearest for certain; of an
    approximate engine it is the share of the nearest that it found when it was built (`recall.py`). `absent` says what
    did not answer: clips that it holds may be missing.
    """

    clips: list[IndexedClip]
    scores: Float64[np.ndarray, " k"]
    embeddings: Embeddings
    addends: Float32[np.ndarray, " k"]
    archive: int
    recall: float | None = None
    absent: tuple[str, ...] = ()


def nearest(
    collection: Collection,
    point: TextEmbeddings,
    top: int,
    mode: Mode,
    condition: Condition | None = None,
    corrected: bool = False,
) -> NearestClips:
    """The `top` nearest clips, of those that meet the condition; fewer only where there are no more.

    `corrected` scores have the energy term, where the index has one for the mode.
    """
    asked = Asked(point, mode, corrected)
    with collection.readers.reading() as db:
        while True:
            with clip_database.transaction(db):
                seen = view_of(collection, db)
                outcome = _nearest_or_problem(seen, asked, top, condition)
            # had vectors left the engine meanwhile, some might be missing: then all of it is done again
            if clip_table.state(db).generation == seen.state.generation:
                break
    if isinstance(outcome, DataError):
        raise outcome
    return outcome


def nearest_many(collection: Collection, sought: Sequence[Sought]) -> list[NearestClips | AvgzslError]:
    """What `nearest` finds for each of many searches, in their order; of one that fails, its error."""
    found: list[NearestClips | AvgzslError] = []
    for one in sought:
        try:
            found.append(nearest(collection, *one))
        except AvgzslError as problem:
            found.append(problem)
    return found


def _nearest_or_problem(seen: View, asked: Asked, top: int, condition: Condition | None) -> NearestClips | DataError:
    """The nearest clips; what is wrong with the data comes as a value, for it may be an engine that is made anew."""
    try:
        positions, scores = _nearest(seen, asked, top, condition)
        addends = seen.addends(positions, asked.mode) * np.float32(asked.corrected)
        archive = seen.state.end - len(seen.dead())
        return NearestClips(seen.clips(positions), scores, seen.embeddings(positions), addends, archive)
    except DataError as problem:
        return problem
    except MemoryError:
        folder = seen.collection.folder
        raise DataError(f"{folder}: says that it has {seen.state.end} clips, more than memory holds") from None


def _nearest(
    seen: View, asked: Asked, top: int, condition: Condition | None
) -> tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
    """Positions of the nearest clips, best first, and their scores."""
    allowed = None if condition is None else seen.positions(condition)
    if allowed is not None and len(allowed) <= _DIRECT:
        return _best(*score(seen, allowed, asked), top)
    applied, dead = seen.state.applied, seen.dead()
    waiting = seen.waiting()
    propose = proposals(seen, asked)
    n, least = _MORE * max(top, 16), -np.inf
    while True:
        proposed, rest = propose(n, least)
        known = np.unique(proposed[(proposed >= 0) & (proposed < applied) & ~np.isin(proposed, dead)])
        candidates = np.concatenate([known, waiting])
        if allowed is not None:
            candidates = candidates[np.isin(candidates, allowed)]
        best = _best(*score(seen, candidates, asked), top)
        least = float(best[1][-1]) if len(best[1]) == top else -np.inf
        if least > rest or rest == -np.inf:
            return best
        n = max(n * _GROWTH, seen.state.end if least > -np.inf else 0)


def _best(
    positions: Int64[np.ndarray, " n"], scores: Float64[np.ndarray, " n"], top: int
) -> tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
    order = np.lexsort((positions, -scores))[:top]
    return positions[order], scores[order]
