"""Approximate: lists of near vectors by faiss (IVF), on disk; few vectors are all compared.

A folder of files that are written once (`_parts`), and a record of those that count. New vectors come into files of one
list, which are compared as they are; `tune` puts them into lists and finds out how many lists to look into.
"""

import shutil
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64
from pydantic import BaseModel, ConfigDict, Field

from avgzsl.archive.engines._base import Found
from avgzsl.archive.engines._lists import BATCH, Lists, learn, probes_for, write_lists
from avgzsl.archive.engines._parts import Part, PartRecord, open_part, write_flat
from avgzsl.errors import DataError
from avgzsl.scores.largest import best
from avgzsl.support.confidential import Address
from avgzsl.support.files import write_json
from avgzsl.support.records import read_record
from avgzsl.support.registry import require

DESCRIPTION = "approximate: faiss IVF on disk, with a stated recall (extra faiss)"
EXAMPLE = None
SCANS = False
DEFAULT = False
APPROXIMATE = True

RECORD = "parts.json"
FORMAT = 1
_MEND = "make it anew with `avgzsl index-rebuild`"
_FEW = 50_000  # vectors that are all compared
_TAIL = 64  # a share of 1/64 of all is compared besides the lists
_COUNTS = (16, 64, 1024)  # of the largest products that lists were looked into for
_MANY = 8  # 1/8 of all vectors: as many as that are found by looking into all lists


