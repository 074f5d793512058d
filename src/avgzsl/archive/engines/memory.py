"""Exact: a matrix product over a memory map; row i of the file is position i."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64

from avgzsl.archive.engines._base import Scan
from avgzsl.archive.engines._rows import Rows
from avgzsl.archive.engines._scanned_file import ScannedFile
from avgzsl.scores.largest import Largest, largest
from avgzsl.support.confidential import Address

DESCRIPTION = "exact scan of a memory-mapped file; nothing to install"
EXAMPLE = None
SCANS = True
DEFAULT = True


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Memory":
    """The vectors in the file NAME.f32."""
    return Memory(folder / f"{name}.f32", dimension)


def drop(folder: Path, name: str, url: Address | None) -> None:
    """Remove the file NAME.f32."""
    (folder / f"{name}.f32").unlink(missing_ok=True)


class Memory(ScannedFile):
    """Rows as the vectors are."""

    def __init__(self, path: Path, dimension: int) -> None:
        absent = np.zeros(dimension, np.float32)
        absent[-1] = np.inf
        super().__init__(Rows(path, absent, mark=-1))

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """Rows are written in place; those skipped on the way are absent. Raises AvgzslError for a full disk."""
        self.rows.put(positions, vectors)

    def query_many(
        self, vectors: Float32[np.ndarray, "q e"], n: Sequence[int], least: Sequence[float]
    ) -> list[Largest]:
        """One matrix product, a block of rows at a time. Raises DataError for a damaged file."""
        rows, queries = torch.from_numpy(self.rows.mapped()), torch.from_numpy(vectors).T
        try:
            return largest(lambda start, end, room: torch.mm(rows[start:end], queries, out=room), len(rows), n, least)
        except ValueError as problem:
            raise self.rows.damaged() from problem

    def scan(self, vectors: Float32[np.ndarray, "q e"]) -> Scan:
        """The inner products of the rows of a block with all queries."""
        rows, queries = torch.from_numpy(self.rows.mapped()), torch.from_numpy(vectors).T

        def block(start: int, end: int) -> Float32[np.ndarray, "n q"]:
            products = self.checked(rows[start:end] @ queries)
            missing = torch.full((end - start - len(products), len(vectors)), -torch.inf)
            return (torch.cat([products, missing]) if len(missing) else products).numpy()

        return block
