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
import pyarrow as pa
from jaxtyping import Float32, Int64

from avgzsl.archive.engines._lance_manifest import require_own_data
from avgzsl.errors import AvgzslError, DataError
from avgzsl.support.confidential import Address
from avgzsl.support.registry import require

DESCRIPTION = "LanceDB, embedded: a folder on disk with atomic changes (extra lancedb)"
EXAMPLE = None
SCANS = False
DEFAULT = True
_TIDY = 64


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Lance":
    """The table NAME."""
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
        self.schema = pa.schema([("position", pa.int64()), ("vector", pa.list_(pa.float32(), dimension))])
        self._place = folder / "lancedb" / f"{name}.lance"
        self._table: Any = None

    @cached_property
    def connection(self) -> Any:
        """Other processes' changes are to be seen at once."""
        lancedb = require("lancedb", "lancedb")
        return lancedb.connect(self.folder / "lancedb", read_consistency_interval=timedelta(0))

    @property
    def table(self) -> Any:
        """Opened when it is first asked for. Raises DataError where it is not there, or is no such table."""
        if self._table is None:
            self._table = self._opened()
        return self._table

    def create(self) -> None:
        """An empty table."""
        with _named(self.folder):
            if self._place.exists():
                require_own_data(self._place)
            self.connection.create_table(self.name, schema=self.schema, exist_ok=True)

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """One version. Raises AvgzslError for a full disk."""
        if not len(positions):
            return
        with _named(self.folder):
            self.table.merge_insert("position").when_not_matched_insert_all().execute(self._rows(positions, vectors))
            if self.table.version % _TIDY == 0:  # every change adds a file and a version
                self.table.optimize(cleanup_older_than=timedelta(hours=1))

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """The table is written anew without them, and its older versions go away."""
        if not self._place.exists():
            return
        with _named(self.folder), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "optimize", UserWarning)  # an open reader comes again, see `query`
            kept = self.table.to_arrow()
            kept = kept.filter(pa.array(~np.isin(kept["position"].to_numpy(), positions)))
            self._table = self.connection.create_table(self.name, kept, mode="overwrite")
            self._table.optimize(cleanup_older_than=timedelta(0))

    def query(
        self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf
    ) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
        """A scan."""
        self.table  # noqa: B018  (opened, with its own errors)
        try:
            found = self._search(vector, n, least)
        except (OSError, RuntimeError):  # the version it began with was cleaned away: there is a newer one
            self._table = None
            with _named(self.folder):
                found = self._search(vector, n, least)
        return found["position"].to_numpy(), 1 - found["_distance"].to_numpy()

    def count(self) -> int:
        """Rows of the table."""
        with _named(self.folder):
            return int(self.table.count_rows())

    def close(self) -> None:
        """Nothing is held."""

    def _opened(self) -> Any:
        if not self._place.exists():
            raise DataError(f"{self._place}: is gone; make it anew with `avgzsl index-rebuild`")
        require_own_data(self._place)
        with _named(self.folder):
            table = self.connection.open_table(self.name)
            if table.schema != self.schema:
                raise DataError(f"{self._place}: is another table; make it anew with `avgzsl index-rebuild`")
        return table

    def _search(self, vector: Float32[np.ndarray, " e"], n: int, least: float) -> Any:
        asked = self.table.search(vector, vector_column_name="vector").distance_type("dot")
        if least > -np.inf:  # its distance is 1 - product, and the bound is not included
            asked = asked.distance_range(upper_bound=float(np.nextafter(np.float32(1 - least), np.float32(np.inf))))
        return asked.select(["position", "_distance"]).limit(n).to_arrow()

    def _rows(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> Any:
        flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
        columns = [pa.array(positions), pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])]
        return pa.Table.from_arrays(columns, schema=self.schema)


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Its errors come as those of this package."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as problem:
        said = " ".join(str(problem).split())[:300]
        if "os error 30" in said or "Read-only" in said or "os error 13" in said:
            raise AvgzslError(
                f"{folder}: is read-only here ({said}); copy the index to a place that can be written to, and change "
                "the copy"
            ) from problem
        if "No space" in said or "os error 28" in said or "too large" in said:
            raise AvgzslError(
                f"{folder}: could not be written ({said}); nothing is lost: free some space and run the same again"
            ) from problem
        raise DataError(f"{folder}: LanceDB refuses ({said}); make it anew with `avgzsl index-rebuild`") from problem
