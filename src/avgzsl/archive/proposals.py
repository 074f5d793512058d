"""Which clips may be the nearest to a point: positions, and how near any other clip can be at most.

An engine that orders by inner product is asked for the largest ones. One that gives the inner products of all its
vectors at once needs no bound over fused vectors where distances are not squared, or where the text of the question
says how much video counts: the scores by sound and by picture follow from two products, and with them, but for
rounding, the score itself. Where neither serves, every clip is scored.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64

from avgzsl.archive import clip_selection, clip_table
from avgzsl.archive.asked import Asked, score
from avgzsl.archive.bounds import bound, reach
from avgzsl.archive.clip_selection import Having
from avgzsl.archive.collection import View
from avgzsl.archive.engines import BatchScanner, Engine, Filtering, PartialAnswer, filters
from avgzsl.archive.fused import Question, Space, question
from avgzsl.archive.recall_record import measured
from avgzsl.archive.scanned import ALONE, scanned
from avgzsl.archive.vectors import addend_name
from avgzsl.archive.where import Condition
from avgzsl.errors import AvgzslError, DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.scores.largest import Largest, Write, largest

_MEND = "`avgzsl index-rebuild`"
_SCORED = 1 << 14  # clips whose embeddings are read at a time
_TOGETHER = 64  # questions of one matrix product


class Proposals(NamedTuple):
    """Clips that may score most, and what no other one exceeds; `absent` says what did not answer (`PartialAnswer`)."""

    positions: Int64[np.ndarray, " k"]
    rest: float
    absent: tuple[str, ...] = ()


Propose = Callable[[int, float], Proposals]
"""(n, least): of all clips that may score `least`, the n that may score most."""


def filters_itself(seen: View, mode: Mode, condition: Condition) -> bool:
    """Whether the engine finds the clips of a mode that meet a condition, so that nobody else need look for them."""
    collection = seen.collection
    if not seen.state.applied or mode not in collection.stored or not filters(collection.record.engine):
        return False
    if collection.approximate and measured(collection, mode) is None:  # then it is not asked at all
        return False
    engine = collection.engine(mode)
    return isinstance(engine, Filtering) and engine.answers(condition)


def proposals(seen: View, asked: Asked, certain: bool = True, condition: Condition = ()) -> Propose:
    """Of the clips that the engine has; where it has to be `certain`, an approximate engine is not asked.

    Only such as meet the condition, if there is one, which the engine `filters_itself`.

    Raises AvgzslError where it refuses, DataError where clips are missing.
    """
    collection, mode = seen.collection, asked.mode
    if not seen.state.applied:  # what it has is being thrown away
        return lambda n, least: Proposals(np.zeros(0, np.int64), -np.inf)
    by_engine, by_scan = mode in collection.stored, collection.scans
    if (not by_engine and not by_scan) or (by_engine and certain and collection.approximate):
        return _best_of(lambda: _scored(seen, asked))
    for stored in [mode] if by_engine else ALONE:
        if stored not in collection.checked:
            with suppress(PartialAnswer):  # what is absent cannot be counted
                _require_all(seen, stored, collection.engine(stored).count())
                collection.checked.add(stored)
    if by_engine:
        return _by_engine(seen, asked, condition)
    return _best_of(lambda: np.concatenate([most[0] for most in scanned(seen, [asked])]))


Fault = AvgzslError | MemoryError


class Need(NamedTuple):
    """What a search needs to go on: the `n` proposals that may score most, of those that may score `least`.

    With a `condition`, of the clips that meet it, which the engine `filters_itself`.
    """

    asked: Asked
    propose: Propose
    n: int
    least: float
    condition: Condition = ()


def proposed(seen: View, needs: Mapping[int, Need]) -> dict[int, Proposals | Fault]:
    """The proposals that each of several searches needs, or why there are none, by the number of the search.

    Those of one mode are found together, where the engine is a `BatchScanner`.
    """
    modes: dict[Mode, list[int]] = {}
    for i, need in needs.items():
        modes.setdefault(need.asked.mode, []).append(i)
    found: dict[int, Proposals | Fault] = {}
    for some in modes.values():
        for start in range(0, len(some), _TOGETHER):
            part = some[start : start + _TOGETHER]
            try:
                together = _together(seen, [needs[i] for i in part]) if len(part) > 1 else None
            except (AvgzslError, MemoryError):  # one of them: each is asked alone then, and has its own
                together = None
            if together is None:
                found |= {i: _alone(needs[i]) for i in part}
            else:
                found |= zip(part, together, strict=True)
    return found


def _alone(need: Need) -> Proposals | Fault:
    try:
        return need.propose(need.n, need.least)
    except (AvgzslError, MemoryError) as problem:
        return problem


def _together(seen: View, needs: Sequence[Need]) -> list[Proposals] | None:
    """The proposals of several searches in one mode, by one product; None where that cannot be had."""
    collection, mode = seen.collection, needs[0].asked.mode
    by_engine = mode in collection.stored
    if not seen.state.applied or not collection.scans or (by_engine and collection.approximate):
        return None
    if any(need.condition for need in needs):
        return None
    engine = collection.engine(mode if by_engine else ALONE[0])
    if not isinstance(engine, BatchScanner):
        return None
    if by_engine:
        return _by_batches(seen, engine, needs)
    if any(need.least > -np.inf for need in needs):  # their first products are kept
        return None
    n = [need.n for need in needs]
    found = largest(_next_of(scanned(seen, [need.asked for need in needs])), seen.state.applied, n, [-np.inf] * len(n))
    return [_up_to(some, k) for some, k in zip(found, n, strict=True)]


def _next_of(blocks: Iterator[Float32[np.ndarray, "q _n"]]) -> Write:
    """Numbers that are made in the order in which they are asked for."""
    return lambda start, end, room: room.copy_(torch.from_numpy(next(blocks)).T)


def _require_all(seen: View, mode: Mode, vectors: int) -> None:
    """Raises DataError unless there are at least as many vectors as clips: others would never be found."""
    clips = clip_selection.count_having(seen.db, seen.state.applied, _having(seen, mode))
    if vectors < clips:
        folder = seen.collection.folder
        raise DataError(f"{folder}: the engine has {vectors} of {clips} clips in {mode}; mend it: {_MEND}")


def _having(seen: View, mode: Mode) -> Having:
    """What a clip must have to be scored in a mode (`Embeddings.scorable`)."""
    if mode.modality != "both":
        return mode.modality
    return "both" if "joint" in seen.collection.record.parts else "either"


class _Extremes(NamedTuple):
    """Of the vectors of a mode: the greatest length, and the largest addend."""

    length: float
    addend: float


def _extremes(seen: View, mode: Mode) -> _Extremes:
    return _Extremes(clip_table.longest(seen.db, str(mode)), clip_table.greatest(seen.db, addend_name(mode), 0.0))


def _by_engine(seen: View, asked: Asked, condition: Condition) -> Propose:
    """By the engine's largest inner products."""
    mode, space, extremes = asked.mode, seen.collection.space(asked.mode), _extremes(seen, asked.mode)

    def propose(n: int, least: float) -> Proposals:
        query, enough = _inquiry(asked, space, extremes, least)
        absent: tuple[str, ...] = ()
        try:
            found = _products(seen.collection.engine(mode), query.vector, n, enough, condition)
        except PartialAnswer as some:
            found, absent = (some.positions, some.products), some.absent
        complete = enough == -np.inf and not absent and not condition and not seen.collection.approximate
        return _answered(seen, query, extremes, found, n, complete)._replace(absent=absent)

    return propose


