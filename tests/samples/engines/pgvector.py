"""A database of a real server for each test."""

import pytest

from avgzsl.testing import EngineSuite


class Suite(EngineSuite):
    @pytest.fixture
    def url(self, pgvector_url):
        return pgvector_url
