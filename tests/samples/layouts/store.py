"""A small store of features."""

from pathlib import Path

import numpy as np

from avgzsl.testing import LayoutSuite
from tests.test_store import make


class Suite(LayoutSuite):
    def write(self, folder: Path) -> None:
        make(folder)

    def spoil(self, folder: Path) -> None:
        rows = np.load(folder / "audio.npy")
        rows[0, 0] = np.nan  # of a bell in train
        np.save(folder / "audio.npy", rows)
