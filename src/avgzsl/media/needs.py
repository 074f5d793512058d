"""What a backbone wants of a clip, and what it gets."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8


@dataclass(frozen=True)
class Span:
    """Seconds of a file; an `end` of None is the file's."""

    start: float = 0.0
    end: float | None = None


@dataclass(frozen=True)
class FrameNeeds:
    """Square RGB frames: at `fps` frames a second, or `count` of them from the middles of equal parts of the span.

    With `short_side`, the shorter side is resized to it and the centre square of `size` is cut out; without, the whole
    picture is stretched to `size` x `size`.
    """

    size: int
    fps: float | None = None
    count: int | None = None
    short_side: int | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"


@dataclass(frozen=True)
class SoundNeeds:
    """A mono waveform of `rate` samples a second; with `seconds`, only so much of the beginning, or somewhat more."""

    rate: int
    seconds: float | None = None


@dataclass(frozen=True, eq=False)
class Decoded:
    """A span of a file: what it lacks, or what nobody asked for, is None.

    `times` are the frames' times in seconds from the start of the file. `info` tells what the file is and which of its
    streams were used; it goes into JSON as it is.
    """

    frames: UInt8[np.ndarray, "t s s 3"] | None = None
    times: Float[np.ndarray, " t"] | None = None
    waveform: Float[np.ndarray, " n"] | None = None
    info: dict[str, Any] = field(default_factory=dict)
