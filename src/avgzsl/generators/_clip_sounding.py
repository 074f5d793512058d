"""Sounds of rendered clips: strokes of one timbre, at one pitch, in one rhythm."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32

Samples = Float[np.ndarray, " n"]

PITCHES = {"low": 130.0, "high": 620.0}  # Hz
RHYTHMS = {"slow": 1.6, "fast": 5.0}  # strokes a second


def _drum(t: Samples, f: float, draw: np.random.Generator) -> Samples:
    tone = np.sin(2 * np.pi * f * t * (1 + 0.5 * np.exp(-30 * t)))
    struck: Samples = (0.7 * tone + 0.5 * draw.normal(size=len(t)) * np.exp(-40 * t)) * np.exp(-14 * t)
    return struck


def _bell(t: Samples, f: float, draw: np.random.Generator) -> Samples:
    partials = ((1.0, 1.0), (2.76, 0.6), (5.4, 0.35), (8.93, 0.2))
    ringing: Samples = np.sum([a * np.sin(2 * np.pi * f * r * t) * np.exp(-(2 + r) * t) for r, a in partials], 0)
    return ringing


def _flute(t: Samples, f: float, draw: np.random.Generator) -> Samples:
    vibrato = f * t + 0.004 * f / 5 * np.sin(2 * np.pi * 5 * t)
    tone = np.sin(2 * np.pi * vibrato) + 0.15 * np.sin(4 * np.pi * vibrato)
    return (tone + 0.03 * draw.normal(size=len(t))) * np.minimum(t / 0.06, 1)


def _buzzer(t: Samples, f: float, draw: np.random.Generator) -> Samples:
    return 0.6 * (2 * ((f * t) % 1) - 1)


TIMBRES: dict[str, Callable[[Samples, float, np.random.Generator], Samples]] = {
    "drum": _drum,
    "bell": _bell,
    "flute": _flute,
    "buzzer": _buzzer,
}


def sound_clip(
    rhythm: str, pitch: str, timbre: str, seconds: float, rate: int, draw: np.random.Generator
) -> Float32[np.ndarray, " n"]:
    """Mono samples in [-1, 1]. Tuning, tempo, start, loudness and a little noise are drawn anew a clip."""
    frequency, tempo = PITCHES[pitch] * draw.uniform(0.88, 1.12), RHYTHMS[rhythm] * draw.uniform(0.85, 1.15)
    out = np.zeros(round(seconds * rate))
    at = draw.uniform(0, 0.6) / tempo
    while at < seconds:
        first, last = round(at * rate), min(round((at + 0.8 / tempo) * rate), len(out))
        t = np.arange(last - first) / rate
        end = np.minimum(1, (last - first - np.arange(last - first)) / (0.01 * rate))  # no click where a stroke ends
        out[first:last] += TIMBRES[timbre](t, frequency, draw) * end
        at += 1 / tempo
    out = out / max(abs(out).max(), 1e-9) * draw.uniform(0.4, 0.8) + draw.normal(0, 0.004, len(out))
    clipped: Float32[np.ndarray, " n"] = np.clip(out, -1, 1).astype(np.float32)
    return clipped