def _products(engine: Engine, vector: Float32[np.ndarray, " e"], n: int, least: float, condition: Condition) -> Largest:
    if condition and isinstance(engine, Filtering):
        return engine.query_where(vector, n, least, condition)
    return engine.query(vector, n, least)


def _by_batches(seen: View, engine: BatchScanner, needs: Sequence[Need]) -> list[Proposals]:
    """What `_by_engine` proposes, by one product for all."""
    mode = needs[0].asked.mode
    space, extremes = seen.collection.space(mode), _extremes(seen, mode)
    queries, enough = zip(*(_inquiry(need.asked, space, extremes, need.least) for need in needs), strict=True)
    n = [need.n for need in needs]
    found = engine.query_many(np.stack([query.vector for query in queries]), n, enough)
    return [
        _answered(seen, query, extremes, some, k, complete=least == -np.inf)
        for query, some, k, least in zip(queries, found, n, enough, strict=True)
    ]


def _inquiry(asked: Asked, space: Space, extremes: _Extremes, least: float) -> tuple[Question, float]:
    """What the vectors are asked, and the product below which none of them scores `least`."""
    query = question(asked.point, space, asked.corrected, None if least == -np.inf else least)
    return query, -np.inf if least == -np.inf else reach(least, extremes.length, query, extremes.addend)


def _answered(seen: View, query: Question, extremes: _Extremes, found: Largest, n: int, complete: bool) -> Proposals:
    """What an engine found, `complete` where it has no more than it gives when that is less than n.

    Raises DataError for what is no order, and where clips are missing.
    """
    positions, products = found
    if not np.isfinite(products).all() or (np.diff(products) > 0).any():
        raise DataError(f"{seen.collection.folder}: the engine answers with what is no order; mend it: {_MEND}")
    if len(positions) < n and complete:
        inside = (positions >= 0) & (positions < seen.state.applied)
        _require_all(seen, query.space.mode, len(np.unique(positions[inside])))
    rest = -np.inf if len(positions) < n else bound(float(products[-1]), extremes.length, query, extremes.addend)
    return Proposals(positions, rest)


def _scored(seen: View, asked: Asked) -> Float32[np.ndarray, " n"]:
    """A number that the score of each clip that the engine has does not exceed, -inf of those that have none.

    In blocks.
    """
    found = np.full(seen.state.applied, -np.inf, np.float32)
    for start in range(0, len(found), _SCORED):
        end = min(start + _SCORED, len(found))
        positions, scores = score(seen, clip_selection.positions_within(seen.db, start, end), asked)
        found[positions] = np.nextafter(scores.astype(np.float32), np.float32(np.inf))
    return found


def _best_of(most_of: Callable[[], Float32[np.ndarray, " n"]]) -> Propose:
    """By the highest score that each clip may have, which is found when it is asked for; -inf of clips without one."""
    most = cache(most_of)

    def propose(n: int, least: float) -> Proposals:
        numbers = torch.from_numpy(most())[:, None]
        (found,) = largest(lambda start, end, room: room.copy_(numbers[start:end]), len(numbers), [n], [least])
        return _up_to(found, n)

    return propose


def _up_to(found: Largest, n: int) -> Proposals:
    """The n that may score most, or all that may score anything; nobody is infinitely far."""
    positions, most = found
    return Proposals(positions, float(most[-1]) if len(most) == n else -np.inf)
