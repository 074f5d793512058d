"""Vectors in a file of rows, all of which are compared with each question: what `memory` and `memory_bf16` share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from avgzsl.archive.engines._base import Found, Scan
from avgzsl.archive.engines._rows import Rows


class ScannedFile(ABC):
    """Rows of a file. A row without a vector has c = inf: with -1 in every query its inner product is -inf."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    @abstractmethod
    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """Rows are written in place; those skipped on the way are absent. Raises AvgzslError for a full disk."""

    @abstractmethod
    def query_many(self, vectors: Float32[np.ndarray, "q e"], n: Sequence[int], least: Sequence[float]) -> list[Found]:
        """One matrix product, a block of rows at a time. Raises DataError for a damaged file."""

    @abstractmethod
    def scan(self, vectors: Float32[np.ndarray, "q e"]) -> Scan:
        """For the rows of a block and all queries: numbers that the inner products do not exceed."""

    def create(self) -> None:
        """Make an empty file, if there is none."""
        self.rows.create()

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """Overwrite the rows of these vectors, if they are there."""
        self.rows.delete(positions)

    def query(self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf) -> Found:
        """Every row is compared, and the largest are given. Raises DataError for a damaged file."""
        return self.query_many(vector[None], [n], [least])[0]

    def products(self, vector: Float32[np.ndarray, " e"]) -> Float32[np.ndarray, " n"]:
        """What the inner product of each row does not exceed. Raises DataError for a damaged file."""
        products: np.ndarray = self.scan(vector[None])(0, len(self.rows.mapped()))[:, 0]
        return products

    def count(self) -> int:
        """How many rows have a vector."""
        return self.rows.count()

    def close(self) -> None:
        """Unmap the file."""
        self.rows.close()

    def checked(self, products: Float[Tensor, "r q"]) -> Float[Tensor, "r q"]:
        """The products. Raises DataError for what is no inner product: NaN would pass as an absent row."""
        if len(products) and not bool(products.view(-1).max() < float("inf")):
            raise self.rows.damaged()
        return products
