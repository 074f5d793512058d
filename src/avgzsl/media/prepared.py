"""What a network is fed, made of a clip in the process that decodes it: picked frames, windows of sound, spectrograms.

Each is a small object that goes to that process with every clip: numpy alone, no network and no library of one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from avgzsl.errors import DataError
from avgzsl.media.decode import decode
from avgzsl.media.log_mel import LogMel
from avgzsl.media.needs import Decoded, FrameNeeds, SoundNeeds, Span
from avgzsl.types import Modality

Prepare = Callable[[np.ndarray], np.ndarray]
"""The frames or the waveform of a clip to u inputs of one shape, u x …; it can be pickled.

Those that cut a clip into several say where each lies by `places(length)`, see `places_of`.
"""


@dataclass(frozen=True)
class Pictures:
    """Each frame is an input: t x s x s x 3."""

    def __call__(self, frames: UInt8[np.ndarray, "t s s 3"]) -> UInt8[np.ndarray, "t s s 3"]:
        return frames

    def places(self, length: int) -> Int[np.ndarray, "t 2"]:
        return np.arange(length)[:, None] + np.arange(2)


@dataclass(frozen=True)
class OneVideo:
    """`count` frames, evenly picked, are one input: 1 x count x s x s x 3."""

    count: int

    def __call__(self, frames: UInt8[np.ndarray, "t s s 3"]) -> UInt8[np.ndarray, "1 c s s 3"]:
        return evenly(frames, self.count)[None]


@dataclass(frozen=True)
class SoundWindows:
    """Windows of at most `size` samples, each lengthened by its mirror image to a multiple of `multiple`: u x n."""

    size: int
    multiple: int

    def __call__(self, waveform: Float[np.ndarray, " n"]) -> Float[np.ndarray, "u m"]:
        """Raises DataError for a waveform that is not finite."""
        cut = windows(_finite(waveform), self.size)
        return np.stack([np.pad(window, (0, -len(window) % self.multiple), mode="reflect") for window in cut])

    def places(self, length: int) -> Int[np.ndarray, "u 2"]:
        return _places(length, self.size)


@dataclass(frozen=True, eq=False)
class MelWindows:
    """Spectrograms of windows of at most `size` samples, float32 of u x frames x bands.

    A shorter sound is one window: as it is and then frames of 0 (`"frames"`), or repeated as often as it fits into
    `size`, and then silence (`"repeat"`). `mean` and `scale`: (value - mean) / scale.
    """

    mel: LogMel
    size: int
    frames: int
    fill: Literal["frames", "repeat"]
    mean: float = 0.0
    scale: float = 1.0

    def __call__(self, waveform: Float[np.ndarray, " n"]) -> Float[np.ndarray, "u t bands"]:
        """Raises DataError for a waveform that is not finite."""
        return np.stack([self._spectrogram(window) for window in windows(_finite(waveform), self.size)])

    def places(self, length: int) -> Int[np.ndarray, "u 2"]:
        return _places(length, self.size)

    def _spectrogram(self, window: Float[np.ndarray, " n"]) -> Float[np.ndarray, "t bands"]:
        if self.fill == "repeat":
            window = np.tile(window, self.size // len(window))
        least = self.size if self.fill == "repeat" else len(self.mel.window)
        mel = self.mel(np.pad(window, (0, max(0, least - len(window)))))
        padded = np.pad(mel, ((0, self.frames - len(mel)), (0, 0)))
        return ((padded - np.float32(self.mean)) / np.float32(self.scale)).astype(np.float32)


def decode_prepared(
    path: Path,
    span: Span,
    frames: FrameNeeds | None,
    sound: SoundNeeds | None,
    prepare: Mapping[Modality, Prepare],
) -> Decoded:
    """As `decode`; `inputs` have what `prepare` makes of a modality, in place of its frames or waveform.

    Raises MediaError, DataError.
    """
    decoded = decode(path, span, frames, sound)
    inputs: dict[Modality, Shaped[np.ndarray, "u ..."]] = {}
    if "video" in prepare and decoded.frames is not None:
        inputs["video"] = prepare["video"](decoded.frames)
        decoded = replace(decoded, frames=None)
    if "audio" in prepare and decoded.waveform is not None:
        inputs["audio"] = prepare["audio"](decoded.waveform)
        decoded = replace(decoded, waveform=None, samples=len(decoded.waveform))
    return replace(decoded, inputs=inputs)


def evenly(frames: UInt8[np.ndarray, "t s s 3"], count: int) -> UInt8[np.ndarray, "c s s 3"]:
    """`count` frames from the middles of equal parts: all of them where there are so many, else some repeated."""
    return frames[(2 * np.arange(count) + 1) * len(frames) // (2 * count)]


def windows(waveform: Float[np.ndarray, " n"], size: int) -> list[Float[np.ndarray, " _m"]]:
    """As few windows of `size` samples as cover the waveform, evenly spread; a shorter waveform is its own window."""
    return [waveform[start : start + size] for start in _starts(len(waveform), size)]


def places_of(prepare: Prepare, length: int, count: int) -> Int[np.ndarray, "u 2"]:
    """Where the `count` inputs of a clip of `length` frames or samples lie: the first of each, and one behind the last.

    Equal parts of the clip, where `prepare` does not say.
    """
    places: Callable[[int], Int[np.ndarray, "u 2"]] | None = getattr(prepare, "places", None)
    if places is not None:
        return places(length)
    edges = np.arange(count + 1) * length // count
    return np.stack([edges[:-1], np.maximum(edges[1:], edges[:-1] + 1)], axis=1)


def _places(length: int, size: int) -> Int[np.ndarray, "u 2"]:
    starts = _starts(length, size)
    return np.stack([starts, np.minimum(starts + size, length)], axis=1)


def _starts(length: int, size: int) -> Int[np.ndarray, " u"]:
    return np.linspace(0, max(0, length - size), -(-length // size)).round().astype(int)


def _finite(waveform: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    if not np.isfinite(waveform).all():
        raise DataError("its waveform has values that are not finite; the file is damaged, or not sound")
    return waveform
