"""Statistics of a waveform, without a trained network: spectrum, pitch and rhythm."""

from functools import cache

import numpy as np
from jaxtyping import Float
from torch import Tensor

from avgzsl.backbones._mel import log_mel, mel_filters

RATE = 16_000
_N_FFT, _HOP, _BANDS = 1024, 160, 40
_RANGE = 80.0  # dB under the loudest, below which nothing counts
_PITCHES = np.geomspace(60, 2000, 25)  # Hz, the edges of 24 bands, a fifth of an octave or so each
_BEATS = np.arange(5, 130, 5)  # frames of 10 ms, the lags of the rhythm
_TEMPI = np.geomspace(0.5, 16, 13)  # Hz, the edges of 12 bands
_BLOCK = 2048
RHYTHM = len(_BEATS) + len(_TEMPI) - 1
SOUND_DIMENSION = 4 * _BANDS + len(_PITCHES) - 1 + RHYTHM + 4


def describe_sound(waveform: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """Log-mel statistics, periodicity and rhythm of a mono waveform of RATE, float32 in [-1, 1]; each about 0 to 1.

    Loudness is one number of them; the rest does not hang on it.
    """
    decibel = log_mel(waveform, _filters(), _HOP, _RANGE).numpy()
    loudest = float(decibel.max())
    mel = 1 + (decibel - loudest) / _RANGE
    rise = np.diff(mel, axis=0, prepend=mel[:1])
    onsets = np.maximum(rise, 0).mean(1)
    spectrum = (mel.mean(0), mel.std(0), mel.max(0), 10 * np.abs(rise).mean(0))
    level = (loudest / 100, 10 * onsets.mean(), 10 * onsets.std(), onsets.max())
    parts = (*spectrum, periodicity(waveform), *rhythm(onsets), np.array(level))
    return np.concatenate(parts).astype(np.float32)


def periodicity(waveform: Float[np.ndarray, " n"]) -> Float[np.ndarray, " p"]:
    """How well frames of 64 ms repeat after the periods of each band of pitch, loud frames counting more.

    The peak of the normalised autocorrelation within the band, freed of the window's own (Boersma 1993, equation 9).
    """
    lags = np.unique(np.ceil(RATE / _PITCHES[::-1]).astype(int))
    window = np.hanning(_N_FFT + 1)[:-1].astype(np.float32)
    window_correlation = _autocorrelation(window[None])[0]
    padded = np.pad(waveform, (0, max(0, _N_FFT - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[:: 2 * _HOP]
    total, energy = np.zeros(len(_PITCHES) - 1), 0.0
    for start in range(0, len(frames), _BLOCK):
        correlation = _autocorrelation(frames[start : start + _BLOCK] * window)
        peaks = np.maximum.reduceat(correlation[:, : lags[-1]] / window_correlation[: lags[-1]], lags[:-1], axis=1)
        total += peaks.clip(min=0).sum(0)[::-1]
        energy += float(correlation[:, 0].sum() / window_correlation[0])
    return total / max(energy, 1e-9)


def rhythm(onsets: Float[np.ndarray, " t"]) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " m"]]:
    """The onsets' normalised autocorrelation after 50 ms, 100 ms, …, and their power in bands of frequency."""
    centred = np.pad(onsets - onsets.mean(), (0, max(0, _BEATS[-1] + 1 - len(onsets))))
    power = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    repeated = np.fft.irfft(power)[: _BEATS[-1] + 3]
    beats = np.array([repeated[lag - 2 : lag + 3].max() for lag in _BEATS]) / max(float(repeated[0]), 1e-9)
    frequency = np.arange(len(power)) * RATE / _HOP / (2 * len(centred))
    tempi = np.histogram(frequency, _TEMPI, weights=power)[0] / max(float(power.sum()), 1e-9)
    return beats, np.sqrt(tempi)


def _autocorrelation(frames: Float[np.ndarray, "f w"]) -> Float[np.ndarray, "f l"]:
    power = np.abs(np.fft.rfft(frames, 2 * frames.shape[1])) ** 2
    return np.fft.irfft(power)[:, : frames.shape[1] // 2]


@cache
def _filters() -> Tensor:
    return mel_filters(RATE, _N_FFT, _BANDS)
