"""What an extraction has finished, durable batch by batch: a SQLite file in the store, from which it goes on.

A clip is known by its path and span; its file by path, size, modification time and hash. Where the steps of clips are
kept, they stand in a table of their own, which else is not there. Removing the journal loses
nothing but the time to extract again.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from avgzsl.errors import AvgzslError, MediaError, RunError
from avgzsl.features.clip_steps import ClipSteps
from avgzsl.features.embedding import Outcome, file_hash
from avgzsl.features.encoder_record import EncoderRecord
from avgzsl.features.manifest import Row
from avgzsl.features.store_record import Part
from avgzsl.media.version import DECODER
from avgzsl.support.trust import require_own_journal, require_regular
from avgzsl.types import MODALITIES, Modality

JOURNAL = "journal.sqlite"
FORMAT = 1
_STEPS = """
create table if not exists steps (
    path text not null, start real not null, stop real not null, modality text not null, steps blob not null,
    times blob not null, primary key (path, start, stop, modality));
create trigger if not exists no_steps_without_their_clip after delete on clips begin
    delete from steps where path = old.path and start = old.start and stop = old.stop; end;
"""
_TABLES = """
create table if not exists about (key text primary key, value text not null);
create table if not exists files (
    path text primary key, size integer not null, mtime_ns integer not null, sha256 text not null, duration real);
create table if not exists clips (
    path text not null, start real not null, stop real not null, audio blob, video blob, info text not null,
    primary key (path, start, stop));
