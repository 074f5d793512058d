"""Their tests: pytest runs them where the package is installed."""

from pathlib import Path

import numpy as np

from avgzsl.testing import BackboneSuite, EngineSuite, LayoutSuite, TextEncoderSuite


class TestTheirLayout(LayoutSuite):
    name = "one-file"

    def write(self, folder: Path) -> None:
        draw = np.random.default_rng(0)
        label = np.arange(40) % 5
        split = np.where(np.arange(40) < 24, "train", np.where(np.arange(40) < 32, "val", "test"))
        split[(label == 4) & (split == "train")] = "test"
        np.savez(
            folder / "clips.npz",
            audio=draw.standard_normal((40, 6)).astype(np.float32) + label[:, None].astype(np.float32),
            video=draw.standard_normal((40, 4)).astype(np.float32) - label[:, None].astype(np.float32),
            label=label,
            split=split,
            id=np.array([f"clip {number}" for number in range(40)]),
            classes=np.array(["bell", "drum", "flute", "horn", "organ"]),
            text=draw.standard_normal((5, 8)).astype(np.float32),
            seen=np.array([True, True, True, False, False]),
        )

    def spoil(self, folder: Path) -> None:
        with np.load(folder / "clips.npz") as file:
            arrays = dict(file)
        arrays["audio"][0, 0] = np.nan
        np.savez(folder / "clips.npz", **arrays)


class TestTheirEars(BackboneSuite):
    name = "their-ears"
    modality = "audio"


class TestTheirWords(TextEncoderSuite):
    name = "their-words"


class TestTheirEngine(EngineSuite):
    name = "their-engine"
