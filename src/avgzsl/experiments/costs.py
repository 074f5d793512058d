"""What a training took, and what a baseline will take, in seconds: estimates, from a matrix product timed here."""

import time
from functools import cache

import torch

from avgzsl import backbones
from avgzsl.data.clips import Dataset, Encoder
from avgzsl.errors import AvgzslError
from avgzsl.learning.training import Schedule
from avgzsl.methods import Method, method_class
from avgzsl.types import MODALITIES, Modality

LABELS = 15.0
"""Seconds to encode the labels of two taggers with a small sentence encoder, on two cores."""
_SIDE = 512
_PASSES = 6  # products of a training step a weight and clip: two forward, four backward (Kaplan et al. 2020)


def training_seconds(method: Method, clips: int) -> float:
    """What a training of so many clips took, at least: epochs x clips x weights. 0 of a method without epochs."""
    if not isinstance(method, Schedule):
        return 0.0
    weights = sum(value.numel() for value in method.state().values())
    return _PASSES * weights * clips * method.epochs / _rate(torch.float32)


def baseline_seconds(name: str, dataset: Dataset) -> float:
    """What the fit of a baseline, frozen encoders or least squares, takes on the training clips."""
    train, classes = dataset.split("train"), dataset.classes
    widths = [feature.shape[1] for m in MODALITIES if (feature := train.feature(m)) is not None]
    if not method_class(name).untrained:
        products = sum(2 * len(train) * width**2 + width**3 for width in widths)
        return products / _rate(torch.float64)
    seconds = sum(2 * len(train) * width * len(classes) for width in widths) / _rate(torch.float32)
    by_labels = any(_by_labels(modality, dataset.encoders.get(modality)) for modality in MODALITIES)
    return seconds + (LABELS if by_labels else 0.0)


def _by_labels(modality: Modality, encoder: Encoder | None) -> bool:
    """Whether features may meet words by the labels of a tagger; those of an unknown backbone meet none."""
    if encoder is None:
        return False
    try:
        return backbones.text_encoder_of(encoder.spec, modality) is None
    except AvgzslError:  # a backbone that is not installed here: the baseline is refused at once
        return False


@cache
def _rate(dtype: torch.dtype) -> float:
    """Operations a second of a matrix product, the best of three."""
    x = torch.ones(_SIDE, _SIDE, dtype=dtype)
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        x @ x
        taken.append(time.perf_counter() - started)
    return float(2 * _SIDE**3 / min(taken))
