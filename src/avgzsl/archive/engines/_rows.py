"""Rows of numbers in a file, by position, mapped into memory: what the engines that scan a file have in common."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Shaped

from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.trust import open_in_place, require_written


class Rows:
    """A file of rows; `absent` is the row of a position without a vector, which alone has its number in column `mark`.

    Raises DataError where the file is not there or is no such file, AvgzslError where the disk refuses.
    """

    def __init__(self, path: Path, absent: Shaped[np.ndarray, " w"], mark: int) -> None:
        self.path, self.absent, self.mark = path, absent, mark
        self._mapped: tuple[tuple[int, int, int], np.ndarray] | None = None

    def create(self) -> None:
        """Make an empty file, if there is none."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(self.path):
                open_in_place(self.path, DataError, new=True).close()
        except OSError as problem:
            raise AvgzslError(f"{self.path}: cannot be written ({problem.strerror}); choose another place") from problem

    def put(self, positions: Int64[np.ndarray, " n"], rows: Shaped[np.ndarray, "n w"]) -> None:
        """Rows are written in place; those skipped on the way are absent. Raises AvgzslError for a full disk."""
        if not len(positions):
            return
        there, first = self._count(), int(positions.min())
        block = np.tile(self.absent, (int(positions.max()) + 1 - first, 1))
        old = self.mapped()[first : first + len(block)] if first < there else block[:0]
        block[: len(old)] = old
        block[positions - first] = rows
        gap = np.tile(self.absent, (max(first - there, 0), 1))
        self._write(min(first, there), np.concatenate([gap, block]))

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """Overwrite the rows at these positions, if they are there."""
        if not os.path.lexists(self.path):
            return
        for position in positions[positions < self._count()].tolist():
            self._write(position, self.absent)

    def count(self) -> int:
        """How many rows are not absent."""
        return int((self.mapped()[:, self.mark] != self.absent[self.mark]).sum())

    def close(self) -> None:
        """Unmap the file."""
        self._mapped = None

    def mapped(self) -> Shaped[np.ndarray, "_n w"]:
        """All rows; nobody may write to them."""
        status = self._status()
        require_written(self.path, status, DataError)
        rows = status.st_size // self.absent.nbytes
        if not rows:
            return self.absent[None][:0]
        which = status.st_dev, status.st_ino, rows  # a rebuild makes another file of the same name
        mapped = self._mapped
        if mapped is None or mapped[0] != which:
            # copy-on-write: torch wants memory that it may write to, and never writes
            shape = (rows, len(self.absent))
            mapped = self._mapped = which, np.memmap(self.path, self.absent.dtype, "c", shape=shape)
        return mapped[1]

    def damaged(self) -> DataError:
        """The error for rows that no engine writes."""
        return DataError(f"{self.path}: holds values that are no numbers; make it anew with `avgzsl index-rebuild`")

    def _count(self) -> int:
        return self._status().st_size // self.absent.nbytes

    def _status(self) -> os.stat_result:
        try:
            return self.path.stat()
        except OSError as problem:
            raise DataError(f"{self.path}: is gone; make it anew with `avgzsl index-rebuild`") from problem

    def _write(self, row: int, values: Shaped[np.ndarray, "..."]) -> None:
        try:
            with open_in_place(self.path, DataError) as stream:
                stream.seek(row * self.absent.nbytes)
                stream.write(values.tobytes())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as problem:
            raise AvgzslError(
                f"{self.path}: could not be written ({problem.strerror or problem}); nothing is lost: free some space "
                "and run the same command again"
            ) from problem
