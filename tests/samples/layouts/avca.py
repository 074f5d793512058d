"""A small data set in the layout of the AVCA benchmark."""

from pathlib import Path

import numpy as np

from avgzsl.testing import LayoutSuite
from tests.small_avca import feature_file, write_avca
from tests.small_set import change


class Suite(LayoutSuite):
    def write(self, folder: Path) -> None:
        write_avca(folder)

    def spoil(self, folder: Path) -> None:
        def first_is_nan(rows: np.ndarray) -> None:
            rows[0, 0] = np.nan

        change(feature_file(folder, "main", "audio", "stage_1_train", "Archery"), first_is_nan)