class Record(BaseModel):
    """The files that count; into how many lists to look for how many vectors; of how many lists were learned."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int = FORMAT
    dimension: Annotated[int, Field(ge=1, le=1 << 22)]
    parts: list[PartRecord] = []
    probes: list[tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]] = []
    learned: Annotated[int, Field(ge=0)] = 0
    files: Annotated[int, Field(ge=0, lt=10**8)] = 0
    """How many files there ever were: each has a name of its own."""

    @property
    def rows(self) -> int:
        """Vectors of all files."""
        return sum(part.rows for part in self.parts)


class Opened(NamedTuple):
    """A record, what tells it from a newer one, and its files."""

    which: tuple[int, int, int]
    record: Record
    parts: list[Lists]


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Faiss":
    """The vectors in the folder NAME.faiss."""
    return Faiss(folder / f"{name}.faiss", dimension)


def drop(folder: Path, name: str, url: Address | None) -> None:
    """Remove the folder NAME.faiss."""
    shutil.rmtree(folder / f"{name}.faiss", ignore_errors=True)


class Faiss:
    """Vectors in files; opened anew when the record says that there are others."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self.folder, self.dimension = folder, dimension
        self._opened: Opened | None = None

    def create(self) -> None:
        """Make a record of no files, if there is none."""
        require("faiss", "faiss")
        if not (self.folder / RECORD).exists():
            self._write(Record(dimension=self.dimension))

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """They come into a file of their own. Raises AvgzslError for a full disk."""
        opened = self._open()
        new = np.ones(len(positions), bool)
        for one in opened.parts if len(positions) else []:
            if one.part.record.first <= positions.max() and one.part.record.last >= positions.min():
                for _, (there, _) in one.part.batches(BATCH):
                    new &= ~np.isin(positions, there)
        if new.any():
            record = opened.record
            rows = positions[new], np.ascontiguousarray(vectors[new])
            part = write_flat(self.folder, _file(record.files), rows)
            self._write(record.model_copy(update={"parts": [*record.parts, part], "files": record.files + 1}))

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """Files that have any of them are written anew without."""
        if not (self.folder / RECORD).exists():
            return
        opened = self._open()
        record, parts, files = opened.record, [], opened.record.files
        for part in (lists.part for lists in opened.parts):
            gone = sum(int(np.isin(rows[0], positions).sum()) for _, rows in part.batches(BATCH))
            if not gone:
                parts.append(part.record)
            elif gone < part.record.rows:
                parts.append(self._rewritten(part, positions, _file(files)))
                files += 1
        self._write(record.model_copy(update={"parts": parts, "files": files}))

    def query(self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf) -> Found:
        """Those that are found in as many lists as `tune` took. Raises DataError for damaged files."""
        opened = self._open()
        probes = _probes(opened.record, n)
        found = [lists.query(vector, n, probes) for lists in opened.parts]
        positions = np.concatenate([np.zeros(0, np.int64), *(some for some, _ in found)])
        products = np.concatenate([np.zeros(0, np.float32), *(some for _, some in found)])
        return best(positions, products, n, least)

    def count(self) -> int:
        """How many vectors the files have, as the record says."""
        return self._open().record.rows

    def close(self) -> None:
        """Unmap the files."""
        self._opened = None

    def tune(self, queries: Float32[np.ndarray, "q e"], recall: float) -> None:
        """Put vectors into lists, and find out by the queries how many lists to look into.

        Lists are learned anew where there are twice as many vectors; the files are written anew where more than 1/64
        of all vectors are in no list.
        """
        opened = self._open()
        record, parts = opened.record, [lists.part for lists in opened.parts]
        listed = next((part for part in parts if part.record.lists > 1), None)
        loose = record.rows - (0 if listed is None else listed.record.rows)
        if record.rows < _FEW:
            self._merge(record, parts)
            return
        if listed is None or record.rows >= 2 * record.learned:
            lists = 1 << round(np.log2(record.rows) / 2)
            self._list(record, parts, learn(parts, lists), None, record.rows)
        elif loose * _TAIL > record.rows:
            self._list(record, parts, np.ascontiguousarray(listed.means[:, :-1]), listed, record.learned)
        opened = self._open()
        largest = max(opened.parts, key=lambda lists: lists.part.record.lists)
        counts = [n for n in _COUNTS if n * _MANY <= largest.part.record.rows]
        probes = probes_for(largest, queries, recall, counts)
        self._write(opened.record.model_copy(update={"probes": probes}))

    def _rewritten(self, part: Part, without: Int64[np.ndarray, " n"], file: str) -> PartRecord:
        """A file with the rows of a part but some, in the same lists."""
        if part.record.lists > 1:
            centres = np.ascontiguousarray(part.means[:, :-1])
            return write_lists(self.folder, file, [part], centres, part, without)
        positions, vectors = part.list_of(0)
        keep = ~np.isin(positions, without)
        return write_flat(self.folder, file, (positions[keep], vectors[keep]))

    def _merge(self, record: Record, parts: list[Part]) -> None:
        """Few vectors become one file of one list."""
        if len(parts) <= 1:
            return
        rows = [rows for part in parts for _, rows in part.batches(1 << 20)]
        positions, vectors = map(np.concatenate, zip(*rows, strict=True))
        part = write_flat(self.folder, _file(record.files), (positions, vectors))
        self._write(Record(dimension=self.dimension, parts=[part], files=record.files + 1))

    def _list(self, record: Record, parts: list[Part], centres: np.ndarray, kept: Part | None, learned: int) -> None:
        """All vectors become one file of lists."""
        part = write_lists(self.folder, _file(record.files), parts, centres, kept)
        made = {"parts": [part], "files": record.files + 1, "learned": learned}
        self._write(record.model_copy(update=made))

    def _open(self) -> Opened:
        """The files that count now. Raises DataError where they are not there, or are none."""
        try:
            return self._opened_now()
        except FileNotFoundError:  # a writer has put others in their place
            try:
                return self._opened_now()
            except (FileNotFoundError, NotADirectoryError) as problem:
                raise DataError(f"{problem.filename}: is gone; {_MEND}") from problem

    def _opened_now(self) -> Opened:
        status = (self.folder / RECORD).stat()
        which = status.st_mtime_ns, status.st_ino, status.st_size
        if self._opened is None or self._opened.which != which:
            path = self.folder / RECORD
            record = read_record(path, Record, "the record of an engine", _MEND, DataError, FORMAT)
            if record.dimension != self.dimension:
                raise DataError(f"{path}: is of {record.dimension} numbers, not of {self.dimension}; {_MEND}")
            known = {} if self._opened is None else {one.part.record: one for one in self._opened.parts}
            parts = [known.get(one) or Lists(open_part(self.folder, one, self.dimension)) for one in record.parts]
            self._opened = Opened(which, record, parts)
        return self._opened

    def _write(self, record: Record) -> None:
        """Let a record count, and remove all files that it does not name."""
        write_json(self.folder / RECORD, record.model_dump(mode="json"))
        for file in self.folder.glob("*.part"):
            if file.name not in {part.file for part in record.parts}:
                file.unlink(missing_ok=True)


def _file(number: int) -> str:
    return f"{number:08}.part"


def _probes(record: Record, n: int) -> int:
    """Into how many lists to look for n vectors: between what was found for fewer and for more; of many, all."""
    if n * _MANY > record.rows or not record.probes:
        return 1 << 20
    if n > record.probes[-1][0]:
        return -(-record.probes[-1][1] * n // record.probes[-1][0])
    counts, probes = np.log2(np.array(record.probes, np.float64)).T
    return int(np.ceil(2 ** np.interp(np.log2(n), counts, probes)))
