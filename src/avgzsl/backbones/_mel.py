"""Log-mel spectrograms as librosa makes them (Slaney's mel scale and area normalisation)."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_BLOCK = 4096  # frames whose spectrum is held at once


def slaney_mel(hertz: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Slaney's scale (Auditory Toolbox, 1998): 200/3 Hz a mel up to 1 kHz, above it 27 mels for a factor of 6.4."""
    above = 15 + 27 * np.log(np.maximum(hertz, 1000.0) / 1000) / np.log(6.4)
    return np.where(hertz < 1000, hertz * 3 / 200, above)


def slaney_hertz(mel: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The inverse of `slaney_mel`."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def mel_filters(rate: int, n_fft: int, bands: int) -> Float[Tensor, "f bands"]:
    """Triangles of area 1 (per Hz, half overlapping, equally wide in mels) from 0 to rate/2 Hz."""
    frequency = np.linspace(0, rate / 2, n_fft // 2 + 1)
    top = slaney_mel(np.array([rate / 2]))[0]
    edge = slaney_hertz(np.linspace(0, top, bands + 2))
    rise = (frequency[:, None] - edge[None, :-2]) / np.diff(edge)[None, :-1]
    fall = (edge[None, 2:] - frequency[:, None]) / np.diff(edge)[None, 1:]
    triangle = np.maximum(0, np.minimum(rise, fall))
    return torch.from_numpy(triangle * 2 / (edge[2:] - edge[:-2])).float()


def log_mel(
    waveform: Float[np.ndarray, " n"], filters: Float[Tensor, "f bands"], hop: int, top_db: float
) -> Float[Tensor, "t bands"]:
    """Power mel spectrogram in dB (10 log10, at least 1e-10), of a Hann window, at most `top_db` under its loudest.

    Frames are centred at multiples of `hop`; the ends are mirrored. t = 1 + n // hop.
    """
    n_fft = 2 * (len(filters) - 1)
    padded = torch.from_numpy(np.pad(waveform.astype(np.float32), n_fft // 2, mode="reflect"))
    window = torch.hann_window(n_fft)
    power = [
        torch.fft.rfft(frames * window).abs().square() @ filters
        for frames in padded.unfold(0, n_fft, hop).split(_BLOCK)
    ]
    decibel = 10 * torch.cat(power).clamp(min=1e-10).log10()
    return decibel.clamp(min=float(decibel.max()) - top_db)
