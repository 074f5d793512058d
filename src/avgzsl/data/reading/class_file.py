"""The file of features of one class in one stage and modality, of any kind that a layout may have: HDF5, pickled."""

from pathlib import Path

from jaxtyping import Float32, Shaped
from numpy import ndarray

from avgzsl.data.reading import feature_files
from avgzsl.data.reading.pickled_features import means, read_pickled_features

PICKLED = ".pkl"


def read_features(path: Path) -> tuple[Float32[ndarray, "n d"], Shaped[ndarray, " n"] | None]:
    """A row a clip, the mean of its steps, and the ids of clips where the file has them. Raises DataError."""
    if path.suffix != PICKLED:
        return feature_files.read_features(path)
    clips = read_pickled_features(path, "audio")  # seconds are not asked for
    return means(clips), clips.ids


def dimension_of(path: Path) -> int | None:
    """Numbers a row; None where a pickled file has no clips. Raises DataError."""
    if path.suffix != PICKLED:
        return feature_files.shape_of(path)[1]
    return read_pickled_features(path, "audio").dimension or None
