"""The contract of an engine: vectors by number, and which of them have the largest inner products with a query.

A vector is never changed under its number. To open an engine writes nothing and calls nobody. An engine need not be
complete or in step: what it lacks and what it has too much is the caller's to put right (`avgzsl.archive.nearest`), and
all of it can be made anew (`avgzsl.archive.repair`).
"""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64


@runtime_checkable
class Engine(Protocol):
    """Vectors of one dimension, on disk or on a server.

    Raises AvgzslError where these refuse, DataError where they are not there or are no such vectors.
    """

    def create(self) -> None:
        """Make room for vectors; those that are there already stay."""
        ...

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """Put vectors in, as one; those that are there already stay."""
        ...

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """Take vectors out, of everything that is stored, if anything is, older versions included."""
        ...

    def query(
        self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf
    ) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
        """Positions and inner products, best first, of the n vectors with the largest that are at least `least`.

        Fewer only if there are no more.
        """
        ...

    def count(self) -> int:
        """Vectors that are there."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


@runtime_checkable
class Scanner(Protocol):
    """An engine to which all inner products are no dearer than the largest."""

    def products(self, vector: Float32[np.ndarray, " e"]) -> Float32[np.ndarray, " n"]:
        """The inner product of each position, in order; -inf where there is no vector."""
        ...
