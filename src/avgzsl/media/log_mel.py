"""Log-mel spectrograms in plain numpy, as the networks of the transformers library are fed them.

The library's own feature extractors give the same numbers, frame by frame in a loop; this is several times faster, and
a process that decodes needs nothing but numpy for it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_BLOCK = 1024  # frames whose spectrum is held at once


@dataclass(frozen=True, eq=False)
class LogMel:
    """Settings of a power mel spectrogram: `window` of w samples, `filters` of f = n_fft / 2 + 1 frequencies x bands.

    A frame begins every `hop` samples; `centred` frames lie around multiples of it, with mirrored ends, others are
    whole. `emphasis` (0: none) takes each frame's mean away and then so much of the sample before, as Kaldi does. In
    decibels (10 log10) or as natural logarithm, of `floor` at least.
    """

    window: Float[np.ndarray, " w"]
    filters: Float[np.ndarray, "f bands"]
    hop: int
    centred: bool = True
    emphasis: float = 0.0
    decibels: bool = True
    floor: float = 1e-10

    def __call__(self, waveform: Float[np.ndarray, " n"]) -> Float[np.ndarray, "t bands"]:
        """The spectrogram, float32, of a waveform no shorter than a window."""
        size = len(self.window)
        padded = np.pad(waveform, size // 2, mode="reflect") if self.centred else waveform
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[:: self.hop]
        power = [self._mel(frames[i : i + _BLOCK].astype(np.float64)) for i in range(0, len(frames), _BLOCK)]
        logarithm = np.log(np.maximum(np.concatenate(power), self.floor))
        factor = 10 / np.log(10) if self.decibels else 1.0
        return np.asarray(logarithm * factor, dtype=np.float32)

    def _mel(self, frames: Float[np.ndarray, "t w"]) -> Float[np.ndarray, "t bands"]:
        if self.emphasis:
            frames = frames - frames.mean(1, keepdims=True)
            before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)  # the first sample stands for its own
            frames = frames - self.emphasis * before
        spectrum = np.fft.rfft(frames * self.window, 2 * (len(self.filters) - 1))
        return np.asarray(np.square(np.abs(spectrum)) @ self.filters)
