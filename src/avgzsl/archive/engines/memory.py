"""Exact: a matrix product over a memory map; row i of the file is position i."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from avgzsl.archive.engines._base import Scan
from avgzsl.archive.engines._rows import Rows
from avgzsl.scores.largest import Largest, largest
from avgzsl.support.confidential import Address

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
        absent = np.zeros(dimension, np.float32)
        absent[-1] = np.inf
        self.rows = Rows(path, absent, mark=-1)

    def create(self) -> None:
        """Make an empty file, if there is none."""
        self.rows.create()

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """Rows are written in place; those skipped on the way are absent. Raises AvgzslError for a full disk."""
        self.rows.put(positions, vectors)

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """Overwrite the rows of these vectors, if they are there."""
        self.rows.delete(positions)

    def query(
        self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf
    ) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
        """All inner products are made, and the largest are given. Raises DataError for a damaged file."""
        return self.query_many(vector[None], [n], [least])[0]

    def query_many(
        self, vectors: Float32[np.ndarray, "q e"], n: Sequence[int], least: Sequence[float]
    ) -> list[Largest]:
        """One matrix product, a block of rows at a time. Raises DataError for a damaged file."""
        rows, queries = torch.from_numpy(self.rows.mapped()), torch.from_numpy(vectors).T
        try:
            return largest(lambda start, end, room: torch.mm(rows[start:end], queries, out=room), len(rows), n, least)
        except ValueError as problem:
            raise self.rows.damaged() from problem

    def products(self, vector: Float32[np.ndarray, " e"]) -> Float32[np.ndarray, " n"]:
        """The inner product of each row. Raises DataError for a damaged file."""
        products: np.ndarray = self.scan(vector[None])(0, len(self.rows.mapped()))[:, 0]
        return products

    def scan(self, vectors: Float32[np.ndarray, "q e"]) -> Scan:
        """The inner products of the rows of a block with all queries."""
        rows, queries = torch.from_numpy(self.rows.mapped()), torch.from_numpy(vectors).T

        def block(start: int, end: int) -> Float32[np.ndarray, "n q"]:
            products = self._checked(rows[start:end] @ queries)
            missing = torch.full((end - start - len(products), len(vectors)), -torch.inf)
            return (torch.cat([products, missing]) if len(missing) else products).numpy()

        return block

    def _checked(self, products: Float32[Tensor, "r q"]) -> Float32[Tensor, "r q"]:
        """Raises DataError for what is no inner product: NaN would pass as an absent row."""
        if len(products) and not bool(products.max() < torch.inf):
            raise self.rows.damaged()
        return products

    def count(self) -> int:
        """How many rows have a vector."""
        return self.rows.count()

    def close(self) -> None:
        """Unmap the file."""
        self.rows.close()
