"""Is an index what was written, and the engine made anew from the stored embeddings."""

import zlib
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float64

from avgzsl.archive import clip_counts, clip_database, clip_selection, clip_table, embeddings
from avgzsl.archive.bounds import rounding
from avgzsl.archive.changing import apply, drop_vectors, writing
from avgzsl.archive.collection import Collection, View, view, view_of
from avgzsl.archive.engines import Rounding, ShardedEngine
from avgzsl.archive.fused import Question
from avgzsl.archive.results import Faults
from avgzsl.archive.vectors import vectors_of
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.experiments.protocol import Mode

_CHUNK = 16384


def verify(collection: Collection) -> Faults:
    """Read all that is stored: the table, each row against its checksum, each vector of the engine against its row.

    Raises ConfigError where the user has not said where the engine is.
    """
    collection.address()
    try:
        with view(collection) as seen:
            truth = _table_faults(seen) + _row_faults(seen)
            asked = [] if truth or not seen.state.applied else collection.stored
            engine, unanswered = _asked(seen, asked)
    except AvgzslError as problem:
        return Faults(truth=(str(problem),))
    except MemoryError:
        return Faults(truth=(f"{collection.folder}: says that it has more clips than memory holds",))
    return Faults(tuple(truth), tuple(engine), tuple(unanswered))


def rebuild(collection: Collection) -> None:
    """Throw away what the engine has and make it anew; searches under way and meanwhile miss nothing."""
    collection.address()  # before anything is thrown away
    with writing(collection) as db:
        clip_table.next_generation(db, applied=0)
        drop_vectors(collection)
        apply(collection, db, enough=1)


def rebuild_shard(collection: Collection, shard: int) -> None:
    """Make one shard of a `ShardedEngine` anew, counted from 1; meanwhile it counts as one that does not answer.

    Killed, it is done again. Raises ConfigError where there is no such shard.
    """
    collection.address()
    with writing(collection) as db:
        clip_table.next_generation(db)  # searches under way begin again
        seen = view_of(collection, db)
        shards = {mode: _sharded(collection, mode) for mode in collection.stored}
        for engine in shards.values():
            engine.begin(shard)
        for mode, engine in shards.items():
            _fill(seen, mode, engine, shard)
            engine.end(shard)


def _sharded(collection: Collection, mode: Mode) -> ShardedEngine:
    engine = collection.engine(mode)
    if not isinstance(engine, ShardedEngine):
        kind = collection.record.engine
        raise ConfigError(f"the engine {kind} has no shards; rebuild all of it, without --shard")
    return engine


def _fill(seen: View, mode: Mode, engine: ShardedEngine, shard: int) -> None:
    """Give a shard all that it is to have of what the engine has."""
    record, space = seen.collection.record, seen.collection.space(mode)
    for start in range(0, seen.state.applied, _CHUNK):
        here = clip_selection.positions_within(seen.db, start, min(start + _CHUNK, seen.state.applied))
        here = here[engine.shard_of(here) == shard]
        keep, vectors, _ = vectors_of(record, space, seen.embeddings(here), seen.rows[here])
        engine.upsert(here[keep], vectors)


def _table_faults(seen: View) -> list[str]:
    return [f"{clip_table.FILE}: {fault}" for fault in clip_database.faults(seen.db) or clip_counts.faults(seen.db)]


def _row_faults(seen: View) -> list[str]:
    wrong = []
    for position, name, checksum in clip_table.checksums(seen.db):
        if position >= len(seen.rows) or zlib.crc32(seen.rows[position].tobytes()) != checksum:
            wrong.append(name)
    if not wrong:
        return []
    some = ", ".join(map(repr, wrong[:5])) + (" …" if len(wrong) > 5 else "")
    return [f"{embeddings.FILE}: the embeddings of {len(wrong)} clips are not as they were written: {some}"]


def _asked(seen: View, modes: Iterable[Mode]) -> tuple[list[str], list[str]]:
    """What is wrong with the engine, and where it does not answer; one that did not is not waited for mode by mode."""
    faults: list[str] = []
    unanswered: list[str] = []
    for mode in modes:
        if unanswered:
            unanswered.append(f"engine, {mode}: not asked, as it did not answer before")
            continue
        try:
            faults += _engine_faults(seen, mode)
        except DataError as problem:
            faults.append(f"engine, {mode}: {problem}")
        except AvgzslError as problem:
            unanswered.append(f"engine, {mode}: {problem}")
    return faults, unanswered


def _engine_faults(seen: View, mode: Mode) -> list[str]:
    """A random direction tells any two vectors apart: one query for all compares every vector with its row.

    Vectors that an engine keeps rounded are compared by the engine itself. Raises what the engine raises.
    """
    size, space = seen.collection.size(mode), seen.collection.space(mode)
    direction = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    direction[-1] = -1.0  # as in every query
    here = clip_selection.positions_within(seen.db, 0, seen.state.applied)
    expected, extremes = _products(seen, here, mode, direction)
    for name, largest in extremes.items():
        if largest > clip_table.greatest(seen.db, name, -np.inf):
            what = "greatest length of a vector" if name == str(mode) else "largest addend of a clip"
            return [f"engine, {mode}: the {what} is {largest:g}, which is not what is noted"]
    engine = seen.collection.engine(mode)
    positions, products = engine.query(direction, max(engine.count(), 1))
    held = _held(seen, here, mode, engine) if isinstance(engine, Rounding) else np.zeros(len(here), bool)
    answered = np.full(seen.state.end, np.nan)
    inside = positions < seen.state.end
    answered[positions[inside]] = products[inside]
    in_mode = ~np.isnan(expected)
    asked = Question(direction, space, 0.0, 1.0, space.body(size))
    allowed = rounding(asked, clip_table.longest(seen.db, str(mode)))
    exact = ~engine.rounds(here) if isinstance(engine, Rounding) else np.ones(len(here), bool)
    close = np.where(exact, np.abs(answered[here] - expected) <= allowed, held)
    wrong = here[in_mode & ~close]
    if not len(wrong):
        return []
    return [f"engine, {mode}: {len(wrong)} of {int(in_mode.sum())} clips are missing or not as they were written"]


def _held(seen: View, here: np.ndarray, mode: Mode, engine: Rounding) -> Bool[np.ndarray, " n"]:
    """Of which clips an engine that rounds has the vector."""
    held = np.zeros(len(here), bool)
    for start in range(0, len(here), _CHUNK):
        positions = here[start : start + _CHUNK]
        space = seen.collection.space(mode)
        keep, vectors, _ = vectors_of(seen.collection.record, space, seen.embeddings(positions), seen.rows[positions])
        held[start : start + _CHUNK][keep] = engine.holds(positions[keep], vectors)
    return held


def _products(
    seen: View, here: np.ndarray, mode: Mode, direction: np.ndarray
) -> tuple[Float64[np.ndarray, " n"], dict[str, float]]:
    """Of each clip's vector with the direction, NaN for clips that are not in the mode; the extremes of vectors."""
    collection, expected = seen.collection, np.full(len(here), np.nan)
    largest: dict[str, float] = {}
    for start in range(0, len(here), _CHUNK):
        positions = here[start : start + _CHUNK]
        clips, rows = seen.embeddings(positions), seen.rows[positions]
        keep, vectors, extremes = vectors_of(collection.record, collection.space(mode), clips, rows)
        expected[start : start + _CHUNK][keep] = vectors.astype(np.float64) @ direction
        largest |= {name: max(value, largest.get(name, -np.inf)) for name, value in extremes.items()}
    return expected, largest
