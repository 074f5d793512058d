"""Vectors in lists, in a file that is written once: of each list its vectors, then their positions.

A file begins with the size of each list and with the mean of its vectors, of which the record that names the file has a
checksum. So a file of somebody else's is known to have what it says, before anything is mapped: every list lies within
it. Values are not checked here; `avgzsl index-verify` compares them with what they were made of.
"""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import numpy as np
from jaxtyping import Float32, Int64
from pydantic import BaseModel, ConfigDict, Field

from avgzsl.errors import DataError
from avgzsl.support.files import write_whole
from avgzsl.support.trust import open_regular

_MEND = "make it anew with `avgzsl index-rebuild`"
_MOST = 1 << 40  # rows of a file

Rows = tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n e"]]
"""Positions and their vectors."""


class PartRecord(BaseModel):
    """A file: how many rows it has in how many lists, from the position `first` to `last`, the checksum of its head."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: Annotated[str, Field(pattern=r"^[0-9]{8}\.part$")]
    rows: Annotated[int, Field(ge=1, le=_MOST)]
    lists: Annotated[int, Field(ge=1, le=1 << 20)]
    first: Annotated[int, Field(ge=0, le=1 << 62)]
    last: Annotated[int, Field(ge=0, le=1 << 62)]
    checksum: Annotated[int, Field(ge=0, lt=1 << 32)]


@dataclass(frozen=True, eq=False)
class Part:
    """A file that is mapped: where its lists begin, how long they are, their means, and all bytes."""

    path: Path
    record: PartRecord
    sizes: Int64[np.ndarray, " l"]
    means: Float32[np.ndarray, "l e"]
    offsets: Int64[np.ndarray, " l"]
    content: np.ndarray

    def list_of(self, number: int) -> Rows:
        """The rows of a list, as views of the file."""
        size, offset, width = int(self.sizes[number]), int(self.offsets[number]), self.means.shape[1]
        end = offset + 4 * width * (size + size % 2)
        vectors = self.content[offset : offset + 4 * width * size].view(np.float32).reshape(size, width)
        return self.content[end : end + 8 * size].view(np.int64), vectors

    def batches(self, rows: int) -> Iterator[tuple[Int64[np.ndarray, " n"], Rows]]:
        """All of it, at least so many rows at a time but for the last: the number of each row's list, and the rows."""
        lists: list[int] = []
        for number in range(len(self.sizes)):
            lists.append(number)
            if self.sizes[lists].sum() >= rows or number == len(self.sizes) - 1:
                positions, vectors = zip(*map(self.list_of, lists), strict=True)
                yield np.repeat(lists, self.sizes[lists]), (np.concatenate(positions), np.concatenate(vectors))
                lists = []


def offsets_of(sizes: Int64[np.ndarray, " l"], width: int) -> tuple[Int64[np.ndarray, " l"], int]:
    """Where each list begins, and where the file ends. A list has room for an even number: all of it is aligned."""
    room = (sizes + sizes % 2) * (4 * width + 8)
    begin = -(-len(sizes) * (8 + 4 * width) // 8) * 8
    return begin + np.cumsum(room) - room, begin + int(room.sum())


def open_part(folder: Path, record: PartRecord, width: int) -> Part:
    """Map a file. Raises DataError for one that is not what its record says, FileNotFoundError."""
    path = folder / record.file
    with open_regular(path, DataError) as stream:
        head = stream.read(record.lists * (8 + 4 * width))
        sizes = np.frombuffer(head[: 8 * record.lists], np.int64)
        sound = len(head) == record.lists * (8 + 4 * width) and zlib.crc32(head) == record.checksum
        if not sound or (sizes < 0).any() or (sizes > record.rows).any() or int(sizes.sum()) != record.rows:
            raise DataError(f"{path}: is damaged; {_MEND}")
        offsets, end = offsets_of(sizes, width)
        if os.fstat(stream.fileno()).st_size != end:
            raise DataError(f"{path}: is damaged (it does not have the {end} bytes that it says); {_MEND}")
        content = np.memmap(stream, np.uint8, "c")  # copy-on-write: torch wants memory that it may write to
    means = np.frombuffer(head[8 * record.lists :], np.float32).reshape(record.lists, width)
    return Part(path, record, sizes, means, offsets, content)


class PartWriter:
    """A file that is being filled, its lists in any order."""

    def __init__(self, stream: BinaryIO, sizes: Int64[np.ndarray, " l"], width: int) -> None:
        self.stream, self.sizes, self.width = stream, sizes, width
        self.offsets, self.end = offsets_of(sizes, width)
        self.filled = np.zeros_like(sizes)
        stream.truncate(self.end)

    def head(self, means: Float32[np.ndarray, "l e"]) -> int:
        """Write what a file begins with; gives its checksum."""
        head = self.sizes.tobytes() + means.tobytes()
        self.stream.seek(0)
        self.stream.write(head)
        return zlib.crc32(head)

    def put(self, lists: Int64[np.ndarray, " n"], rows: Rows) -> None:
        """Write rows into their lists, behind those that are there."""
        order = np.argsort(lists, kind="stable")
        numbers, starts = np.unique(lists[order], return_index=True)
        for number, some in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            size, filled = int(self.sizes[number]), int(self.filled[number])
            offset, at = int(self.offsets[number]), 4 * self.width * (size + size % 2)
            for place, values in ((4 * self.width * filled, rows[1][some]), (at + 8 * filled, rows[0][some])):
                self.stream.seek(offset + place)
                self.stream.write(values.tobytes())
            self.filled[number] += len(some)


def write_flat(folder: Path, file: str, rows: Rows) -> PartRecord:
    """A file of one list. Raises AvgzslError where the disk refuses."""
    positions, vectors = rows
    checksum = 0

    def write(temporary: Path) -> None:
        nonlocal checksum
        with temporary.open("w+b") as stream:
            writer = PartWriter(stream, np.array([len(positions)]), vectors.shape[1])
            checksum = writer.head(np.zeros((1, vectors.shape[1]), np.float32))
            writer.put(np.zeros(len(positions), np.int64), rows)

    write_whole(folder / file, write)
    return PartRecord(
        file=file, rows=len(positions), lists=1, first=positions.min(), last=positions.max(), checksum=checksum
    )
