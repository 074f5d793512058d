"""As pgvector: a database of a real server for each test."""

from tests.samples.engines.pgvector import Suite

__all__ = ["Suite"]
