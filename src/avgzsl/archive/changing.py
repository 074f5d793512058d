"""What changes an index: clips go in and out, its engine takes what is new, and what was removed is erased.

One process writes at a time (`held`); the table alone says what is there, so that a search beside it sees all or none.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from avgzsl.archive import clip_database, clip_selection, clip_table, embeddings
from avgzsl.archive.addends import addends_of
from avgzsl.archive.clip_database import Connection
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import ENGINE, RUN, Collection, engine_name
from avgzsl.archive.engines import Filtering, drop, filters
from avgzsl.archive.index_record import read_record
from avgzsl.archive.vectors import vectors_of
from avgzsl.archive.writer import only_writer
from avgzsl.errors import DataError
from avgzsl.methods import Embeddings

_APPLY = 16384  # clips that an engine takes at a time; as many at most are searched without it


@contextmanager
def held(collection: Collection) -> Iterator[None]:
    """The index, held against other writers; what killed ones left goes away.

    Raises AvgzslError when another process writes or the storage is read-only, DataError when it is an index no more.
    """
    folder = collection.folder
    with only_writer(folder):
        try:
            same = read_record(folder).id == collection.record.id
        except DataError:
            same = False
        if not same:
            raise DataError(f"{folder}: is not the index that it was, another process removed it; run the same again")
        for unfinished in (*folder.glob(".*.tmp"), *(folder / RUN).glob(".*.tmp")):
            unfinished.unlink(missing_ok=True)
        yield


@contextmanager
def writing(collection: Collection) -> Iterator[Connection]:
    """The table of an index that is held. Raises as `held`, and as `clip_database.opened`."""
    with held(collection), clip_database.opened(collection.folder, write=True) as db:
        yield db


def append(collection: Collection, db: sqlite3.Connection, clips: Sequence[IndexedClip], embedded: Embeddings) -> None:
    """Put clips in, all or none, on disk when it comes back; older ones of the same id make way.

    Raises DataError for an embedding that is not finite, AvgzslError for a full disk.
    """
    record = collection.record
    addends = None
    if record.energy:
        addends = addends_of(collection.run.method, embedded, collection.seen_text, record)
    rows = embeddings.pack(embedded, record, addends)
    unpacked = embeddings.unpack(rows, record)
    lengths: dict[str, float] = {}
    for mode in collection.stored:
        lengths |= vectors_of(record, collection.space(mode), unpacked, rows)[2]
    with clip_database.transaction(db, write=True):
        embeddings.append(collection.folder, clip_table.state(db).end, rows)
        clip_table.insert(db, list(clips), embeddings.checksums(rows))
        clip_table.lengthen(db, lengths)


def apply(collection: Collection, db: sqlite3.Connection, enough: int = _APPLY) -> None:
    """Give the engine what it has not got yet, if that is `enough` clips. Raises AvgzslError where it refuses."""
    now = clip_table.state(db)
    if now.end - now.applied < max(enough, 1):
        return
    if not now.applied:
        for mode in collection.stored:
            collection.engine(mode).create()
    stored = embeddings.mapped(collection.folder, now.end, collection.record)
    for start in range(now.applied, now.end, _APPLY):
        end = min(start + _APPLY, now.end)
        positions = clip_selection.positions_within(db, start, end)
        rows = stored[positions]
        clips = embeddings.unpack(rows, collection.record)
        known = clip_table.clips_at(db, positions) if filters(collection.record.engine) else []
        for mode in collection.stored:
            keep, vectors, lengths = vectors_of(collection.record, collection.space(mode), clips, rows)
            clip_table.lengthen(db, lengths)
            engine = collection.engine(mode)
            if isinstance(engine, Filtering):
                engine.upsert_known(positions[keep], vectors, [known[row] for row in np.flatnonzero(keep)])
            else:
                engine.upsert(positions[keep], vectors)
        clip_table.set_applied(db, end)


def remove(collection: Collection, db: sqlite3.Connection, ids: Sequence[str]) -> int:
    """Take clips out of sight; gives how many were there."""
    with clip_database.transaction(db, write=True):
        return clip_table.bury(db, list(ids))


def purge(collection: Collection, db: sqlite3.Connection) -> int:
    """Erase what was removed or replaced from all that is stored; gives how many clips."""
    dead = clip_table.dead(db)
    clip_table.next_generation(db)
    for mode in collection.stored:
        if clip_table.state(db).applied:
            collection.engine(mode).count()  # raises where it is not there: from another server nothing would be erased
        collection.engine(mode).delete(dead)
    embeddings.wipe(collection.folder, dead, collection.record)
    clip_table.forget_dead(db)
    return len(dead)


def drop_vectors(collection: Collection) -> None:
    """Throw away what the engine has, damaged or not. Raises AvgzslError where it refuses."""
    collection.close()
    record, url = collection.record, collection.address()
    for mode in collection.stored:
        drop(record.engine, collection.folder / ENGINE, engine_name(record, mode), url)
