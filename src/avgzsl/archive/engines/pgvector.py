"""PostgreSQL with pgvector, by URL: one table a set of vectors, scanned exactly, by as many workers as the server has.

What is known of clips stands beside their vectors, so that the server itself looks only at those that meet a condition.
How it connects: `_postgres`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.engines import _vector_table as table
from avgzsl.archive.engines._base import Found
from avgzsl.archive.engines._postgres import EXAMPLE as ADDRESS
from avgzsl.archive.engines._postgres import Server
from avgzsl.archive.where import Condition
from avgzsl.errors import ConfigError
from avgzsl.support.confidential import Address

DESCRIPTION = "PostgreSQL with pgvector, a server or a cluster with failover, by --url (extra pgvector)"
SCANS = False
FILTERS = True
DEFAULT = False
EXAMPLE = ADDRESS
_MOST = 16_000  # numbers of a vector of 4 bytes each
_LONGEST = 58  # bytes of a name, with room for that of its index
_INLINE = 1_500  # numbers of a vector that stands in the page with its row


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Vectors":
    """The table NAME, which no other index has: the name carries the index's id."""
    return Vectors(name, dimension, Server(url))


def drop(folder: Path, name: str, url: Address | None) -> None:
    """Drop the table NAME."""
    server = Server(url)
    server.change(lambda opened: opened.execute(f"drop table if exists {quoted(name)}"))
    server.close()


class Vectors:
    """A table of positions, vectors, and what is known of the clips."""

    def __init__(self, name: str, dimension: int, server: Server) -> None:
        if dimension > _MOST:
            raise ConfigError(
                f"vectors of {dimension} numbers are asked for, and pgvector holds at most {_MOST}; choose another "
                "engine (see `avgzsl engines`)"
            )
        self.name, self.dimension, self.server = quoted(name), dimension, server

    def create(self) -> None:
        """Make an empty table, if there is none. The first one in a database makes the extension `vector`, too."""

        def make(opened: Any) -> None:
            opened.execute("create extension if not exists vector")
            opened.execute(f"create table if not exists {self.name} ({table.definition(self.dimension)})")
            if self.dimension <= _INLINE:
                opened.execute(f"alter table {self.name} alter vector set storage plain")

        self.server.change(make)

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """Put vectors in of whose clips nothing is known: they meet no condition."""
        self._put(positions, vectors, None)

    def upsert_known(
        self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"], clips: Sequence[IndexedClip]
    ) -> None:
        """The same, with what is known of their clips, one transaction."""
        self._put(positions, vectors, clips)

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """The table is written anew without them (VACUUM FULL), while searches wait; the server's log keeps them until
        it is recycled."""

        def take_out(opened: Any) -> None:
            if opened.execute("select to_regclass(%s)", (self.name,)).fetchone()[0] is not None:
                opened.execute(f"delete from {self.name} where position = any(%s)", (positions.tolist(),))
                opened.execute(f"vacuum (full, analyze) {self.name}")

        self.server.change(take_out)

    def query(self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf) -> Found:
        """Every vector is compared on the server; of equal products the lower position comes first."""
        return self.query_where(vector, n, least, ())

    def answers(self, condition: Condition) -> bool:
        """Whether it knows what a condition asks for: all but paths."""
        return table.answers(condition)

    def query_where(self, vector: Float32[np.ndarray, " e"], n: int, least: float, condition: Condition) -> Found:
        """The same among the clips that meet the condition."""
        where, values = table.sql_of(condition)
        product = f"-(vector <#> %s::vector({self.dimension}))"  # no index is of this: it is always a scan
        asked: list[object] = [literal(vector), *values]
        if least > -np.inf:
            where, asked = f"{where} and {product} >= %s", [*asked, literal(vector), least]
        statement = f"select position, {product} as product from {self.name} where {where} order by 2 desc, 1 limit %s"
        return self.server.ask(lambda opened: found(opened.execute(statement, (*asked, n), binary=True).fetchall()))

    def count(self) -> int:
        """How many rows the table has."""
        return self.server.ask(lambda opened: int(opened.execute(f"select count(*) from {self.name}").fetchone()[0]))

    def close(self) -> None:
        """Close the connections."""
        self.server.close()

    def _put(
        self,
        positions: Int64[np.ndarray, " n"],
        vectors: Float32[np.ndarray, "n e"],
        clips: Sequence[IndexedClip] | None,
    ) -> None:
        """By COPY, which cannot pass over rows that are there: then through a table that ends with the transaction."""
        if not len(positions):
            return
        rows = table.rows_of(positions, vectors, clips)

        def put(opened: Any) -> None:
            with opened.transaction(), opened.cursor() as cursor:
                is_new = f"select not exists (select from {self.name} where position between %s and %s)"
                place = self.name
                if not cursor.execute(is_new, (int(positions.min()), int(positions.max()))).fetchone()[0]:
                    place = "incoming"
                    cursor.execute(f"create temp table incoming (like {self.name}) on commit drop")
                with cursor.copy(f"copy {place} from stdin (format binary)") as copy:
                    copy.write(rows)
                if place != self.name:
                    cursor.execute(f"insert into {self.name} select * from incoming on conflict do nothing")

        self.server.change(put)


def quoted(name: str) -> str:
    """A name as it stands in SQL. Raises ConfigError for one that PostgreSQL would cut, or that its client reads."""
    if len(name.encode()) > _LONGEST or "\0" in name or "%" in name:
        raise ConfigError(f"{name!r} is no name of vectors; expected one of at most {_LONGEST} bytes without %")
    return '"' + name.replace('"', '""') + '"'


def literal(vector: Float32[np.ndarray, " e"]) -> str:
    """A vector as pgvector reads it; every number comes back as it was."""
    return str(vector.tolist())


def found(rows: Sequence[tuple[Any, ...]]) -> Found:
    """Positions and products of rows that begin with both."""
    return np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.float32)
