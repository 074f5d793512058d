"""A file of class vectors of unit length."""

from pathlib import Path

import numpy as np

from avgzsl.testing import TextEncoderSuite


class Suite(TextEncoderSuite):
    def spec(self, folder: Path) -> str:
        rng, file = np.random.default_rng(0), folder / "d.npy"
        vectors = {name: rng.normal(size=7).astype(np.float32) for name in (*self.names, *self.others)}
        np.save(file, np.array({name: v / np.linalg.norm(v) for name, v in vectors.items()}, dtype=object))
        return f"dict:{file}"
