"""Exact: a matrix product over a memory map; row i of the file is position i."""

import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64

from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.confidential import Address
from avgzsl.support.trust import open_in_place, require_written

DESCRIPTION = "exact scan of a memory-mapped file; nothing to install"
EXAMPLE = None
SCANS = True
DEFAULT = False


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Memory":
    """The vectors in the file NAME.f32."""
    return Memory(folder / f"{name}.f32", dimension)


def drop(folder: Path, name: str, url: Address | None) -> None:
    """Remove the file NAME.f32."""
    (folder / f"{name}.f32").unlink(missing_ok=True)


class Memory:
    """Rows of a file. A row without a vector has c = inf: with -1 in every query its inner product is -inf."""

    def __init__(self, path: Path, dimension: int) -> None:
        self.path, self.dimension = path, dimension
        self._mapped: tuple[tuple[int, int, int], np.ndarray] | None = None

    def create(self) -> None:
        """Make an empty file, if there is none."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(self.path):
                open_in_place(self.path, DataError, new=True).close()
        except OSError as problem:
            raise AvgzslError(f"{self.path}: cannot be written ({problem.strerror}); choose another place") from problem

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """Rows are written in place; those skipped on the way are absent. Raises AvgzslError for a full disk."""
        if not len(positions):
            return
        rows = self._rows()
        block = np.zeros((max(int(positions.max()) + 1 - int(positions.min()), 1), self.dimension), np.float32)
        first = int(positions.min())
        block[:, -1] = np.inf
        old = self._map()[first : first + len(block)] if first < rows else block[:0]
        block[: len(old)] = old
        block[positions - first] = vectors
        gap = np.zeros((max(first - rows, 0), self.dimension), np.float32)
        gap[:, -1] = np.inf
        self._write(min(first, rows), np.concatenate([gap, block]))

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """Overwrite the rows of these vectors, if they are there."""
        if not os.path.lexists(self.path):
            return
        row = np.zeros((1, self.dimension), np.float32)
        row[:, -1] = np.inf
        for position in positions[positions < self._rows()].tolist():
            self._write(position, row)

    def query(
        self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf
    ) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
        """All inner products are made, and the largest are given. Raises DataError for a damaged file."""
        products = self.products(vector)
        enough = int(np.count_nonzero(products >= max(least, float(np.finfo(np.float32).min))))
        best = torch.from_numpy(products).topk(min(n, enough))
        return best.indices.numpy(), best.values.numpy()

    def products(self, vector: Float32[np.ndarray, " e"]) -> Float32[np.ndarray, " n"]:
        """The inner product of each row. Raises DataError for a damaged file."""
        products: np.ndarray = (torch.from_numpy(self._map()) @ torch.from_numpy(vector)).numpy()
        if np.isnan(products).any() or np.isposinf(products).any():  # NaN would pass as an absent row
            raise DataError(f"{self.path}: holds values that are no numbers; make it anew with `avgzsl index-rebuild`")
        return products

    def count(self) -> int:
        """How many rows have a vector."""
        return int((self._map()[:, -1] != np.inf).sum())

    def close(self) -> None:
        """Unmap the file."""
        self._mapped = None

    def _rows(self) -> int:
        return self._status().st_size // (4 * self.dimension)

    def _status(self) -> os.stat_result:
        try:
            return self.path.stat()
        except OSError as problem:
            raise DataError(f"{self.path}: is gone; make it anew with `avgzsl index-rebuild`") from problem

    def _map(self) -> np.ndarray:
        status = self._status()
        require_written(self.path, status, DataError)
        rows = status.st_size // (4 * self.dimension)
        if not rows:
            return np.zeros((0, self.dimension), np.float32)
        which = status.st_dev, status.st_ino, rows  # a rebuild makes another file of the same name
        if self._mapped is None or self._mapped[0] != which:
            # copy-on-write: torch wants memory that it may write to, and never writes
            self._mapped = which, np.memmap(self.path, np.float32, "c", shape=(rows, self.dimension))
        return self._mapped[1]

    def _write(self, row: int, values: Float32[np.ndarray, "n e"]) -> None:
        try:
            with open_in_place(self.path, DataError) as stream:
                stream.seek(row * 4 * self.dimension)
                stream.write(values.tobytes())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as problem:
            raise AvgzslError(
                f"{self.path}: could not be written ({problem.strerror}); nothing is lost: free some space and run the "
                "same command again"
            ) from problem
