"""What every engine of an index keeps to; what it finds is compared with a product in numpy."""

import os
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32

from avgzsl.archive.engines import PLUGINS, BatchScanner, Engine, EnginePlugin, Scanner, drop, open_engine, scans
from avgzsl.errors import DataError
from avgzsl.testing.plugin_check import check_plugin

_DIMENSION = 5


def _vectors(query: Float32[np.ndarray, " e"]) -> Float32[np.ndarray, "n e"]:
    """Fifty, whose products with the query lie a quarter apart: an engine that rounds keeps their order."""
    g = np.random.default_rng(0)
    vectors = g.standard_normal((50, len(query))).astype(np.float32)
    vectors[:, -1] = vectors[:, :-1] @ query[:-1] - g.permutation(np.linspace(-6, 6, 50))
    return vectors


class EngineSuite:
    """Give `name`, the engine's; for one that lives at an address, the fixture `url`.

    For an engine that keeps vectors rounded, give `above`: by so much at most its numbers are above the inner products.
    """

    name: str
    above = 0.0
    query = np.append(np.random.default_rng(1).standard_normal(_DIMENSION - 1), -1).astype(np.float32)
    vectors = _vectors(query)
    positions = np.arange(50) * 3  # gaps: clips that are not in a mode

    @pytest.fixture
    def url(self) -> str | None:
        """The address of a server that may be written to; None for an engine on disk."""
        return None

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Where the engine may store its vectors; not there yet."""
        return tmp_path / "engine"

    def opened(self, folder: Path, url: str | None, vectors: str = "some") -> Engine:
        """The vectors of a name, opened anew."""
        engine = open_engine(self.name, folder, vectors, _DIMENSION, url)
        assert isinstance(engine, Engine)
        assert isinstance(engine, Scanner) == scans(self.name)
        return engine

    def filled(self, folder: Path, url: str | None, vectors: str = "some") -> Engine:
        """All vectors, in two parts that share some."""
        engine = self.opened(folder, url, vectors)
        engine.create()
        engine.upsert(self.positions[:30], self.vectors[:30])
        engine.upsert(self.positions[20:], self.vectors[20:])
        return engine

    @property
    def products(self) -> Float32[np.ndarray, " n"]:
        """Of each vector with the query."""
        products: Float32[np.ndarray, " n"] = self.vectors @ self.query
        return products

    def require_of(self, found: Float32[np.ndarray, " n"], products: Float32[np.ndarray, " n"]) -> None:
        """That numbers are these inner products; of an engine that rounds, no lower and not far above."""
        assert (found > products - 1e-5).all()
        assert found == pytest.approx(products, abs=max(self.above, 1e-5))

    def test_it_keeps_the_contract_of_an_engine(self) -> None:
        plugin = check_plugin(PLUGINS, self.name, EnginePlugin)
        assert plugin.EXAMPLE is None or "://" in plugin.EXAMPLE

    def test_to_open_one_writes_nothing_and_what_is_not_there_is_an_error(self, folder: Path, url: str | None) -> None:
        engine = self.opened(folder, url)
        engine.delete(self.positions)
        with pytest.raises(DataError, match="index-rebuild"):
            engine.query(self.query, 5)
        drop(self.name, folder, "some", url)
        assert not [file for _, _, files in os.walk(folder) for file in files]

    def test_a_new_one_is_empty(self, folder: Path, url: str | None) -> None:
        engine = self.opened(folder, url)
        engine.create()
        engine.upsert(self.positions[:0], self.vectors[:0])
        assert engine.count() == 0
        assert len(engine.query(self.query, 5)[0]) == 0

    def test_it_finds_the_largest_products(self, folder: Path, url: str | None) -> None:
        engine = self.filled(folder, url)
        engine.create()  # those that are there stay
        engine.upsert(self.positions[[0, 40]], self.vectors[[0, 40]])
        assert engine.count() == 50
        for n in (1, 7, 50, 1000):
            found, products = engine.query(self.query, n)
            assert found.tolist() == self.positions[np.argsort(-self.products)[:n]].tolist()
            self.require_of(products, np.sort(self.products)[::-1][:n])

    def test_it_finds_none_below_the_least_product_asked_for(self, folder: Path, url: str | None) -> None:
        engine, order = self.filled(folder, url), np.argsort(-self.products)
        middle = float(self.products[order[18:20]].mean())
        assert engine.query(self.query, 1000, middle)[0].tolist() == self.positions[order[:19]].tolist()
        assert engine.query(self.query, 5, middle)[0].tolist() == self.positions[order[:5]].tolist()
        assert len(engine.query(self.query, 5, float(self.products.max()) + 1)[0]) == 0

    def test_one_that_scans_gives_all_products(self, folder: Path, url: str | None) -> None:
        engine = self.filled(folder, url)
        if not isinstance(engine, Scanner):
            pytest.skip(f"{self.name} does not scan")
        products = engine.products(self.query)
        self.require_of(products[self.positions], self.products)
        assert np.isneginf(np.delete(products, self.positions)).all()

    def test_many_queries_are_answered_as_each_alone(self, folder: Path, url: str | None) -> None:
        engine, order = self.filled(folder, url), np.argsort(-self.products)
        if not isinstance(engine, BatchScanner):
            pytest.skip(f"{self.name} takes one query at a time")
        middle = float(self.products[order[18:20]].mean())
        vectors = np.stack([self.query, self.query, np.append(-self.query[:-1], -1).astype(np.float32)])
        some, few, others = engine.query_many(vectors, [50, 1000, 7], [-np.inf, middle, -np.inf])
        assert some[0].tolist() == self.positions[order].tolist()
        assert few[0].tolist() == self.positions[order[:19]].tolist()
        alone = engine.query(vectors[2], 7)
        assert others[0].tolist() == alone[0].tolist()
        assert others[1] == pytest.approx(alone[1], abs=self.above + 1e-5)
        block = engine.scan(vectors)(30, 1000)
        self.require_of(block[self.positions[10:] - 30, 0], self.products[10:])
        assert np.isneginf(np.delete(block, self.positions[10:] - 30, axis=0)).all()

    def test_opened_again_it_has_what_it_had(self, folder: Path, url: str | None) -> None:
        self.filled(folder, url).close()
        engine = self.opened(folder, url)
        assert engine.count() == 50
        assert engine.query(self.query, 3)[0].tolist() == self.positions[np.argsort(-self.products)[:3]].tolist()

    def test_what_is_deleted_is_gone_and_nothing_else(self, folder: Path, url: str | None) -> None:
        engine, order = self.filled(folder, url), np.argsort(-self.products)
        engine.delete(np.append(self.positions[order[:2]], 1_000_000))
        engine.close()
        again = self.opened(folder, url)
        assert again.count() == 48
        assert again.query(self.query, 1000)[0].tolist() == self.positions[order[2:]].tolist()

    def test_vectors_of_two_names_do_not_meet(self, folder: Path, url: str | None) -> None:
        some, others = self.filled(folder, url), self.opened(folder, url, "others")
        others.create()
        others.upsert(self.positions[:2], self.vectors[2:4])
        assert (some.count(), others.count()) == (50, 2)
        others.close()
        drop(self.name, folder, "others", url)
        assert some.count() == 50

    def test_dropped_they_are_gone_and_can_be_made_anew(self, folder: Path, url: str | None) -> None:
        self.filled(folder, url).close()
        drop(self.name, folder, "some", url)
        engine = self.opened(folder, url)
        with pytest.raises(DataError, match="index-rebuild"):
            engine.query(self.query, 5)
        engine.create()
        assert engine.count() == 0

    def test_what_is_damaged_can_be_dropped(self, folder: Path, url: str | None) -> None:
        """Files of an engine on disk are overwritten with what is none of its own."""
        self.filled(folder, url).close()
        for place, _, names in os.walk(folder):
            for name in names:
                (Path(place) / name).write_bytes(b"\x00damaged\xff" * 7)
        drop(self.name, folder, "some", url)
        assert self.filled(folder, url).count() == 50