create temporary table wanted (path text, start real, stop real, primary key (path, start, stop)) without rowid;
"""


class FileState(NamedTuple):
    """A file as it was when it was hashed; `duration` in seconds, None where it was not measured."""

    size: int
    mtime_ns: int
    sha256: str
    duration: float | None = None


class Finished(NamedTuple):
    """What was extracted from a clip; None for a modality that it lacks. `info` is JSON."""

    audio: Float32[np.ndarray, " _a"] | None
    video: Float32[np.ndarray, " _v"] | None
    info: str
    sequences: Mapping[Modality, ClipSteps] = MappingProxyType({})


class Journal:
    """An open journal, which no other process can open meanwhile."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection, self.path = connection, path
        self.keeps_sequences = False

    def file(self, path: str) -> FileState | None:
        """The state in which a file was hashed last; None for a file that the journal does not know."""
        row = self.connection.execute(
            "select size, mtime_ns, sha256, duration from files where path = ?", (path,)
        ).fetchone()
        return None if row is None else FileState(*row)

    def set_file(self, path: str, state: FileState) -> None:
        """Record the state of a file; if its content has changed, what was extracted from it is removed.

        It becomes durable with the next batch; until then nothing is lost with it.
        """
        self.connection.execute(
            "delete from clips where path = ? and not exists (select 1 from files where path = ? and sha256 = ?)",
            (path, path, state.sha256),
        )
        self.connection.execute("insert or replace into files values (?, ?, ?, ?, ?)", (path, *state))

    def current(self, root: Path, path: str) -> FileState:
        """The present state of a file, which is recorded; it is hashed only if its size or modification time changed.

        Raises MediaError when it cannot be read.
        """
        try:
            status, noted = (root / path).stat(), self.file(path)
            if noted is not None and (status.st_size, status.st_mtime_ns) == noted[:2]:
                return noted
        except OSError as problem:
            raise MediaError(f"{root / path}: cannot be read ({problem})") from problem
        state = FileState(status.st_size, status.st_mtime_ns, file_hash(root / path))
        self.set_file(path, state)
        return state

    def has(self, row: Row) -> bool:
        """Whether a clip is finished; one of which the steps are to be kept is, when they are there."""
        table = "steps" if self.keeps_sequences else "clips"
        cursor = self.connection.execute(f"select 1 from {table} where path = ? and start = ? and stop = ?", _key(row))
        return cursor.fetchone() is not None

    def is_empty(self) -> bool:
        """Whether no clip is finished."""
        return self.connection.execute("select 1 from clips").fetchone() is None

    def add(self, finished: Iterable[tuple[Row, Outcome]]) -> None:
        """Keep what was extracted from these clips: all of it or, if the process is killed meanwhile, nothing."""
        finished = list(finished)
        with self.connection:
            self.connection.executemany(
                "insert or replace into clips values (?, ?, ?, ?, ?, ?)",
                ((*_key(row), _bytes(out.audio), _bytes(out.video), json.dumps(out.info)) for row, out in finished),
            )
            if self.keeps_sequences:
                self.connection.executemany(
                    "insert or replace into steps values (?, ?, ?, ?, ?, ?)",
                    (
                        (*_key(row), modality, _bytes(own.steps), _bytes(own.times))
                        for row, out in finished
                        for modality, own in out.sequences.items()
                    ),
                )

    def finished(self, row: Row) -> Finished | None:
        """What was extracted from a clip; None if it is not finished."""
        stored = self.connection.execute(
            "select audio, video, info from clips where path = ? and start = ? and stop = ?", _key(row)
        ).fetchone()
        if stored is None:
            return None
        return Finished(_array(stored[0]), _array(stored[1]), stored[2], self._sequences(row))

    def _sequences(self, row: Row) -> dict[Modality, ClipSteps]:
        if not self.keeps_sequences:
            return {}
        stored = self.connection.execute(
            "select modality, steps, times from steps where path = ? and start = ? and stop = ?", _key(row)
        )
        return {modality: _steps(steps, times) for modality, steps, times in stored}

    def step_totals(self, rows: Iterable[Row], encoders: Mapping[Part, object]) -> dict[Modality, int]:
        """How many steps these clips have in all, in each modality that is extracted; nothing where none are kept."""
        if not self.keeps_sequences:
            return {}
        totals: dict[Modality, int] = {modality: 0 for modality in MODALITIES if modality in encoders}
        for row in rows:
            stored = self.connection.execute(
                "select modality, length(times) / 4 from steps where path = ? and start = ? and stop = ?", _key(row)
            )
            for modality, count in stored:
                totals[modality] += count
        return totals

    def keep_sequences(self, keep: bool) -> None:
        """Say whether the steps of clips are kept. Raises RunError where they were, and now are not to be."""
        tables = self.connection.execute("select 1 from sqlite_master where name = 'steps'")
        if tables.fetchone() is not None and not keep:
            raise RunError(
                f"{self.path.parent}: keeps the steps of its clips, and a store of means alone was asked for; give "
                "--keep-sequence again, or choose another folder"
            )
        if keep:
            self.connection.executescript(_STEPS)
            self.keeps_sequences = True

    def keep(self, rows: Iterable[Row]) -> None:
        """Forget every clip and file but these."""
        with self.connection:
            self.connection.execute("delete from wanted")
            self.connection.executemany("insert into wanted values (?, ?, ?)", map(_key, rows))
            self.connection.execute("delete from clips where (path, start, stop) not in (select * from wanted)")
            self.connection.execute("delete from files where path not in (select path from wanted)")

    def require(self, encoders: Mapping[Part, EncoderRecord]) -> None:
        """Record the backbones and decoder of this journal. Raises RunError if it was made with others."""
        described = json.dumps(
            {modality: encoder.model_dump(mode="json") for modality, encoder in sorted(encoders.items())}
        )
        with self.connection:
            self.connection.execute("insert or ignore into about values ('format', ?)", (str(FORMAT),))
            self.connection.execute("insert or ignore into about values ('backbones', ?)", (described,))
            # one without a version that holds clips is older than the versions
            version = DECODER if self.is_empty() else 0
            self.connection.execute("insert or ignore into about values ('decoder', ?)", (str(version),))
        facts = dict(self.connection.execute("select key, value from about").fetchall())
        if int(facts["format"]) > FORMAT:
            raise RunError(f"{self.path}: of a newer avgzsl; upgrade avgzsl, or choose another folder")
        if facts["backbones"] != described:
            raise RunError(
                f"{self.path.parent}: holds features of other backbones, and they are not mixed:\n"
                f"  there: {_described(facts['backbones'])}\n  asked: {_described(described)}\n"
                "Give the same ones, or choose another folder"
            )
        if int(facts["decoder"]) != DECODER:
            raise RunError(
                f"{self.path.parent}: its clips were decoded by version {facts['decoder']} of the decoder, and this "
                f"avgzsl has version {DECODER}, of which frames and sound may differ; they are not mixed. It can be "
                "read, trained on and indexed as it is. To add clips, make it anew: the same `avgzsl extract` with "
                "another folder, `--out NEW`"
            )


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open a journal, which is made if it is not there.

    Raises RunError when another process has it or it is damaged, here and as long as it is open; AvgzslError when the
    disk refuses.
    """
    connection: sqlite3.Connection | None = None
    require_regular(path, RunError)
    if path.is_symlink():
        raise RunError(f"{path}: is a link, and what it leads to would be written; remove it, or choose another folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise AvgzslError(f"{path}: could not be made ({problem.strerror}); choose another place") from problem
    require_own_journal(path, RunError)
    try:
        connection = sqlite3.connect(path, timeout=1.0)
        # the lock is the system's: it goes with the process, however that ends
        for pragma in ("locking_mode = exclusive", "journal_mode = wal", "synchronous = full"):
            connection.execute(f"pragma {pragma}")
        connection.executescript(_TABLES)
        yield Journal(connection, path)
    except sqlite3.OperationalError as problem:
        if "locked" in str(problem):
            raise RunError(f"{path}: another extraction writes there; wait for it, or choose another folder") from None
        raise AvgzslError(f"{path}: could not be written ({problem}); free some space or choose another place") from (
            problem
        )
    except sqlite3.DatabaseError as problem:
        raise RunError(f"{path}: damaged ({problem}); remove it, and what it held is extracted again") from problem
    finally:
        if connection is not None:
            connection.close()


def _key(row: Row) -> tuple[str, float, float]:
    return row.path, row.start, -1.0 if row.end is None else row.end  # NULLs of a key all differ


def _bytes(features: Float32[np.ndarray, "..."] | None) -> bytes | None:
    return None if features is None else features.astype("<f4", copy=False).tobytes()


def _steps(steps: bytes, times: bytes) -> ClipSteps:
    seconds = np.frombuffer(times, dtype="<f4")
    return ClipSteps(np.frombuffer(steps, dtype="<f4").reshape(len(seconds), -1), seconds)


def _array(blob: bytes | None) -> Float32[np.ndarray, " d"] | None:
    return None if blob is None else np.frombuffer(blob, dtype="<f4")


def _described(encoders: str) -> str:
    shown = []
    for modality, encoder in json.loads(encoders).items():
        files = [f"{file['name']} {file['sha256'][:12]}" for file in encoder["weights"]]
        more = ([encoder["precision"]] if "precision" in encoder else []) + ["unit rows"] * encoder.get("unit", False)
        shown.append(f"{modality} {encoder['spec']} ({', '.join([str(encoder['dimension']) + '-d', *more, *files])})")
    return "; ".join(shown)
