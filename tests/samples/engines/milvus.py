"""A real server, and names of its own for each test."""

from pathlib import Path

import pytest

from avgzsl.archive.engines import drop
from avgzsl.testing import EngineSuite


class Suite(EngineSuite):
    @pytest.fixture
    def url(self, milvus_url):
        yield milvus_url
        for name in ("some", "others"):
            drop("milvus", Path(), name, milvus_url)
