"""A small data set in the layout of AudioSetZSL."""

from pathlib import Path

import numpy as np

from avgzsl.testing import LayoutSuite
from tests.small_set import change, feature_file, write_set


class Suite(LayoutSuite):
    def write(self, folder: Path) -> None:
        write_set(folder)

    def spoil(self, folder: Path) -> None:
        def first_is_nan(rows: np.ndarray) -> None:
            rows[0, 0] = np.nan

        change(feature_file(folder, "audio", "train", "dog"), first_is_nan)
