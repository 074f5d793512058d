"""An index: a folder with the run that made it, a table of its clips, their embeddings, and an engine.

`index.json` says what it is, `run/` is a copy of the run, `clips.sqlite` and `embeddings.f32` are the truth; `engine/`
has what an engine makes of it, which may lag behind or be made anew. A batch of clips is there once it stands in the
table, all of it at once; a search sees the table as it was when it began.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from avgzsl.archive import clip_counts, clip_database, clip_selection, clip_table, embeddings
from avgzsl.archive.addends import seen_text
from avgzsl.archive.clip_counts import Kind
from avgzsl.archive.clip_database import Connection
from avgzsl.archive.clip_table import IndexedClip, State
from avgzsl.archive.engines import PLUGINS, Engine, address, engines, is_approximate, open_engine, scans
from avgzsl.archive.fused import Space
from avgzsl.archive.index_record import RECORD, IndexRecord, read_record, require_searchable, require_shape
from avgzsl.archive.readers import Known, Readers
from avgzsl.archive.standard_record import apply_standard
from avgzsl.archive.where import Condition
from avgzsl.errors import ConfigError, DataError, RunError, UnknownNameError
from avgzsl.experiments.protocol import Mode, served_modes
from avgzsl.experiments.run import Run, load_run, run_id
from avgzsl.methods import Embeddings, MethodChoice, TextEmbeddings
from avgzsl.support.confidential import Address
from avgzsl.support.registry import unknown
from avgzsl.support.trust import require_no_links
from avgzsl.types import MODALITIES

RUN, ENGINE, STORES = "run", "engine", "stores"  # `stores`: features of media files


@dataclass(frozen=True, eq=False)
class Collection:
    """An opened index. Its engine is opened at the first search, one set of vectors a mode.

    `url` is where the user says that the engine is; `checked` are the modes whose vectors were counted.
    """

    folder: Path
    record: IndexRecord
    run: Run
    url: Address | None = None
    checked: set[Mode] = field(default_factory=set)
    opened: dict[Mode, Engine] = field(default_factory=dict)

    @cached_property
    def name(self) -> str:
        """What people call it: the name that it was given, else its folder's."""
        return self.record.name or self.folder.resolve().name

    @cached_property
    def modes(self) -> list[Mode]:
        """The modes in which it can be searched; each orders clips in its own way."""
        return served_modes(self.run.method)

    @cached_property
    def scans(self) -> bool:
        """Whether its engine gives all inner products at once."""
        return scans(self.record.engine)

    @cached_property
    def stored(self) -> list[Mode]:
        """The modes whose vectors the engine has.

        All, but those of `both` that the vectors of sound and of picture tell, where an engine scans, or that no vector
        can stand for: where the text of each question says how much video counts (`proposals`).
        """
        if set(self.record.parts) != set(MODALITIES):
            return self.modes
        by_text = [mode for mode in self.modes if mode.fusion == "weighted" and self.record.weighted_by_text]
        stored = [mode for mode in self.modes if mode not in by_text]
        if not self.scans:
            return stored
        alone = [Mode(modality, "equal") for modality in MODALITIES]
        if self.run.method.similarity == "euclidean":
            return alone
        return list(dict.fromkeys([*alone, *stored])) if by_text else stored

    @cached_property
    def approximate(self) -> bool:
        """Whether its engine may miss some of the nearest. Raises ConfigError where that hangs on an address."""
        return is_approximate(self.record.engine, self.url)

    def space(self, mode: Mode) -> Space:
        """What the vectors of a mode are made of."""
        joined = self.record.joined and mode.modality == "both"
        energy = str(mode) in self.record.energy
        return Space(mode, self.run.method.similarity, joined, self.record.weight, energy)

    def engine(self, mode: Mode) -> Engine:
        """The vectors of a mode. Raises ConfigError where the user has not said where the engine is."""
        if mode not in self.opened:
            name, size = engine_name(self.record, mode), self.size(mode)
            self.opened[mode] = open_engine(self.record.engine, self.folder / ENGINE, name, size, self.address())
        return self.opened[mode]

    def size(self, mode: Mode) -> int:
        """How many numbers a vector of a mode has."""
        sizes, space = self.record.dimensions, self.space(mode)
        alone = mode.modality if mode.modality in sizes else self.record.parts[0]
        return space.size(sum(sizes.values()) if space.joined else sizes[alone])

    @cached_property
    def readers(self) -> Readers:
        """By which its table is read."""
        return Readers(self.folder)

    @cached_property
    def seen_text(self) -> TextEmbeddings:
        """The text of the seen classes of the run, which the energy term is of. Raises RunError where it is absent."""
        return seen_text(self.run)

    def address(self) -> Address | None:
        """Where the engine is, as the user says. Raises ConfigError where he has not, and it is not on disk."""
        return address(self.record.engine, self.url, self.record.url)

    def close(self) -> None:
        """Close the engine; it opens again when it is needed."""
        while self.opened:
            self.opened.popitem()[1].close()


