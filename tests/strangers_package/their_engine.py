"""One file of positions and vectors, read whole at each question."""

from pathlib import Path

import numpy as np

from avgzsl.errors import DataError

DESCRIPTION = "a file of numpy, read whole"
EXAMPLE = None
SCANS = False
DEFAULT = False


def open_engine(folder: Path, name: str, dimension: int, url: str | None) -> "OneFile":
    return OneFile(folder / f"{name}.npz", dimension)


def drop(folder: Path, name: str, url: str | None) -> None:
    (folder / f"{name}.npz").unlink(missing_ok=True)


class OneFile:
    def __init__(self, path: Path, dimension: int) -> None:
        self.path, self.dimension = path, dimension

    def create(self) -> None:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write(np.zeros(0, np.int64), np.zeros((0, self.dimension), np.float32))

    def upsert(self, positions: np.ndarray, vectors: np.ndarray) -> None:
        known, stored = self._read()
        new = ~np.isin(positions, known)
        self._write(np.concatenate([known, positions[new]]), np.concatenate([stored, vectors[new]]))

    def delete(self, positions: np.ndarray) -> None:
        if self.path.exists():
            known, stored = self._read()
            kept = ~np.isin(known, positions)
            self._write(known[kept], stored[kept])

    def query(self, vector: np.ndarray, n: int, least: float = -np.inf) -> tuple[np.ndarray, np.ndarray]:
        known, stored = self._read()
        products = stored @ vector
        best = np.argsort(-products)[:n]
        best = best[products[best] >= least]
        return known[best], products[best]

    def count(self) -> int:
        return len(self._read()[0])

    def close(self) -> None:
        pass

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        try:
            with np.load(self.path) as file:
                return file["positions"], file["vectors"]
        except Exception as problem:  # numpy has no error of its own for a damaged file
            raise DataError(f"{self.path}: {problem}; make it anew with `avgzsl index-rebuild`") from problem

    def _write(self, positions: np.ndarray, vectors: np.ndarray) -> None:
        np.savez(self.path, positions=positions, vectors=vectors)
