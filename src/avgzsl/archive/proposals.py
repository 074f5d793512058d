"""Which clips may be the nearest to a point: positions, and how near any other clip can be at most.

An engine that orders by inner product is asked for the largest ones. One that gives the inner products of all its
vectors at once needs no bound over fused vectors where distances are not squared, or where the text of the question
says how much video counts: the scores by sound and by picture follow from two products, and with them, but for
rounding, the score itself. Where neither serves, every clip is scored.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from avgzsl.archive import clip_selection, clip_table
from avgzsl.archive.asked import Asked, score, video_weight_of
from avgzsl.archive.bounds import bound, limits, reach
from avgzsl.archive.clip_selection import Having
from avgzsl.archive.collection import View
from avgzsl.archive.embeddings import addends
from avgzsl.archive.engines import Engine, Filtering, PartialAnswer, Scanner, filters, scans
from avgzsl.archive.fused import Question, question
from avgzsl.archive.recall_record import measured
from avgzsl.archive.vectors import addend_name
from avgzsl.archive.where import Condition
from avgzsl.errors import ConfigError, DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.types import MODALITIES

_MEND = "`avgzsl index-rebuild`"
_ALONE = [Mode(modality, "equal") for modality in MODALITIES]
_BLOCK = 1 << 17  # clips whose distances fit into a cache
_SCORED = 1 << 14  # clips whose embeddings are read at a time


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

    Raises AvgzslError where it refuses, DataError where clips are missing."""
    collection, mode = seen.collection, asked.mode
    if not seen.state.applied:  # what it has is being thrown away
        return lambda n, least: Proposals(np.zeros(0, np.int64), -np.inf)
    by_engine, by_scan = mode in collection.stored, scans(collection.record.engine)
    if (not by_engine and not by_scan) or (by_engine and certain and collection.approximate):
        return _best_of(_scored(seen, asked))
    for stored in [mode] if by_engine else _ALONE:
        if stored not in collection.checked:
            with suppress(PartialAnswer):  # what is absent cannot be counted
                _require_all(seen, stored, collection.engine(stored).count())
                collection.checked.add(stored)
    return _by_engine(seen, asked, condition) if by_engine else _best_of(_scanned(seen, asked))


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


def _by_engine(seen: View, asked: Asked, condition: Condition) -> Propose:
    """By the engine's largest inner products."""
    mode, space = asked.mode, seen.collection.space(asked.mode)
    largest, highest = clip_table.longest(seen.db, str(mode)), clip_table.greatest(seen.db, addend_name(mode), 0.0)

    def propose(n: int, least: float) -> Proposals:
        query = question(asked.point, space, asked.corrected, None if least == -np.inf else least)
        enough = -np.inf if least == -np.inf else reach(least, largest, query, highest)
        absent: tuple[str, ...] = ()
        try:
            positions, products = _asked(seen.collection.engine(mode), query.vector, n, enough, condition)
        except PartialAnswer as some:
            positions, products, absent = some.positions, some.products, some.absent
        if not np.isfinite(products).all() or (np.diff(products) > 0).any():
            raise DataError(f"{seen.collection.folder}: the engine answers with what is no order; mend it: {_MEND}")
        if (
            len(positions) < n
            and enough == -np.inf
            and not absent
            and not condition
            and not seen.collection.approximate
        ):  # these were all
            inside = (positions >= 0) & (positions < seen.state.applied)
            _require_all(seen, mode, len(np.unique(positions[inside])))
        rest = -np.inf if len(positions) < n else bound(float(products[-1]), largest, query, highest)
        return Proposals(positions, rest, absent)

    return propose


def _asked(
    engine: Engine, vector: Float32[np.ndarray, " e"], n: int, least: float, condition: Condition
) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
    if isinstance(engine, Filtering) and condition:
        return engine.query_where(vector, n, least, condition)
    return engine.query(vector, n, least)


def _scored(seen: View, asked: Asked) -> Float[np.ndarray, " n"]:
    """The score of each clip that the engine has, -inf of those that have none; in blocks."""
    found = np.full(seen.state.applied, -np.inf)
    for start in range(0, len(found), _SCORED):
        end = min(start + _SCORED, len(found))
        positions, scores = score(seen, clip_selection.positions_within(seen.db, start, end), asked)
        found[positions] = scores
    return found


def _scanned(seen: View, asked: Asked) -> Float[np.ndarray, " n"]:
    """The highest score that each clip may have in mode `both`, by the vectors of each modality."""
    alone = [_products(seen, asked, mode) for mode in _ALONE]
    found = np.empty(seen.state.applied, np.float32)
    own = video_weight_of(seen.collection.record, asked.point) if asked.mode.fusion == "weighted" else 0.5
    for start in range(0, len(found), _BLOCK):
        part = slice(start, start + _BLOCK)
        audio, video = (limits(products[part], largest, query) for products, largest, query in alone)
        share = np.nan_to_num(seen.rows[part, -1][: len(audio)], nan=0.5) if asked.mode.fusion == "attention" else own
        with np.errstate(invalid="ignore"):  # no sound, no picture: infinitely far
            mean = (1 - share) * audio + share * video  # of distances, a sum of one sign keeps its digits
        lone = np.isinf(audio) | np.isinf(video)
        found[part] = np.where(lone, np.maximum(audio, video), mean)
        if asked.corrected:
            found[part] += addends(seen.rows[part][: len(audio)], seen.collection.record, asked.mode)
            found[part] = np.where(np.isinf(found[part]), -np.inf, np.nextafter(found[part], np.float32(np.inf)))
    return found


def _best_of(most: Float[np.ndarray, " n"]) -> Propose:
    """By the highest score that each clip may have; -inf of clips that have none."""

    def propose(n: int, least: float) -> Proposals:
        near = max(least, float(np.finfo(np.float32).min))  # no clip that is infinitely far
        possible = int(np.count_nonzero(most >= near))
        top = torch.from_numpy(most).topk(min(n, possible))
        return Proposals(top.indices.numpy(), float(top.values[-1]) if n < possible else -np.inf)

    return propose


def _products(seen: View, asked: Asked, mode: Mode) -> tuple[Float32[np.ndarray, " n"], float, Question]:
    """The inner product of each clip that the engine has, -inf without the modality; the greatest length; the query."""
    engine = seen.collection.engine(mode)
    if not isinstance(engine, Scanner):
        kind = seen.collection.record.engine
        raise ConfigError(f"the engine {kind} says that it scans, and has no `products`; mend SCANS in its module")
    query = question(asked.point, seen.collection.space(mode))
    products = engine.products(query.vector)[: seen.state.applied]
    missing = seen.state.applied - len(products)
    if missing:
        products = np.pad(products, (0, missing), constant_values=-np.inf)
    return products, clip_table.longest(seen.db, str(mode)), query
