"""Milvus, by URL: a server or a cluster; one collection a set of vectors, compared exactly (FLAT).

A token, as `user:password` or a key, comes from the environment variable MILVUS_TOKEN, never from the command line or a
file of the index.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from jaxtyping import Float32, Int64

from avgzsl.archive.engines._base import Found
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.scores.largest import best
from avgzsl.support.confidential import Address, key_from
from avgzsl.support.registry import require

DESCRIPTION = "Milvus, a server or a cluster, by --url (extra milvus)"
SCANS = False
DEFAULT = False
EXAMPLE = "http://localhost:19530"
KEY = "MILVUS_TOKEN"
_SECONDS = 60  # for an answer
_BATCH = 10_000  # rows of a call
_MOST = 16_384  # rows that a search may give
_NO_SUCH = 100  # the code of a collection that is not there
# a server may end the connection of a client that pings an idle one, with the call just made: each call has an end
_NO_PINGS = {"grpc.keepalive_permit_without_calls": 0, "grpc.keepalive_time_ms": 2**31 - 1}


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Milvus":
    """The collection NAME, which no other index has: the name carries the index's id."""
    require("pymilvus", "milvus")
    return Milvus(_given(url), name, dimension)


def drop(folder: Path, name: str, url: Address | None) -> None:
    """Drop the collection NAME."""
    server = Milvus(_given(url), name, 1)
    with _errors_named(server.url):
        server.client.drop_collection(server.name)
    server.close()


class Milvus:
    """A collection of positions and vectors."""

    def __init__(self, url: Address, name: str, dimension: int) -> None:
        self.url, self.dimension = url, dimension
        self.name = re.sub("[^0-9A-Za-z_]", "_", name)  # what the name of a collection may hold

    @cached_property
    def client(self) -> Any:
        """Connected when it is first asked for."""
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it would tell every request that fails
        token = key_from(KEY)
        return require("pymilvus", "milvus").MilvusClient(
            uri=self.url.whole(), token="" if token is None else token.get_secret_value(), timeout=_SECONDS,
            dedicated=True, grpc_options=_NO_PINGS,
        )  # fmt: skip

    def create(self) -> None:
        """Make an empty collection, if there is none."""
        library = require("pymilvus", "milvus")
        with _errors_named(self.url):
            if self.client.has_collection(self.name):
                return
            schema = library.MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("position", library.DataType.INT64, is_primary=True)
            schema.add_field("vector", library.DataType.FLOAT_VECTOR, dim=self.dimension)
            exact = library.MilvusClient.prepare_index_params()
            exact.add_index("vector", index_type="FLAT", metric_type="IP")
            self.client.create_collection(
                self.name, schema=schema, index_params=exact, consistency_level="Strong", timeout=_SECONDS
            )

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """They go in batches; all are stored when the call comes back."""
        with _errors_named(self.url):
            for start in range(0, len(positions), _BATCH):
                part = slice(start, start + _BATCH)
                pairs = zip(positions[part].tolist(), vectors[part], strict=True)
                rows = [{"position": position, "vector": vector} for position, vector in pairs]
                self.client.upsert(self.name, rows, timeout=_SECONDS)

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """Delete rows; a server frees their space when it next compacts."""
        with _errors_named(self.url):
            if self.client.has_collection(self.name):
                for start in range(0, len(positions), _BATCH):
                    ids = positions[start : start + _BATCH].tolist()
                    self.client.delete(self.name, ids=ids, timeout=_SECONDS)

    def query(self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf) -> Found:
        """An exact search on the server; where it would be more than it gives at once, all vectors are fetched."""
        with _errors_named(self.url):
            found = self._search(vector, min(n, _MOST), least)
            positions, products = self._all(vector) if n > _MOST and len(found[0]) == _MOST else found
        return best(positions, products, n, least)

    def count(self) -> int:
        """How many rows it has."""
        with _errors_named(self.url):
            rows = self.client.query(self.name, filter="", output_fields=["count(*)"], timeout=_SECONDS)
            return int(rows[0]["count(*)"])

    def close(self) -> None:
        """Close the connection."""
        if (client := self.__dict__.pop("client", None)) is not None:
            client.close()

    def _search(self, vector: Float32[np.ndarray, " e"], n: int, least: float) -> Found:
        # the radius is not included: a little less
        bound = {} if least == -np.inf else {"radius": least - 1e-4 * (1 + abs(least))}
        hits = self.client.search(
            self.name, data=[vector.tolist()], limit=n, search_params={"metric_type": "IP", "params": bound},
            consistency_level="Strong", timeout=_SECONDS,
        )[0]  # fmt: skip
        return np.array([hit.id for hit in hits], np.int64), np.array([hit.distance for hit in hits], np.float32)

    def _all(self, vector: Float32[np.ndarray, " e"]) -> Found:
        pages = self.client.query_iterator(
            self.name, batch_size=_BATCH, output_fields=["position", "vector"], consistency_level="Strong"
        )
        positions, products = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        while rows := pages.next():
            positions.append(np.array([row["position"] for row in rows], np.int64))
            products.append(np.array([row["vector"] for row in rows], np.float32) @ vector)
        pages.close()
        return np.concatenate(positions), np.concatenate(products)


def _given(url: Address | None) -> Address:
    """Raises ConfigError where there is none, or what is no address of a server."""
    if url is None or urlsplit(url.whole()).scheme not in ("http", "https"):
        given = "Milvus" if url is None else f"{url} is no address of a Milvus server; it"
        raise ConfigError(f"{given} needs a url, as in --url {EXAMPLE}")
    return url


@contextmanager
def _errors_named(url: Address) -> Iterator[None]:
    """Its errors come as those of this package, without what the server wrote: it may have sent the token back."""
    refused = require("pymilvus", "milvus").MilvusException
    grpc = require("grpc", "milvus").RpcError
    try:
        yield
    except (refused, grpc, OSError, ValueError, RuntimeError) as problem:
        code = getattr(problem, "code", None)
        if code == _NO_SUCH:
            raise DataError(
                f"{url}: has no such collection; is it the right server? `avgzsl index-rebuild` makes it anew"
            ) from None
        reason = f"code {code}" if isinstance(code, int) else type(problem).__name__
        raise AvgzslError(
            f"{url}: Milvus does not answer as expected ({reason}); see that it runs there, then run the same again"
        ) from None
