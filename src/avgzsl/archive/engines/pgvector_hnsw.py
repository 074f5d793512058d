"""PostgreSQL with pgvector and an index by HNSW: approximate, the sooner the larger the archive.

Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small
World graphs" (doi.org/10.1109/TPAMI.2018.2889473), as pgvector has it. Where the graph gives fewer vectors than are
asked for, all are compared.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from avgzsl.archive.engines import _vector_table as table
from avgzsl.archive.engines._base import Found
from avgzsl.archive.engines._postgres import EXAMPLE as ADDRESS
from avgzsl.archive.engines._postgres import Server
from avgzsl.archive.engines.pgvector import Vectors, found, literal, quoted
from avgzsl.archive.engines.pgvector import drop as drop  # a name of this module, too
from avgzsl.archive.where import Condition
from avgzsl.errors import ConfigError
from avgzsl.support.confidential import Address

DESCRIPTION = "PostgreSQL with pgvector and HNSW, approximate with a measured recall, by --url (extra pgvector)"
SCANS = False
DEFAULT = False
APPROXIMATE = True
FILTERS = True
EXAMPLE = ADDRESS
_MOST = 2_000  # numbers of a vector that HNSW takes
_CANDIDATES = (40, 80, 160, 320, 640, 1000)  # ef_search: what a search keeps; pgvector takes no more
_GRAPHS = ((16, 64), (32, 256))  # m, ef_construction: that of pgvector, and one for vectors that it does not do for
_NS = (10, 100)  # how many are asked for when the recall is measured
_DIRECT = 20_000  # so few rows that meet a condition are compared sooner than found in the graph among others
_MARK = "avgzsl ef_search "


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Graph":
    """The table NAME, with its index."""
    return Graph(name, dimension, Server(url))


class Graph(Vectors):
    """A table with an index, which `tune` builds; until then everything is compared."""

    def __init__(self, name: str, dimension: int, server: Server) -> None:
        if dimension > _MOST:
            raise ConfigError(
                f"vectors of {dimension} numbers are asked for, and HNSW takes at most {_MOST}; choose the engine "
                "pgvector, which is exact"
            )
        super().__init__(name, dimension, server)
        self.index = quoted(f"{name}-hnsw")
        self._candidates: int | None = None

    def tune(self, queries: Float32[np.ndarray, "q e"], recall: float) -> None:
        """Build the index, if there is none, and note in the table's comment how many candidates a search keeps.

        A finer graph is made where the usual one does not reach the recall.
        """
        exact = [super(Graph, self).query_where(query, max(_NS), -np.inf, ())[0] for query in queries]
        for graph in _GRAPHS:
            self.server.change(partial(self._build, *graph))
            for candidates in _CANDIDATES:
                self._candidates = candidates
                if self._recall(queries, exact) >= recall:
                    break
            else:
                continue
            break
        comment = f"comment on table {self.name} is '{_MARK}{self._candidates}'"
        self.server.change(lambda opened: opened.execute(comment))

    def query_where(self, vector: Float32[np.ndarray, " e"], n: int, least: float, condition: Condition) -> Found:
        """By the graph, or exactly: where that gives too few, has not been built, or a condition leaves few rows."""
        candidates = self._noted()
        if candidates is None:
            return super().query_where(vector, n, least, condition)
        rare = self._of_few(vector, n, condition) if condition else None
        positions, products = rare or self._near(vector, n, condition, candidates)
        if rare is None and len(positions) < n:
            return super().query_where(vector, n, least, condition)
        enough = products >= least
        return positions[enough], products[enough]

    def _near(self, vector: Float32[np.ndarray, " e"], n: int, condition: Condition, candidates: int) -> Found:
        where, values = table.sql_of(condition)
        near = f"vector <#> %s::vector({self.dimension})"
        statement = f"select position, -({near}) from {self.name} where {where} order by {near} limit %s"
        asked = (literal(vector), *values, literal(vector), n)
        settings = {
            "hnsw.ef_search": min(max(candidates, n), _CANDIDATES[-1]),
            "hnsw.iterative_scan": "strict_order",  # goes on until n are found that meet the condition
            "hnsw.max_scan_tuples": 2**31 - 1,
        }

        def search(opened: Any) -> Found:
            sets = ", ".join("set_config(%s, %s, false)" for _ in settings)
            opened.execute(f"select {sets}", [str(word) for pair in settings.items() for word in pair])
            return found(opened.execute(statement, asked, binary=True).fetchall())

        return self.server.ask(search)

    def _of_few(self, vector: Float32[np.ndarray, " e"], n: int, condition: Condition) -> Found | None:
        """Of the rows that meet a condition, the nearest for certain; None where there are too many of them."""
        where, values = table.sql_of(condition)
        met = f"(select position, vector from {self.name} where {where} limit %s) as met"
        product = f"-(vector <#> %s::vector({self.dimension}))"
        statement = f"select position, {product}, count(*) over () from {met} order by 2 desc, 1 limit %s"
        asked = (literal(vector), *values, _DIRECT + 1, n)
        rows = self.server.ask(lambda opened: opened.execute(statement, asked, binary=True).fetchall())
        return None if rows and rows[0][2] > _DIRECT else found(rows)

    def _noted(self) -> int | None:
        """How many candidates a search keeps; None where there is no graph yet."""
        if self._candidates is None:
            asked = "select obj_description(to_regclass(%s), 'pg_class')"
            said = self.server.ask(lambda opened: opened.execute(asked, (self.name,)).fetchone()[0])
            if said and said.startswith(_MARK) and said[len(_MARK) :].isdecimal():
                self._candidates = int(said[len(_MARK) :])
        return self._candidates

    def _build(self, m: int, construction: int, opened: Any) -> None:
        """An index with a graph of that size, unless there is one of at least that."""
        there = (
            "select substring(option from '^m=(.*)')::int from pg_class, unnest(reloptions) as option "
            "where oid = to_regclass(%s) and option like 'm=%%'"
        )
        row = opened.execute(there, (self.index,)).fetchone()
        if row is not None and row[0] >= m:
            return
        with opened.transaction():
            opened.execute(f"drop index if exists {self.index}")
            opened.execute(
                f"create index {self.index} on {self.name} using hnsw (vector vector_ip_ops) "
                f"with (m = {m}, ef_construction = {construction})"
            )

    def _recall(self, queries: Float32[np.ndarray, "q e"], exact: Sequence[Int64[np.ndarray, " k"]]) -> float:
        """The share of the largest that is found, of the numbers asked for the lowest."""
        shares = []
        for n in _NS:
            pairs = [
                (self._near(query, n, (), self._candidates or 0)[0], best[:n])
                for query, best in zip(queries, exact, strict=True)
            ]
            shares.append(
                sum(np.isin(best, near).sum() for near, best in pairs) / max(sum(len(best) for _, best in pairs), 1)
            )
        return float(min(shares))
