"""The clips nearest to a point of the common space, ranked by the run's own score, exactly.

An engine proposes clips; each proposal is scored by `Method.compare`, as is every clip that the engine does not have
yet. Where no bound proves that no other clip comes before the k-th of them, all that might are asked for, which settles
it. Of clips of equal score the one that was indexed first comes first.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from avgzsl.archive import clip_table
from avgzsl.archive.clip_table import Clip
from avgzsl.archive.collection import Collection, View, view_of
from avgzsl.archive.proposals import proposals
from avgzsl.archive.where import Condition
from avgzsl.errors import DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import Embeddings

_DIRECT = 20_000  # so few clips are scored sooner than an engine finds them among others
_MORE = 4  # times k at first
_GROWTH = 16  # where a condition leaves too few


class Found(NamedTuple):
    """Clips, best first, their scores (higher is nearer), and their embeddings."""

    clips: list[Clip]
    scores: Float32[np.ndarray, " k"]
    embeddings: Embeddings


def nearest(
    collection: Collection, point: Float[Tensor, " d"], k: int, mode: Mode, condition: Condition | None = None
) -> Found:
    """The k nearest clips, of those that meet the condition; fewer only where there are no more."""
    with clip_table.opened(collection.folder) as db:
        while True:
            with clip_table.transaction(db):
                seen, found, problem = view_of(collection, db), None, None
                try:
                    positions, scores = _nearest(seen, point, k, mode, condition)
                    found = Found(seen.clips(positions), scores, seen.embeddings(positions))
                except DataError as told:  # perhaps of an engine that is being made anew
                    problem = told
                except MemoryError:
                    raise DataError(
                        f"{collection.folder}: says that it has {seen.state.end} clips, more than memory holds"
                    ) from None
            # had vectors left the engine meanwhile, some might be missing
            if clip_table.state(db).generation != seen.state.generation:
                continue
            if found is None:
                raise problem or AssertionError
            return found


def _nearest(
    seen: View, point: Float[Tensor, " d"], k: int, mode: Mode, condition: Condition | None
) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
    allowed = None if condition is None else seen.positions(*condition)
    if allowed is not None and len(allowed) <= _DIRECT:
        return _best(*score(seen, allowed, point, mode), k)
    applied, dead = seen.state.applied, np.array(clip_table.dead(seen.db), np.int64)
    waiting = seen.positions("position >= ?", (applied,))
    propose = proposals(seen, point, mode)
    n, least = _MORE * max(k, 16), -np.inf
    while True:
        proposed, rest = propose(n, least)
        known = np.unique(proposed[(proposed >= 0) & (proposed < applied) & ~np.isin(proposed, dead)])
        candidates = np.concatenate([known, waiting])
        if allowed is not None:
            candidates = candidates[np.isin(candidates, allowed)]
        best = _best(*score(seen, candidates, point, mode), k)
        least = float(best[1][-1]) if len(best[1]) == k else -np.inf
        if least > rest or rest == -np.inf:
            return best
        n = max(n * _GROWTH, seen.state.end if least > -np.inf else 0)


def score(
    seen: View, positions: Int64[np.ndarray, " n"], point: Float[Tensor, " d"], mode: Mode
) -> tuple[Int64[np.ndarray, " m"], Float32[np.ndarray, " m"]]:
    """Those of the clips that can be scored in the mode, and their scores by the run's own method."""
    clips = seen.embeddings(positions)
    keep = clips.scorable(mode.modality)
    if not bool(keep.any()):
        return positions[:0], np.zeros(0, np.float32)
    scores = seen.collection.run.method.compare(clips.where(keep), point[None].float(), *mode)[:, 0]
    if not bool(scores.isfinite().all()):
        raise DataError(f"{seen.collection.folder}: has embeddings too large to compare; see `avgzsl index-verify`")
    return positions[keep.numpy()], scores.numpy()


def _best(
    positions: Int64[np.ndarray, " n"], scores: Float32[np.ndarray, " n"], k: int
) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
    order = np.lexsort((positions, -scores))[:k]
    return positions[order], scores[order]
