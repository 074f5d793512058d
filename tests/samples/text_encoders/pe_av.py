"""Small random weights."""

from pathlib import Path

from avgzsl.testing import TextEncoderSuite
from tests.small_weights import weights


class Suite(TextEncoderSuite):
    others = ("a cat on a mat", "cow")  # it reads few letters

    def spec(self, folder: Path) -> str:
        return f"pe-av:{weights('pe-av')}"