@dataclass(frozen=True, eq=False)
class View:
    """A collection as it was at one moment: the table, and the embeddings of each position."""

    collection: Collection
    db: Connection
    state: State
    rows: Float32[np.ndarray, "_n _w"]
    known: Known

    def embeddings(self, positions: Int64[np.ndarray, " n"]) -> Embeddings:
        """Of the clips at these positions, in that order."""
        return embeddings.unpack(self.rows[positions], self.collection.record)

    def addends(self, positions: Int64[np.ndarray, " n"], mode: Mode) -> Float32[np.ndarray, " n"]:
        """What the energy term adds to all scores of the clips at these positions, in a mode."""
        added: np.ndarray = embeddings.addends(self.rows, self.collection.record, mode)[positions]
        return added

    def clips(self, positions: Int64[np.ndarray, " n"]) -> list[IndexedClip]:
        """What is known of the clips at these positions, in that order."""
        return clip_table.clips_at(self.db, positions)

    def positions(self, condition: Condition = ()) -> Int64[np.ndarray, " n"]:
        """Positions of all clips that meet a condition, ascending."""
        return self.known.of(("positions", condition), lambda: clip_selection.positions(self.db, condition))

    def counts(self) -> dict[Kind, int]:
        """How many clips there are of each kind."""
        return self.known.of("counts", lambda: clip_counts.counts(self.db))

    def dead(self) -> Int64[np.ndarray, " n"]:
        """Positions of removed and replaced clips, ascending."""
        return self.known.of("dead", lambda: clip_table.dead(self.db))

    def waiting(self, condition: Condition = ()) -> Int64[np.ndarray, " n"]:
        """Positions of the clips that the engine does not have yet, of those that meet a condition; ascending."""
        start, end = self.state.applied, self.state.end
        return self.known.of(
            ("waiting", condition), lambda: clip_selection.positions_within(self.db, start, end, condition)
        )


def open_index(
    index: Path | str | Collection, url: str | Address | None = None, method: MethodChoice | None = None
) -> Collection:
    """Open an index, which somebody else may have made; `url` is where its engine is, if that is not on disk.

    `method` is that of its run, where it is in a file: see `load_run`. Whatever takes an index takes what this gives.

    Nothing is called, nothing written, and nothing read that lies outside the folder. One that is opened already is
    given back. Raises DataError for a damaged index or one with links in it, RunError when its run is not the one that
    made it, ConfigError for the url.
    """
    if isinstance(index, Collection):
        if url is not None:
            raise ConfigError(f"{index.folder}: is opened already, with an address or without; leave url out")
        load_run(index.run, method)  # raises for another method
        return index
    folder = Path(index)
    if os.path.lexists(folder / RECORD):
        require_no_links(folder, DataError)
    record = read_record(folder)
    if record.engine not in PLUGINS.names():
        raise UnknownNameError(f"{folder}: {unknown('engine', record.engine, engines())}")
    where = None if url is None else address(record.engine, url)
    run = load_run(folder / RUN, method)
    require_run(folder, record, run)
    require_searchable(run)
    require_shape(folder, record, run)
    apply_standard(folder, run)
    with clip_database.opened(folder) as db:
        clip_database.require_sound(db, folder)
    return Collection(folder, record, run, where)


def require_run(folder: Path, record: IndexRecord, run: Run) -> None:
    """Raises RunError unless the run is the one that made the index."""
    own = run_id(run.method)
    if own != record.run:
        raise RunError(
            f"{folder}: was made by the run {record.run[:12]} ({record.method}), and {run.folder} is {own[:12]} "
            f"({run.config.method}): embeddings of two runs do not compare. Give that run, or index into another folder"
        )


def engine_name(record: IndexRecord, mode: Mode) -> str:
    """What an engine calls the vectors of a mode: other indexes may share a server."""
    return f"avgzsl-{record.id}-{mode}"


@contextmanager
def view(collection: Collection) -> Iterator[View]:
    """The collection as it is now, while others may change it."""
    with collection.readers.reading() as db, clip_database.transaction(db):
        yield view_of(collection, db)


def view_of(collection: Collection, db: Connection) -> View:
    """The collection as a transaction sees it."""
    now = clip_table.state(db)
    known = collection.readers.known(db)
    rows = embeddings.mapped(collection.folder, now.end, collection.record, known)
    return View(collection, db, now, rows, known)
