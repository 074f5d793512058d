"""The file of features of one class in one stage and modality, of any kind that a layout may have: HDF5, pickled."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped

from avgzsl.data.reading import feature_files
from avgzsl.data.reading.pickled_features import PickledClips, means, read_pickled_features
from avgzsl.features.clip_steps import ClipSteps
from avgzsl.types import Modality

PICKLED = ".pkl"


class ClassFile(NamedTuple):
    """What a file holds: a row a clip, ids where it has them, and, where its clips are sequences, their steps.

    The row of a sequence is the mean of its steps.
    """

    rows: Float32[np.ndarray, "n _d"]
    ids: Shaped[np.ndarray, " n"] | None
    steps: tuple[ClipSteps, ...] | None = None


def read_features(path: Path, modality: Modality) -> ClassFile:
    """The content of a file. Raises DataError."""
    if path.suffix != PICKLED:
        return ClassFile(*feature_files.read_features(path))
    clips = read_pickled_features(path, modality)
    return ClassFile(means(clips), clips.ids, None if clips.vectors else tuple(_timed(clips)))


def dimension_of(path: Path) -> int | None:
    """Numbers a row; None where a pickled file has no clips. Raises DataError."""
    if path.suffix != PICKLED:
        return feature_files.shape_of(path)[1]
    return read_pickled_features(path, "audio").dimension or None


def _timed(clips: PickledClips) -> list[ClipSteps]:
    """The steps of each clip with the seconds of their middles: one follows the other from the clip's begin on."""
    return [
        ClipSteps(rows, ((np.arange(len(rows)) + 0.5) * seconds).astype(np.float32))
        for rows, seconds in zip(clips.steps, clips.seconds.tolist(), strict=True)
    ]
