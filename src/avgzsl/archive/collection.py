"""An index: a folder with the run that made it, a table of its clips, their embeddings, and an engine.

`index.json` says what it is, `run/` is a copy of the run, `clips.sqlite` and `embeddings.f32` are the truth; `engine/`
has what an engine makes of it, which may lag behind or be made anew. A batch of clips is there once it stands in the
table, all of it at once; a search sees the table as it was when it began.

While an index is made, and while it is removed, its record has another name, `index.json.begun`: what is in such a
folder is nothing yet, or nothing any more, and who makes an index there next clears it.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from avgzsl.archive import clip_table, embeddings
from avgzsl.archive.clip_table import Clip, State
from avgzsl.archive.engines import Engine, address, drop, engines, open_engine, scans
from avgzsl.archive.fused import fused
from avgzsl.archive.index_record import RECORD, IndexRecord, describe, read_record, require_shape, write_record
from avgzsl.archive.writer import LOCK, only_writer, refused
from avgzsl.errors import AvgzslError, ConfigError, DataError, RunError, UnknownNameError
from avgzsl.experiments.calibration import RECOGNITION
from avgzsl.experiments.protocol import Mode, served_modes
from avgzsl.experiments.run import CHECKPOINT, CLASSES, CONFIG, MODEL, Run, load_run, run_id
from avgzsl.media.version import DECODER
from avgzsl.methods import Embeddings, MethodChoice
from avgzsl.recognition.encoders import CARDS, WEIGHTS
from avgzsl.support.registry import unknown
from avgzsl.support.trust import copy_regular, require_no_links
from avgzsl.support.weights import identify
from avgzsl.types import MODALITIES

RUN, ENGINE, STORES = "run", "engine", "stores"  # `stores`: features of media files
_BEGUN = f"{RECORD}.begun"
_NEEDED = (CONFIG, CLASSES, MODEL, RECOGNITION)  # of a run
_APPLY = 16384  # clips that an engine takes at a time; as many at most are searched without it


@dataclass(frozen=True, eq=False)
class Collection:
    """An opened index. Its engine is opened at the first search, one set of vectors a mode.

    `url` is where the user says that the engine is; `checked` are the modes whose vectors were counted.
    """

    folder: Path
    record: IndexRecord
    run: Run
    url: str | None = None
    checked: set[Mode] = field(default_factory=set)
    opened: dict[Mode, Engine] = field(default_factory=dict)

    @property
    def modes(self) -> list[Mode]:
        """In which it can be searched; each orders clips in its own way."""
        return served_modes(self.run.method)

    @property
    def stored(self) -> list[Mode]:
        """Whose vectors the engine has: all, but those of `both` where sound and picture tell it (`proposals`)."""
        scanned = self.run.method.similarity == "euclidean" and scans(self.record.engine)
        if scanned and set(self.record.parts) == set(MODALITIES):
            return [Mode(modality, "equal") for modality in MODALITIES]
        return self.modes

    def engine(self, mode: Mode) -> Engine:
        """The vectors of a mode. Raises ConfigError where the user has not said where the engine is."""
        if mode not in self.opened:
            at = self.folder / ENGINE, engine_name(self.record, mode), self.record.dimension + 1
            self.opened[mode] = open_engine(self.record.engine, *at, self.address())
        return self.opened[mode]

    def address(self) -> str | None:
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
    db: sqlite3.Connection
    state: State
    rows: Float32[np.ndarray, "_n _w"]

    def embeddings(self, positions: Int64[np.ndarray, " n"]) -> Embeddings:
        """Of the clips at these positions, in that order."""
        return embeddings.unpack(self.rows[positions], self.collection.record)

    def clips(self, positions: Int64[np.ndarray, " n"]) -> list[Clip]:
        """What is known of the clips at these positions, in that order."""
        return clip_table.clips_at(self.db, positions.tolist())

    def positions(self, condition: str = "true", values: tuple[object, ...] = ()) -> Int64[np.ndarray, " n"]:
        """Of all clips that meet an SQL condition, ascending."""
        return np.array(clip_table.positions(self.db, condition, values), np.int64)


def create(folder: Path, run: Run, engine: str, url: str | None = None, decoder: int = DECODER) -> Collection:
    """An empty index for features of a version of the decoder, made by a run, of which it keeps a copy.

    What a killed creation left there is cleared.

    Raises DataError when something else is in the folder, AvgzslError when another process is at it, UnknownNameError,
    ConfigError for the engine.
    """
    if engine not in engines():
        raise UnknownNameError(unknown("engine", engine, engines()))
    made = Collection(folder, describe(run, engine, address(engine, url), decoder), run, url)
    _require_free(folder)
    there_before = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise refused(folder, problem, new=True) from problem
    with only_writer(folder):
        _require_free(folder)  # others may have been quicker
        try:
            _clear(folder)
            _write(made)
        except BaseException as problem:
            discard(made, there_before)
            if not isinstance(problem, OSError):
                raise
            raise refused(folder, problem, new=True) from problem
    return open_collection(folder, url, type(run.method))


def discard(collection: Collection, keep_folder: bool) -> None:
    """Remove an index that is held, from its engine's server too; with `keep_folder`, the folder stays, empty."""
    folder = collection.folder
    with suppress(FileNotFoundError):
        (folder / RECORD).replace(folder / _BEGUN)  # no index from here on
    with suppress(AvgzslError):  # a server that does not answer
        drop_vectors(collection)
    with suppress(OSError):  # another process may have come in; what stays is cleared by who comes next
        _clear(folder)
        (folder / LOCK).unlink()
        if not keep_folder:
            folder.rmdir()


