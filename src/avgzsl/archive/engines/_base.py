"""The contracts of an engine (vectors by number, the largest inner products with a query) and of its plug-in.

A vector is never changed under its number. To open an engine writes nothing and calls nobody. An engine need not be
complete or in step: what it lacks and what it has too much is the caller's to put right (`avgzsl.archive.nearest`), and
all of it can be made anew (`avgzsl.archive.repair`).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int64

from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.where import Condition
from avgzsl.errors import AvgzslError
from avgzsl.support.confidential import Address

Found = tuple[Int64[np.ndarray, " _k"], Float32[np.ndarray, " _k"]]
"""Positions and inner products, best first."""


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

        Fewer only if there are no more. An engine that keeps vectors rounded gives, and orders by, numbers that are
        nowhere lower than the inner products of the vectors that it got.
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
        """The inner product of each position, in order, or a number that is no lower; -inf where there is no vector."""
        ...


Scan = Callable[[int, int], Float32[np.ndarray, "n q"]]
"""(start, end): of each position from `start` up to `end`, a number for each of the queries that no inner product
exceeds; -inf where there is no vector."""


@runtime_checkable
class BatchScanner(Protocol):
    """A `Scanner` to which many queries at once are cheaper than one after the other."""

    def query_many(
        self, vectors: Float32[np.ndarray, "q e"], n: Sequence[int], least: Sequence[float]
    ) -> list[tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]]:
        """What `query` gives for each vector, with its n and its `least`."""
        ...

    def scan(self, vectors: Float32[np.ndarray, "q e"]) -> Scan:
        """The inner products with these queries, to be asked for a block at a time."""
        ...


@runtime_checkable
class Rounding(Protocol):
    """An engine that keeps some vectors rounded, whose numbers do not tell whether it has the right ones."""

    def rounds(self, positions: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Of which positions the vectors are, or would be, kept rounded."""
        ...

    def holds(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> Bool[np.ndarray, " n"]:
        """Which of these vectors, of positions that it `rounds`, are there, as near as it keeps them."""
        ...


@runtime_checkable
class Filtering(Protocol):
    """An engine that keeps what is known of clips, and looks only at those that meet a condition.

    Its module says `FILTERS = True`. What a condition means is said in `avgzsl.archive.where`.
    """

    def upsert_known(
        self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"], clips: Sequence[IndexedClip]
    ) -> None:
        """As `upsert`, with what is known of each clip, of which the path may change later."""
        ...

    def answers(self, condition: Condition) -> bool:
        """Whether it knows all that a condition asks for."""
        ...

    def query_where(
        self, vector: Float32[np.ndarray, " e"], n: int, least: float, condition: Condition
    ) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
        """As `query`, of the clips that meet a condition that it `answers`."""
        ...


@runtime_checkable
class Tuned(Protocol):
    """An approximate engine that finds out by questions how much of its vectors it has to look at."""

    def tune(self, queries: Float32[np.ndarray, "q e"], recall: float) -> None:
        """Arrange all vectors that are there, and keep how to search, such that of the n vectors with the largest
        products with such queries the share `recall` is found, for any n. Called when vectors have come in."""
        ...


@runtime_checkable
class ShardedEngine(Engine, Protocol):
    """An engine of several parts, one of which can be made anew. They are counted from 1."""

    def shard_of(self, positions: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """The part that has, or is to have, the vector of each position."""
        ...

    def begin(self, shard: int) -> None:
        """Throw away what a part has. Until `end` it counts as one that does not answer. Raises ConfigError."""
        ...

    def end(self, shard: int) -> None:
        """The part has all its vectors again."""
        ...


class PartialAnswer(AvgzslError):
    """What an engine of several parts found while one of them did not answer.

    `absent` names each part that did not, with the reason.
    """

    def __init__(
        self, positions: Int64[np.ndarray, " k"], products: Float32[np.ndarray, " k"], absent: tuple[str, ...]
    ) -> None:
        super().__init__(f"a part of the index does not answer: {'; '.join(absent)}")
        self.positions, self.products, self.absent = positions, products, absent


@runtime_checkable
class EnginePlugin(Protocol):
    """A module that opens one kind of engine.

    It may say `APPROXIMATE = True`: its `query` may miss vectors, and then finds n of them nevertheless, wherever so
    many are there. What it says may hang on the address: then APPROXIMATE is a call with that. One that says
    `LISTS = True` takes a list of addresses (`engines.shards`).
    """

    @property
    def DESCRIPTION(self) -> str:
        """One line: where the vectors are, and what has to be installed."""
        ...

    @property
    def EXAMPLE(self) -> str | None:
        """An address as it expects one, such as http://localhost:6333; None for an engine on disk."""
        ...

    @property
    def SCANS(self) -> bool:
        """Whether its engine is a `Scanner`."""
        ...

    @property
    def DEFAULT(self) -> bool:
        """Whether a new index has this engine where none is named: True for one alone, in this folder."""
        ...

    def open_engine(self, folder: Path, name: str, dimension: int, url: Address | None) -> Engine:
        """The vectors `name` of `dimension` numbers: on disk in `folder`, which may not be there, or at `url`.

        An address shows itself bare, wherever it is kept; `url.whole()` is for the call alone.

        Raises ConfigError for an address that is none and for a library that is not installed.
        """
        ...

    def drop(self, folder: Path, name: str, url: Address | None) -> None:
        """Remove all that is stored of the vectors `name`, damaged or not; it may be nothing."""
        ...
