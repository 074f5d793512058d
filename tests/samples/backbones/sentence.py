"""Small random weights: a model of pictures, and one of sound."""

from pathlib import Path

from avgzsl.testing import BackboneSuite
from tests.small_weights import weights


class Suite(BackboneSuite):
    def spec(self, folder: Path) -> str:
        return f"sentence:{weights('sentence' if self.modality == 'video' else 'sentence of sound')}"
