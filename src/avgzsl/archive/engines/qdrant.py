"""Qdrant, by URL: a server or a cluster of them.

A key comes from the environment variable QDRANT_API_KEY, never from the command line or a file of the index.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import responses
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from jaxtyping import Float32, Int64

from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.support.confidential import Address, key_from
from avgzsl.support.registry import require

DESCRIPTION = "Qdrant, by --url (extra qdrant); tested against the client's local mode alone"
SCANS = False
DEFAULT = False
EXAMPLE = "http://localhost:6333"
KEY = "QDRANT_API_KEY"
_BATCH = 1000


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Qdrant":
    """The collection NAME, which no other index has: the name carries the index's id."""
    server = _given(url)
    with _errors_named(server):
        return Qdrant(connect(server), name, dimension, server)


def drop(folder: Path, name: str, url: Address | None) -> None:
    """Delete the collection NAME."""
    server = _given(url)
    with _errors_named(server):
        client = connect(server)
        client.delete_collection(name)
        client.close()


class Qdrant:
    """A collection of points; searched exactly."""

    def __init__(self, client: Any, name: str, dimension: int, url: Address) -> None:
        self.client, self.name, self.url = client, name, url
        self.models = require("qdrant_client.models", "qdrant")
        self.exact = self.models.SearchParams(exact=True)
        self.dimension = dimension

    def create(self) -> None:
        """Make an empty collection, if there is none."""
        with _errors_named(self.url):
            if not self.client.collection_exists(self.name):
                vectors = self.models.VectorParams(size=self.dimension, distance=self.models.Distance.DOT)
                self.client.create_collection(self.name, vectors_config=vectors)

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """They go in batches; all are stored when the call comes back."""
        with _errors_named(self.url):
            for start in range(0, len(positions), _BATCH):
                part = slice(start, start + _BATCH)
                points = self.models.Batch(ids=positions[part].tolist(), vectors=vectors[part].tolist())
                self.client.upsert(self.name, points=points, wait=True)

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """Delete points; a server frees their space when it next optimises the segment."""
        with _errors_named(self.url):
            if not self.client.collection_exists(self.name):
                return
            points = self.models.PointIdsList(points=positions.tolist())
            self.client.delete(self.name, points_selector=points, wait=True)

    def query(
        self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf
    ) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
        """An exact search on the server."""
        with _errors_named(self.url):
            points = self.client.query_points(
                self.name,
                query=vector.tolist(),
                limit=n,
                search_params=self.exact,
                with_payload=False,
                score_threshold=least if least > -np.inf else None,
            ).points
            positions = np.array([point.id for point in points], np.int64)
            return positions, np.array([point.score for point in points], np.float32)

    def count(self) -> int:
        """How many points it has."""
        with _errors_named(self.url):
            return int(self.client.count(self.name, exact=True).count)

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


def connect(url: Address) -> Any:
    """A client of the server. Raises ConfigError for what is no address, or a key that cannot be sent."""
    client = require("qdrant_client", "qdrant")
    if urlsplit(url.whole()).scheme not in ("http", "https"):
        raise ConfigError(f"{url} is no address of a Qdrant server; expected one as {EXAMPLE}")
    key = key_from(KEY)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell the whole address of each request
    return client.QdrantClient(
        url=url.whole(),
        api_key=None if key is None else key.get_secret_value(),
        timeout=60,
        check_compatibility=False,
    )


def _given(url: Address | None) -> Address:
    """Raises ConfigError where there is none."""
    if url is None:
        raise ConfigError(f"Qdrant needs a url, as in --url {EXAMPLE}")
    return url


@contextmanager
def _errors_named(url: Address) -> Iterator[None]:
    """Its errors come as those of this package, without what the server wrote: it may have sent the key back."""
    errors = require("qdrant_client.http.exceptions", "qdrant")
    refused = errors.ResponseHandlingException, errors.UnexpectedResponse
    try:
        yield
    except (*refused, OSError, RuntimeError, ValueError, OverflowError) as problem:
        reason = _reason(problem)
        if getattr(problem, "status_code", None) == HTTPStatus.NOT_FOUND or "not found" in str(problem):
            raise DataError(
                f"{url}: has no such collection ({reason}); is it the right server? `avgzsl index-rebuild` makes it "
                "anew"
            ) from None
        raise AvgzslError(
            f"{url}: Qdrant does not answer as expected ({reason}); see that it runs there, then run the same again"
        ) from None


def _reason(problem: BaseException) -> str:
    """Why, in words of HTTP or of the system; the kind of the error where neither says anything."""
    status = getattr(problem, "status_code", None)
    if isinstance(status, int):
        return f"{status} {responses.get(status, '')}".strip()
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = getattr(cause, "source", None) or cause.__cause__ or cause.__context__
    return type(getattr(problem, "source", problem)).__name__
