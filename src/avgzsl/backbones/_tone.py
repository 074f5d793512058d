"""The tone of a sound, without a trained network: its pitch, how it sways, and the partials over it."""

from functools import cache

import numpy as np
from jaxtyping import Float

_N_FFT, _HOP = 2048, 512
_LOWEST, _HIGHEST, _MIDDLE = 60.0, 1500.0, 250.0  # Hz
_PARTS, _OCTAVES = 6, 4  # bands an octave, and octaves over the pitch
_BANDS = _PARTS * _OCTAVES
_AS_GOOD = 0.9  # of the best peak: the shortest period that does so well is the pitch
_BLOCK = 512  # frames that are looked at together
TONE = _BANDS + 1 + 5
_TINY = 1e-12


def tone(waveform: Float[np.ndarray, " n"], rate: int) -> Float[np.ndarray, " tone"]:
    """Energy by its distance over the pitch; pitch, high, low, its sway, and how clear it is. Each about -1 to 1.

    Shares of energy are square roots, of sixths of an octave from the pitch on, the last of all under it: which tone is
    played counts little. The loud and the clear counts more. Zeros for silence.
    """
    padded = np.pad(waveform.astype(np.float64), (_N_FFT // 2, _N_FFT))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::_HOP]
    blocks = [_block(frames[start : start + _BLOCK], rate) for start in range(0, len(frames), _BLOCK)]
    over, hertz, clear, energy = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    if not energy.sum() > 1e-9:
        return np.zeros(TONE)
    weight = np.sqrt(energy) * np.maximum(clear, 0.05)
    weight = weight / weight.sum()
    octaves = np.log2(hertz / _MIDDLE)
    mean = float(weight @ octaves)
    sway = np.tanh(np.sqrt(weight @ np.square(octaves - mean)))
    height = np.tanh(mean)
    return np.concatenate([np.sqrt(weight @ over), [height, max(height, 0), max(-height, 0), sway, weight @ clear]])


def pitch(power: Float[np.ndarray, "f k"], rate: int) -> tuple[Float[np.ndarray, " f"], Float[np.ndarray, " f"]]:
    """Hz at which each frame repeats best, and its normalised autocorrelation there, 0 to 1 (Boersma, 1993).

    `power` is of windowed frames of 2,048 samples, filled up with as many zeros. A frame that does not repeat has a
    pitch in the middle of the range, 60 to 1,500 Hz, and 0.
    """
    lags = np.arange(int(rate / _HIGHEST), int(rate / _LOWEST) + 1)
    own = _window_correlation()[lags]
    scores = np.fft.irfft(power, axis=1)[:, : lags[-1] + 1]
    scores = scores[:, lags] / own / np.maximum(scores[:, :1], _TINY)
    inner = scores[:, 1:-1]
    heights = np.where((inner >= scores[:, :-2]) & (inner > scores[:, 2:]), inner, 0)
    best = heights.max(1)
    first = (heights >= _AS_GOOD * best[:, None]).argmax(1) + 1
    row = np.arange(len(scores))
    before, here, after = (scores[row, first + step] for step in (-1, 0, 1))
    bend = np.minimum(before - 2 * here + after, -_TINY)
    hertz = rate / (lags[first] + np.clip((before - after) / (2 * bend), -0.5, 0.5))
    found = best > 0
    return np.where(found, hertz, np.sqrt(_LOWEST * _HIGHEST)), np.where(found, here, 0).clip(0, 1)


def _block(frames: Float[np.ndarray, "f n"], rate: int) -> tuple[np.ndarray, ...]:
    """Of each frame: shares of energy over the pitch, pitch, clearness and energy."""
    power = np.square(np.abs(np.fft.rfft(frames * _window(), 2 * _N_FFT, axis=1)))
    hertz, clear = pitch(power, rate)
    return _over(power[:, 1:], hertz, rate), hertz, clear, power.sum(1)


def _over(power: Float[np.ndarray, "f k"], hertz: Float[np.ndarray, " f"], rate: int) -> Float[np.ndarray, "f b"]:
    """The shares of energy in each band over the pitch, the highest with all above it; then the share under it."""
    frequency = np.arange(1, power.shape[1] + 1) * rate / (2 * power.shape[1])
    band = np.rint(np.log2(frequency / hertz[:, None]) * _PARTS).astype(np.int64)
    band = np.where(band < 0, _BANDS, np.minimum(band, _BANDS - 1)) + np.arange(len(power))[:, None] * (_BANDS + 1)
    total = np.bincount(band.ravel(), power.ravel(), len(power) * (_BANDS + 1)).reshape(len(power), -1)
    shares: Float[np.ndarray, "f b"] = total / np.maximum(total.sum(1, keepdims=True), _TINY)
    return shares


@cache
def _window() -> Float[np.ndarray, " n"]:
    return np.hanning(_N_FFT + 1)[:-1]


@cache
def _window_correlation() -> Float[np.ndarray, " l"]:
    """The window's own autocorrelation, 1 at lag 0."""
    own = np.fft.irfft(np.square(np.abs(np.fft.rfft(_window(), 2 * _N_FFT))))
    normalised: Float[np.ndarray, " l"] = own / own[0]
    return normalised