def _require_free(folder: Path) -> None:
    """Raises DataError where an index, or anything but what a killed creation leaves, is in the way."""
    if (folder / RECORD).exists():
        raise DataError(f"{folder}: another process has made an index here; run the same again: it goes on with that")
    try:
        names = [file.name for file in folder.iterdir()]
    except FileNotFoundError:
        return
    except OSError as problem:
        raise DataError(f"{folder}: is no folder for an index ({problem.strerror}); choose another place") from problem
    if strange := sorted(name for name in names if not _own(name, _BEGUN in names)):
        raise DataError(
            f"{folder}: is not an empty folder and no index (it has {strange[0]!r}); choose another place or remove it"
        )


def _own(name: str, begun: bool) -> bool:
    """Whether an index that is not made yet may have it."""
    if name == LOCK or (name.startswith(f".{RECORD}.") and name.endswith(".tmp")):
        return True
    return begun and (name in (RUN, ENGINE, STORES, _BEGUN, embeddings.FILE) or name.startswith(clip_table.FILE))


def _clear(folder: Path) -> None:
    """Remove all of an index but the lock, its record last."""
    for child in sorted(folder.iterdir(), key=lambda child: child.name == _BEGUN):
        if child.name != LOCK:
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()


def drop_vectors(collection: Collection) -> None:
    """Throw away what the engine has, damaged or not. Raises AvgzslError where it refuses."""
    collection.close()
    record, url = collection.record, collection.address()
    for mode in collection.stored:
        drop(record.engine, collection.folder / ENGINE, engine_name(record, mode), url)


