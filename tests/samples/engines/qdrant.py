"""The client's own store in memory, brute force in Python, in place of a server."""

import pytest

from avgzsl.archive.engines import qdrant
from avgzsl.testing import EngineSuite


def local_client():
    import qdrant_client

    class Local(qdrant_client.QdrantClient):
        def close(self):
            """A server outlives its clients."""

        def query_points(self, *given, search_params, **named):  # this store is exact, and warns when told to be
            assert search_params.exact
            return super().query_points(*given, **named)

    return Local(":memory:")


class Suite(EngineSuite):
    @pytest.fixture
    def url(self, monkeypatch):
        local = local_client()
        monkeypatch.setattr(qdrant, "connect", lambda url: local)
        return qdrant.EXAMPLE
