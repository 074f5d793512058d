"""Generated features for the clips, class splits and word vectors of the AVCA benchmark, in its layout.

Names, clip lists and text vectors are the published ones, which `splits` and `w2v` hold; features are made up: what a
class looks and sounds like is a random linear image of its text vector, blurred (`_clip_model.world_of`). A train list
that is not published (VGGSound's) is made up too (`_avca_lists`); `generated.txt` in the folder says so.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from jaxtyping import Float32

from avgzsl.generators._avca_lists import read_published, write_report, write_tree
from avgzsl.generators._checks import check_numbers
from avgzsl.generators._clip_model import world_of
from avgzsl.types import Modality

DESCRIPTION = "the clip lists, class splits and word vectors of UCF, ActivityNet or VGGSound (AVCA); features made up"
DIMENSIONS: dict[str, dict[Modality, int]] = {
    "main": {"audio": 512, "video": 512},
    "cls": {"audio": 128, "video": 4096},
}


def write(
    out: Path,
    scale: float,
    seed: int,
    written: Callable[[int, int], None],
    *,
    splits: Path | str,
    w2v: Path | str,
    features: Literal["main", "cls"] = "main",
) -> None:
    """Write one set of features for the lists in the folder `splits` into the empty folder `out`. Raises DataError."""
    check_numbers(scale, seed)
    published = read_published(Path(splits), Path(w2v), features, scale)
    world = world_of(seed, published.text, DIMENSIONS[features])
    target = write_tree(out, published, world, f"{features}_features", _write_class, written)
    (target / "text" / published.vectors.name).write_bytes(published.vectors.read_bytes())
    made_up = f"every feature ({features}, seed {seed}, scale {scale})"
    write_report(out, published, made_up, "class lists, clip ids, vectors")


def _write_class(
    target: Path, stage: str, name: str, clips: dict[Modality, Float32[np.ndarray, "_n _d"]], ids: list[str]
) -> None:
    for modality, features in clips.items():
        path = target / modality / stage / f"{name}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file["data"] = features
            file["video_urls"] = np.array(ids, dtype="S80")
