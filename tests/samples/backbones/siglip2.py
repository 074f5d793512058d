"""Small random weights."""

from pathlib import Path

from avgzsl.testing import BackboneSuite
from tests.small_weights import weights


class Suite(BackboneSuite):
    def spec(self, folder: Path) -> str:
        return f"siglip2:{weights('siglip2')}"
