"""The clips nearest to a point of the common space, ranked by the run's own score, exactly.

An engine proposes clips; each proposal is scored by `Method.compare`, as is every clip that the engine does not have
yet. Where no bound proves that no other clip comes before the last of them, all that might are asked for, which settles
it. Of clips of equal score the one that was indexed first comes first. An approximate engine proves nothing: what it
finds is told as such (`archive.approximation`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from avgzsl.archive import clip_database, clip_selection, clip_table
from avgzsl.archive.approximation import Ranked, approximately, best
from avgzsl.archive.asked import Asked, score
from avgzsl.archive.clip_selection import is_among
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection, View, view_of
from avgzsl.archive.proposals import Propose, filters_itself, proposals, proposals_together
from avgzsl.archive.recall_record import measured
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


@dataclass(frozen=True, eq=False)
class _Now:
    """What several searches of one view have in common: read once, when the first of them needs it."""

    seen: View
    meeting: dict[Condition, Int64[np.ndarray, " n"]] = field(default_factory=dict)

    @cached_property
    def dead(self) -> Int64[np.ndarray, " n"]:
        """Positions of clips that are there no more."""
        return clip_table.dead(self.seen.db)

    @cached_property
    def waiting(self) -> Int64[np.ndarray, " n"]:
        """Positions of clips that the engine does not have yet."""
        return self.waiting_that_meet(())

    def waiting_that_meet(self, condition: Condition) -> Int64[np.ndarray, " n"]:
        """The same of clips that meet a condition."""
        return clip_selection.positions_within(self.seen.db, self.seen.state.applied, self.seen.state.end, condition)

    def itself(self, one: Sought) -> Condition:
        """The condition of a search where the engine itself finds the clips that meet it; else an empty one."""
        return one.condition if one.condition and filters_itself(self.seen, one.mode, one.condition) else ()

    def allowed(self, one: Sought) -> Int64[np.ndarray, " n"] | None:
        """Positions of the clips that meet the condition of a search; None where there is none, or the engine looks."""
        condition = one.condition
        if condition is None or self.itself(one):
            return None
        if condition not in self.meeting:
            self.meeting[condition] = self.seen.positions(condition)
        return self.meeting[condition]


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
    (outcome,) = nearest_many(collection, [Sought(point, top, mode, condition, corrected)])
    if isinstance(outcome, AvgzslError):
        raise outcome
    return outcome


def nearest_many(collection: Collection, sought: Sequence[Sought]) -> list[NearestClips | AvgzslError]:
    """What `nearest` finds for each of many searches, in their order; of one that fails, its error.

    All see the index as it is at one moment. An engine that scans is asked by one matrix product.
    """
    if not sought:
        return []
    with clip_database.opened(collection.folder) as db:
        while True:
            with clip_database.transaction(db):
                seen = view_of(collection, db)
                outcomes = _outcomes(_Now(seen), sought)
            # had vectors left the engine meanwhile, some might be missing: then all of it is done again
            if clip_table.state(db).generation == seen.state.generation:
                return outcomes


def _outcomes(now: _Now, sought: Sequence[Sought]) -> list[NearestClips | AvgzslError]:
    begun = _begun(now, sought)
    return [_nearest_or_problem(now, one, begun.get(i)) for i, one in enumerate(sought)]


def _begun(now: _Now, sought: Sequence[Sought]) -> dict[int, Propose]:
    """Of searches in one mode, the first proposals, found together; by their number."""
    modes: dict[Mode, list[int]] = {}
    for i, one in enumerate(sought):
        modes.setdefault(one.mode, []).append(i)
    begun: dict[int, Propose] = {}
    for some in modes.values():
        try:
            scanning = [i for i in some if not now.itself(sought[i]) and not _is_direct(now.allowed(sought[i]))]
            if len(scanning) > 1:
                asked = [_asked(sought[i]) for i in scanning]
                n = [_first(now, sought[i].top, now.allowed(sought[i])) for i in scanning]
                begun |= zip(scanning, proposals_together(now.seen, asked, n), strict=True)
        except (AvgzslError, MemoryError):  # one of them: each is asked alone then, and has its own
            continue
    return begun


def _asked(one: Sought) -> Asked:
    return Asked(one.point, one.mode, one.corrected)


def _nearest_or_problem(now: _Now, one: Sought, begun: Propose | None) -> NearestClips | AvgzslError:
    """The nearest clips; what is wrong comes as a value, for it may be an engine that is made anew."""
    seen = now.seen
    try:
        (positions, scores, absent), recall = _nearest(now, one, begun)
        addends = seen.addends(positions, one.mode) * np.float32(one.corrected)
        archive = seen.state.end - len(now.dead)
        clips, embeddings = seen.clips(positions), seen.embeddings(positions)
        return NearestClips(clips, scores, embeddings, addends, archive, recall, absent)
    except AvgzslError as problem:
        return problem
    except MemoryError:
        folder = seen.collection.folder
        return DataError(f"{folder}: says that it has {seen.state.end} clips, more than memory holds")


def _nearest(now: _Now, one: Sought, begun: Propose | None) -> tuple[Ranked, float | None]:
    """The nearest clips, best first; and the recall, where it is not certain that they are."""
    seen, asked, itself, allowed = now.seen, _asked(one), now.itself(one), now.allowed(one)
    if allowed is not None and _is_direct(allowed):
        return Ranked(*best(*score(seen, allowed, asked), one.top)), None
    if seen.collection.approximate and one.mode in seen.collection.stored:
        known = measured(seen.collection, one.mode)
        if known is not None:
            return approximately(seen, asked, one.top, known.candidates, allowed, itself), known.recall
    if itself:
        waiting, propose = now.waiting_that_meet(itself), proposals(seen, asked, condition=itself)
        return _certain(now, asked, one.top, None, waiting, propose), None
    return _certain(now, asked, one.top, allowed, now.waiting, begun or proposals(seen, asked)), None


def _certain(
    now: _Now,
    asked: Asked,
    top: int,
    allowed: Int64[np.ndarray, " n"] | None,
    waiting: Int64[np.ndarray, " w"],
    propose: Propose,
) -> Ranked:
    """The nearest clips, best first, for certain: of what answers."""
    seen, applied = now.seen, now.seen.state.applied
    n, least = _first(now, top, allowed), -np.inf
    while True:
        proposed, rest, absent = propose(n, least)
        known = np.unique(proposed[(proposed >= 0) & (proposed < applied) & ~is_among(proposed, now.dead)])
        candidates = np.concatenate([known, waiting])
        if allowed is not None:
            candidates = candidates[is_among(candidates, allowed)]
        found = best(*score(seen, candidates, asked), top)
        least = float(found[1][-1]) if len(found[1]) == top else -np.inf
        if least > rest or rest == -np.inf:
            return Ranked(*found, absent)
        n = max(n * _GROWTH, seen.state.end if least > -np.inf else 0)


def _is_direct(allowed: Int64[np.ndarray, " n"] | None) -> bool:
    """Whether so few clips are allowed that all of them are scored."""
    return allowed is not None and len(allowed) <= _DIRECT


def _first(now: _Now, top: int, allowed: Int64[np.ndarray, " n"] | None) -> int:
    """How many proposals are asked for at first: more where a condition leaves few of them."""
    n = _MORE * max(top, 16)
    return n if allowed is None else n * -(-now.seen.state.end // len(allowed))
