"""Everything that is in a data set, and everything that is wrong with it, also when it cannot be read."""

from pathlib import Path
from typing import Any

from avgzsl.data.layouts import find_layout


def inspect(path: Path | str, *, layout: str | None = None) -> dict[str, Any]:
    """Look at the data set in `path`; the answer can be written as JSON.

    Keys: path, layout, modalities (dimension, min, max, mean_norm each), text (file, dimension, classes), class_splits
    (seen, unseen), clips (class -> split -> count), problems (all that stops reading or spoils results) and remarks
    (what one should know). Raises DataError only when there is no data set to look at.
    """
    root, module = find_layout(path, layout)
    return module.inspect(root)
