"""The clips nearest to a point of the common space, ranked by the run's own score, exactly.

An engine proposes clips; each proposal is scored by `Method.compare`, as is every clip that the engine does not have
yet. Where no bound proves that no other clip comes before the last of them, all that might are asked for, which settles
it. Of clips of equal score the one that was indexed first comes first. An approximate engine proves nothing: what it
finds is told as such (`archive.approximation`).
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from avgzsl.archive import clip_database, clip_table
from avgzsl.archive.approximation import Ranked, approximately
from avgzsl.archive.asked import Asked, score
from avgzsl.archive.clip_selection import is_among
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import Collection, View, view_of
from avgzsl.archive.proposals import Fault, Need, Proposals, filters_itself, proposals, proposed
from avgzsl.archive.recall_record import measured
from avgzsl.archive.where import Condition
from avgzsl.errors import AvgzslError, DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import Embeddings, TextEmbeddings
from avgzsl.scores.largest import best

_DIRECT, _FEW, _SHARE = 20_000, 1000, 64  # clips that are scored rather than found by an engine (`_direct`)
_MORE = 4  # times as many as are asked for, at first
_GROWTH = 16  # where a condition leaves too few

_Search = Generator[Need, Proposals, "NearestClips | AvgzslError"]


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
    with collection.readers.reading() as db:
        while True:
            with clip_database.transaction(db):
                seen = view_of(collection, db)
                outcomes = _outcomes(seen, sought)
            # had vectors left the engine meanwhile, some might be missing: then all of it is done again
            if clip_table.state(db).generation == seen.state.generation:
                return outcomes


def _outcomes(seen: View, sought: Sequence[Sought]) -> list[NearestClips | AvgzslError]:
    """What each search finds. They go on side by side: what they ask of the engine is asked together."""
    under_way = {i: _search(seen, one) for i, one in enumerate(sought)}
    answers: dict[int, Proposals | Fault] = {}
    outcomes: dict[int, NearestClips | AvgzslError] = {}
    while under_way:
        needs: dict[int, Need] = {}
        for i, search in list(under_way.items()):
            try:
                needs[i] = _go_on(search, answers.get(i))
            except StopIteration as end:
                outcomes[i] = end.value
                del under_way[i]
        answers = proposed(seen, needs)
    return [outcomes[i] for i in range(len(sought))]


def _go_on(search: _Search, answer: Proposals | Fault | None) -> Need:
    """What a search needs next. Raises StopIteration with its outcome."""
    if answer is None:
        return next(search)
    return search.throw(answer) if isinstance(answer, Exception) else search.send(answer)


def _search(seen: View, one: Sought) -> _Search:
    """The nearest clips; what is wrong comes as a value, for it may be an engine that is made anew."""
    try:
        (positions, scores, absent), recall = yield from _nearest(seen, one)
        addends = seen.addends(positions, one.mode) * np.float32(one.corrected)
        archive = seen.state.end - len(seen.dead())
        clips, embeddings = seen.clips(positions), seen.embeddings(positions)
        return NearestClips(clips, scores, embeddings, addends, archive, recall, absent)
    except AvgzslError as problem:
        return problem
    except MemoryError:
        folder = seen.collection.folder
        return DataError(f"{folder}: says that it has {seen.state.end} clips, more than memory holds")


def _nearest(seen: View, one: Sought) -> Generator[Need, Proposals, tuple[Ranked, float | None]]:
    """The nearest clips, best first; and the recall, where it is not certain that they are."""
    asked, itself = Asked(one.point, one.mode, one.corrected), _itself(seen, one)
    allowed = None if one.condition is None or itself else seen.positions(one.condition)
    if allowed is not None and len(allowed) <= _direct(seen):
        return Ranked(*best(*score(seen, allowed, asked), one.top)), None
    if seen.collection.approximate and one.mode in seen.collection.stored:
        known = measured(seen.collection, one.mode)
        if known is not None:
            return approximately(seen, asked, one.top, known.candidates, allowed, itself), known.recall
    return (yield from _certain(seen, asked, one.top, allowed, itself)), None


def _itself(seen: View, one: Sought) -> Condition:
    """The condition of a search where the engine itself finds the clips that meet it; else an empty one."""
    return one.condition if one.condition and filters_itself(seen, one.mode, one.condition) else ()


def _certain(
    seen: View, asked: Asked, top: int, allowed: Int64[np.ndarray, " n"] | None, itself: Condition
) -> Generator[Need, Proposals, Ranked]:
    """The nearest clips, best first, for certain: of what answers."""
    applied, propose, waiting = seen.state.applied, proposals(seen, asked, condition=itself), seen.waiting(itself)
    n, least, is_tight = _first(seen, top, allowed), -np.inf, False
    while True:
        proposed, rest, absent = yield Need(asked, propose, n, least, itself)
        known = np.unique(proposed[(proposed >= 0) & (proposed < applied) & ~is_among(proposed, seen.dead())])
        candidates = np.concatenate([known, waiting])
        if allowed is not None:
            candidates = candidates[is_among(candidates, allowed)]
        found = best(*score(seen, candidates, asked), top)
        least = float(found[1][-1]) if len(found[1]) == top else -np.inf
        if least > rest or rest == -np.inf:
            return Ranked(*found, absent)
        if least == -np.inf:
            n *= _GROWTH
        elif is_tight or not seen.collection.scans:
            # all that might, of which there are few by now; one that scans is first asked for as many as before, which
            # is sooner and mostly enough, now that `least` is known
            n = max(n * _GROWTH, seen.state.end)
        is_tight = least > -np.inf


def _direct(seen: View) -> int:
    """So few clips are scored sooner than an engine finds them among others, which takes a scan as long as it is."""
    return min(_DIRECT, max(_FEW, seen.state.end // _SHARE)) if seen.collection.scans else _DIRECT


def _first(seen: View, top: int, allowed: Int64[np.ndarray, " n"] | None) -> int:
    """How many proposals are asked for at first: more where a condition leaves few of them."""
    n = _MORE * max(top, 16)
    return n if allowed is None else n * -(-seen.state.end // len(allowed))
