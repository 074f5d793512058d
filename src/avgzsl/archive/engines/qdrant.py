"""Qdrant, by URL: a server or a cluster of them.

A key comes from the environment variable QDRANT_API_KEY, never from the command line or a file of the index.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from jaxtyping import Float32, Int64

from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.support.registry import require
from avgzsl.support.trust import bare_address

DESCRIPTION = "Qdrant, a server or a cluster, by --url (extra qdrant)"
SCANS = False
DEFAULT = False
EXAMPLE = "http://localhost:6333"
_BATCH = 1000


def open_engine(folder: Path, name: str, dimension: int, url: str | None) -> "Qdrant":
    """The collection NAME, which no other index has: the name carries the index's id."""
    with _named(str(url)):
        return Qdrant(connect(str(url)), name, dimension, str(url))


def drop(folder: Path, name: str, url: str | None) -> None:
    """Delete the collection."""
    with _named(str(url)):
        client = connect(str(url))
        client.delete_collection(name)
        client.close()


class Qdrant:
    """A collection of points; searched exactly."""

    def __init__(self, client: Any, name: str, dimension: int, url: str) -> None:
        self.client, self.name, self.url = client, name, url
        self.models = require("qdrant_client.models", "qdrant")
        self.exact = self.models.SearchParams(exact=True)
        self.dimension = dimension

    def create(self) -> None:
        """An empty collection."""
        with _named(self.url):
            if not self.client.collection_exists(self.name):
                vectors = self.models.VectorParams(size=self.dimension, distance=self.models.Distance.DOT)
                self.client.create_collection(self.name, vectors_config=vectors)

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """In batches; each is there when the call comes back."""
        with _named(self.url):
            for start in range(0, len(positions), _BATCH):
                part = slice(start, start + _BATCH)
                points = self.models.Batch(ids=positions[part].tolist(), vectors=vectors[part].tolist())
                self.client.upsert(self.name, points=points, wait=True)

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """Points; a server frees their space when it next optimises the segment."""
        with _named(self.url):
            if not self.client.collection_exists(self.name):
                return
            points = self.models.PointIdsList(points=positions.tolist())
            self.client.delete(self.name, points_selector=points, wait=True)

    def query(
        self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf
    ) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
        """An exact search."""
        with _named(self.url):
            found = self.client.query_points(
                self.name,
                query=vector.tolist(),
                limit=n,
                search_params=self.exact,
                with_payload=False,
                score_threshold=least if least > -np.inf else None,
            ).points
            positions = np.array([point.id for point in found], np.int64)
            return positions, np.array([point.score for point in found], np.float32)

    def count(self) -> int:
        """Points."""
        with _named(self.url):
            return int(self.client.count(self.name, exact=True).count)

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


def connect(url: str) -> Any:
    """A client of the server. Raises ConfigError for what is no address."""
    client = require("qdrant_client", "qdrant")
    if urlsplit(url).scheme not in ("http", "https"):
        raise ConfigError(f"{bare_address(url)} is no address of a Qdrant server; expected one as {EXAMPLE}")
    key = os.environ.get("QDRANT_API_KEY")
    return client.QdrantClient(url=url, api_key=key, timeout=60, check_compatibility=False)


@contextmanager
def _named(url: str) -> Iterator[None]:
    """Its errors come as those of this package."""
    errors = require("qdrant_client.http.exceptions", "qdrant")
    refused = errors.ResponseHandlingException, errors.UnexpectedResponse
    try:
        yield
    except (*refused, OSError, RuntimeError, ValueError, OverflowError) as problem:
        said = " ".join(str(problem).split())[:300]
        if getattr(problem, "status_code", None) == 404 or "not found" in said:
            raise DataError(
                f"{url}: has no such collection ({said}); is it the right server? `avgzsl index-rebuild` makes it anew"
            ) from problem
        raise AvgzslError(
            f"{url}: Qdrant does not answer as expected ({said}); see that it runs there, then run the same again"
        ) from problem
