"""The steps of one clip in one modality, and the files that hold those of many: flat, one clip after the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64


@dataclass(frozen=True, eq=False)
class ClipSteps:
    """What a backbone gave for each window or frame of a clip: T x d, and the seconds of the middle of each.

    Seconds count from where the clip begins.
    """

    steps: Float32[np.ndarray, "t _d"]
    times: Float32[np.ndarray, " t"]

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, eq=False)
class FlatSteps:
    """The steps of n clips one after the other, memory-mapped; clip i has `length[i]` of them."""

    steps: Float32[np.ndarray, "_s _d"]
    times: Float32[np.ndarray, " _s"]
    length: Int64[np.ndarray, " n"]

    @property
    def first(self) -> Int64[np.ndarray, " n"]:
        """Where the steps of each clip begin."""
        return np.asarray(np.cumsum(self.length) - self.length)


def lengths(clips: Sequence[ClipSteps]) -> Int64[np.ndarray, " n"]:
    """Steps of each clip."""
    return np.array([len(clip) for clip in clips], dtype=np.int64)