def _write(made: Collection) -> None:
    """All that an empty index has; it is one when its record has its name."""
    folder = made.folder
    write_record(folder, made.record, _BEGUN)
    for file in _files_of(made.run):
        copy = folder / RUN / file.relative_to(made.run.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy_regular(file, copy, RunError)
    clip_table.create(folder)
    for mode in made.stored:
        made.engine(mode).create()  # is it installed, is it there
    made.close()
    (folder / _BEGUN).replace(folder / RECORD)


def open_collection(
    index: Path | str | Collection, url: str | None = None, method: MethodChoice | None = None
) -> Collection:
    """Open an index, which somebody else may have made; `url` is where its engine is, if that is not on disk.

    `method` is that of its run, where it is in a file: see `load_run`.

    Nothing is called, nothing written, and nothing read that lies outside the folder. One that is opened already is
    given back. Raises DataError for a damaged index or one with links in it, RunError when its run is not the one that
    made it, ConfigError for the url.
    """
    if isinstance(index, Collection):
        if url is not None:
            raise ConfigError(f"{index.folder}: is opened already, with an address or without; leave url out")
        return index
    folder = Path(index)
    if os.path.lexists(folder / RECORD):
        require_no_links(folder, DataError)
    record = read_record(folder)
    if record.engine not in engines():
        raise UnknownNameError(f"{folder}: {unknown('engine', record.engine, engines())}")
    if url is not None:
        address(record.engine, url)
    run = load_run(folder / RUN, method)
    require_run(folder, record, run)
    require_shape(folder, record, run)
    with clip_table.opened(folder) as db:
        clip_table.require_sound(db, folder)
    return Collection(folder, record, run, url)


def require_run(folder: Path, record: IndexRecord, run: Run) -> None:
    """Raises RunError unless the run is the one that made the index."""
    found = run_id(run.method)
    if found != record.run:
        raise RunError(
            f"{folder}: was made by the run {record.run[:12]} ({record.method}), and {run.folder} is {found[:12]} "
            f"({run.config.method}): embeddings of two runs do not compare. Give that run, or index into another folder"
        )


def engine_name(record: IndexRecord, mode: Mode) -> str:
    """What an engine calls the vectors of a mode: other indexes may share a server."""
    return f"avgzsl-{record.id}-{mode}"


@contextmanager
def view(collection: Collection) -> Iterator[View]:
    """The collection as it is now, while others may change it."""
    with clip_table.opened(collection.folder) as db, clip_table.transaction(db):
        yield view_of(collection, db)


def view_of(collection: Collection, db: sqlite3.Connection) -> View:
    """The collection as a transaction sees it."""
    now = clip_table.state(db)
    return View(collection, db, now, embeddings.mapped(collection.folder, now.end, collection.record))


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
        for half in (*folder.glob(".*.tmp"), *(folder / RUN).glob(".*.tmp")):
            half.unlink(missing_ok=True)
        yield


@contextmanager
def writing(collection: Collection) -> Iterator[sqlite3.Connection]:
    """The table of an index that is held. Raises as `held`, and as `clip_table.opened`."""
    with held(collection), clip_table.opened(collection.folder, write=True) as db:
        yield db


def append(collection: Collection, db: sqlite3.Connection, clips: Sequence[Clip], embedded: Embeddings) -> None:
    """Put clips in, all or none, on disk when it comes back; older ones of the same id make way.

    Raises DataError for an embedding that is not finite, AvgzslError for a full disk.
    """
    rows = embeddings.pack(embedded, collection.record)
    lengths = {}
    for mode in collection.stored:
        keep = embedded.scorable(mode.modality)
        vectors = fused(embedded.where(keep), mode, collection.run.method.similarity)
        lengths[str(mode)] = longest(vectors)
    with clip_table.transaction(db, write=True):
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
        here = np.array(clip_table.positions(db, "position >= ? and position < ?", (start, end)), np.int64)
        clips = embeddings.unpack(stored[here], collection.record)
        for mode in collection.stored:
            keep = clips.scorable(mode.modality)
            vectors = fused(clips.where(keep), mode, collection.run.method.similarity)
            clip_table.lengthen(db, {str(mode): longest(vectors)})
            collection.engine(mode).upsert(here[keep.numpy()], vectors)
        clip_table.set_applied(db, end)


def longest(vectors: Float32[np.ndarray, "_n _e"]) -> float:
    """The greatest length of a vector."""
    return float(np.linalg.norm(vectors.astype(np.float64), axis=1).max(initial=0))


def remove(collection: Collection, db: sqlite3.Connection, ids: Sequence[str]) -> int:
    """Take clips out of sight; gives how many were there."""
    with clip_table.transaction(db, write=True):
        return clip_table.bury(db, list(ids))


def purge(collection: Collection, db: sqlite3.Connection) -> int:
    """Erase what was removed or replaced from all that is stored; gives how many clips."""
    dead = np.array(clip_table.dead(db), np.int64)
    clip_table.next_generation(db)
    for mode in collection.stored:
        if clip_table.state(db).applied:
            collection.engine(mode).count()  # is it there: from another server nothing would be erased
        collection.engine(mode).delete(dead)
    embeddings.wipe(collection.folder, dead, collection.record)
    clip_table.forget_dead(db)
    return len(dead)


def _files_of(run: Run) -> list[Path]:
    """What an index keeps of a run, which somebody else may have made: an index is shared.

    Links, of which a hub's copy is made, are followed to what a run has to have and to what its record knows by hash.
    """
    files = [file for file in sorted(run.folder.iterdir()) if file.is_file() and not _passing(file)]
    kept = [file for file in files if file.name in _NEEDED or not file.is_symlink()]
    known = {one.sha256 for encoder in run.config.data.encoders.values() for one in encoder.weights}
    carried = (file for part in (WEIGHTS, CARDS) for file in sorted((run.folder / part).rglob("*")) if file.is_file())
    return [*kept, *(file for file in carried if identify(file).sha256 in known)]


def _passing(file: Path) -> bool:
    return file.name == CHECKPOINT or file.suffix == ".tmp"
