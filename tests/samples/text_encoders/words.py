"""A file of word vectors."""

from pathlib import Path

import numpy as np

from avgzsl.testing import TextEncoderSuite
from avgzsl.text.names import tokens


class Suite(TextEncoderSuite):
    def spec(self, folder: Path) -> str:
        rng, file = np.random.default_rng(1), folder / "w.vec"
        words = sorted({word.lower() for name in (*self.names, *self.others) for word in tokens(name)})
        lines = [f"{word} {' '.join(f'{value:.5f}' for value in rng.normal(size=9))}" for word in words]
        file.write_text(f"{len(lines)} 9\n" + "\n".join(lines) + "\n")
        return f"words:{file}"
