"""The strokes of a sound, without a trained network: when they begin, how fast they rise, and how they fade."""

import numpy as np
from jaxtyping import Float, Int

STEP = 0.005  # s, of the envelope
_FLOOR = 1e-3  # of the loudest: 60 dB under it nothing counts
_AHEAD, _APART, _RISE = 6, 12, 9.0  # steps over which a stroke rises, and between two; decibels that it has to rise
_TIMES = np.array([2, 4, 8, 12, 16, 20, 26])  # steps after the start at which the course is read: 10 to 130 ms
STROKES = len(_TIMES) + 6


def strokes(waveform: Float[np.ndarray, " n"], rate: int) -> Float[np.ndarray, " s"]:
    """The mean course of a stroke, attack, fading, and how often and how evenly they come; each about 0 to 1.

    Zeros for silence. A sound in which nothing begins is one stroke.
    """
    loud = envelope(waveform, rate)
    if not loud.max() > 0:
        return np.zeros(STROKES)
    loud = loud / loud.max()
    starts = onsets(loud)
    ends = np.append(starts[1:], len(loud))
    parts = [loud[start:end] for start, end in zip(starts, ends, strict=True)]
    course = np.mean([part[np.minimum(_TIMES, len(part) - 1)] / part.max() for part in parts if part.max() > 0], axis=0)
    attack = np.median([attack_steps(part) for part in parts]) * STEP
    sustain = np.mean([part.mean() / max(part.max(), _FLOOR) for part in parts])
    gaps = np.diff(starts) * STEP
    pace = np.log2(max(len(starts) / (len(loud) * STEP), 0.25)) / 4  # octaves of strokes a second, over 16
    uneven = gaps.std() / gaps.mean() if len(gaps) > 1 else 0.0
    rest = np.log10(max(float(attack), STEP) / STEP) / 2, np.tanh(10 * attack), sustain, pace, min(uneven, 1.0)
    return np.array([*course, *rest, float((loud < 0.05).mean())])


def envelope(waveform: Float[np.ndarray, " n"], rate: int) -> Float[np.ndarray, " t"]:
    """Root mean square of steps of 5 ms, smoothed over three; the last step may be short."""
    step = round(STEP * rate)
    padded = np.pad(waveform.astype(np.float64), (0, -len(waveform) % step))
    power = np.square(padded).reshape(-1, step).mean(1)
    smooth: Float[np.ndarray, " t"] = np.sqrt(np.convolve(power, np.ones(3) / 3, mode="same"))
    return smooth


def onsets(loud: Float[np.ndarray, " t"]) -> Int[np.ndarray, " s"]:
    """Where strokes begin, as steps of an envelope whose greatest value is 1; at least one, the first.

    There the level rises by _RISE decibels or more within 30 ms, more than anywhere within 60 ms.
    """
    level = 20 * np.log10(np.maximum(loud, _FLOOR))
    padded = np.concatenate([np.full(_AHEAD, 20 * np.log10(_FLOOR)), level])  # what is there at once begins there
    rise = level - padded[: len(level)]
    around = np.lib.stride_tricks.sliding_window_view(np.pad(rise, _APART, constant_values=-np.inf), 2 * _APART + 1)
    peaks = np.flatnonzero((rise >= _RISE) & (rise >= around.max(1)) & (np.maximum(loud, _FLOOR) > 0.02))
    peaks = peaks[np.diff(peaks, prepend=-_APART - 1) > _APART]
    return np.maximum(peaks - _AHEAD, 0) if len(peaks) else np.array([0])


def attack_steps(part: Float[np.ndarray, " t"]) -> int:
    """Steps from a tenth of the greatest value to nine tenths of it."""
    peak = part[: part.argmax() + 1] / max(float(part.max()), _FLOOR)
    begins = int((peak >= 0.1).argmax())
    return int((peak[begins:] >= 0.9).argmax())
