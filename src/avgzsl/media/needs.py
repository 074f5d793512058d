"""What a backbone needs of a clip (which frames, which sound), and the decoded clip that it gets."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from avgzsl.types import Modality


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
    """A mono waveform of `rate` samples a second; with `seconds`, only that much of the span's begin, or a bit more."""

    rate: int
    seconds: float | None = None


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded span of a file; None for what the file lacks or the needs did not ask for.

    `frames` are RGB, `times` their seconds from the start of the file; `waveform` is mono, in [-1, 1]. `info` has the
    facts of the file and of the streams that were used (`avgzsl.media.decode.probe`); it goes into JSON as it is.
    `inputs` have what a network is fed, u inputs of one shape, where that was made in place of frames or waveform
    (`avgzsl.media.prepared`); `samples` are then those of the waveform.
    """

    frames: UInt8[np.ndarray, "t s s 3"] | None = None
    times: Float[np.ndarray, " t"] | None = None
    waveform: Float[np.ndarray, " n"] | None = None
    info: dict[str, Any] = field(default_factory=dict)
    inputs: dict[Modality, Shaped[np.ndarray, "u ..."]] = field(default_factory=dict)
    samples: int = 0
