"""LanceDB: a folder on disk, every change one atomic version of it; scanned, exactly."""

import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from avgzsl.archive.engines._lance_manifest import require_own_data
from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.confidential import Address
from avgzsl.support.registry import require

DESCRIPTION = "LanceDB, embedded: a folder on disk with atomic changes (extra lancedb)"
EXAMPLE = None
SCANS = False
DEFAULT = False
_TIDY = 64


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Lance":
    """The table NAME of a folder `lancedb`; it is opened when it is first used."""
    os.environ.setdefault("RUST_LOG", "error")  # its notes go to stderr otherwise
    require("lancedb", "lancedb")
    logging.getLogger("lance").setLevel(logging.ERROR)
    return Lance(folder, name, dimension)


def drop(folder: Path, name: str, url: Address | None) -> None:
    """Remove the table's folder: a damaged table does not open."""
    shutil.rmtree(folder / "lancedb" / f"{name}.lance", ignore_errors=True)


class Lance:
    """A table of positions and vectors."""

    def __init__(self, folder: Path, name: str, dimension: int) -> None:
        self.folder, self.name = folder, name
        self.dimension = dimension
        self._place = folder / "lancedb" / f"{name}.lance"
        self._table: Any = None

    @cached_property
    def schema(self) -> Any:
        """Of the table, as pyarrow has it."""
        pa = _arrow()
        return pa.schema([("position", pa.int64()), ("vector", pa.list_(pa.float32(), self.dimension))])

    @cached_property
    def connection(self) -> Any:
        """Opened when it is first asked for; it sees other processes' changes at once."""
        lancedb = require("lancedb", "lancedb")
        return lancedb.connect(self.folder / "lancedb", read_consistency_interval=timedelta(0))

    @property
    def table(self) -> Any:
        """Opened when it is first asked for. Raises DataError where it is not there, or is no such table."""
        if self._table is None:
            self._table = self._opened()
        return self._table

    def create(self) -> None:
        """Make an empty table, if there is none."""
        with _errors_named(self.folder):
            if self._place.exists():
                require_own_data(self._place)
            self.connection.create_table(self.name, schema=self.schema, exist_ok=True)

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """All of them make one version of the table. Raises AvgzslError for a full disk."""
        if not len(positions):
            return
        with _errors_named(self.folder):
            self.table.merge_insert("position").when_not_matched_insert_all().execute(self._rows(positions, vectors))
            if self.table.version % _TIDY == 0:  # every change adds a file and a version
                self.table.optimize(cleanup_older_than=timedelta(hours=1))

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """The table is written anew without them, and its older versions go away."""
        if not self._place.exists():
            return
        with _errors_named(self.folder), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "optimize", UserWarning)  # an open reader comes again, see `query`
            kept = self.table.to_arrow()
            kept = kept.filter(_arrow().array(~np.isin(kept["position"].to_numpy(), positions)))
            self._table = self.connection.create_table(self.name, kept, mode="overwrite")
            self._table.optimize(cleanup_older_than=timedelta(0))

    def query(
        self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf
    ) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
        """Every row of the table is compared. Raises DataError, AvgzslError where LanceDB refuses."""
        self.table  # noqa: B018  (opened, with its own errors)
        try:
            rows = self._search(vector, n, least)
        except (OSError, RuntimeError):  # the version it began with was cleaned away: there is a newer one
            self._table = None
            with _errors_named(self.folder):
                rows = self._search(vector, n, least)
        return rows["position"].to_numpy(), 1 - rows["_distance"].to_numpy()

    def count(self) -> int:
        """How many rows the table has."""
        with _errors_named(self.folder):
            return int(self.table.count_rows())

    def close(self) -> None:
        """There is nothing to let go of."""

    def _opened(self) -> Any:
        if not self._place.exists():
            raise DataError(f"{self._place}: is gone; make it anew with `avgzsl index-rebuild`")
        require_own_data(self._place)
        with _errors_named(self.folder):
            table = self.connection.open_table(self.name)
            if table.schema != self.schema:
                raise DataError(f"{self._place}: is another table; make it anew with `avgzsl index-rebuild`")
        return table

    def _search(self, vector: Float32[np.ndarray, " e"], n: int, least: float) -> Any:
        query = self.table.search(vector, vector_column_name="vector").distance_type("dot")
        if least > -np.inf:  # its distance is 1 - product, and the bound is not included
            query = query.distance_range(upper_bound=float(np.nextafter(np.float32(1 - least), np.float32(np.inf))))
        return query.select(["position", "_distance"]).limit(n).to_arrow()

    def _rows(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> Any:
        pa = _arrow()
        flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
        columns = [pa.array(positions), pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])]
        return pa.Table.from_arrays(columns, schema=self.schema)


def _arrow() -> Any:
    """LanceDB brings it along."""
    return require("pyarrow", "lancedb")


@contextmanager
def _errors_named(folder: Path) -> Iterator[None]:
    """Its errors come as those of this package."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as problem:
        reason = " ".join(str(problem).split())[:300]
        if "os error 30" in reason or "Read-only" in reason or "os error 13" in reason:
            raise AvgzslError(
                f"{folder}: is read-only here ({reason}); copy the index to a place that can be written to, and change "
                "the copy"
            ) from problem
        if "No space" in reason or "os error 28" in reason or "too large" in reason:
            raise AvgzslError(
                f"{folder}: could not be written ({reason}); nothing is lost: free some space and run the same again"
            ) from problem
        raise DataError(f"{folder}: LanceDB refuses ({reason}); make it anew with `avgzsl index-rebuild`") from problem
