"""What the encoders of features were trained on: classes that a run has not seen, they may have."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avgzsl import backbones
from avgzsl.data.clips import Encoder
from avgzsl.errors import AvgzslError
from avgzsl.types import MODALITIES


def met_before(encoders: Mapping[Any, Encoder], models: Path | None = None) -> list[str]:
    """One line for each backbone of `encoders` (by modality) of which it is known what it was trained on."""
    return list(dict.fromkeys(line for m in MODALITIES if (line := _line(m, encoders.get(m), models)) is not None))


def met_before_any(sets: Iterable[Mapping[Any, Encoder]], models: Path | None = None) -> list[str]:
    """The lines of several data sets, each once."""
    return list(dict.fromkeys(line for encoders in sets for line in met_before(encoders, models)))


def _line(modality: str, encoder: Encoder | None, models: Path | None) -> str | None:
    if encoder is None:
        return None
    try:
        source = backbones.trained_on(encoder.spec, models)
    except AvgzslError:  # a backbone that is not installed here, or a card that has gone
        return None
    if source is None:
        return None
    return (
        f"{modality} features are of {encoder.spec}, trained on {source}: it may have met classes that are unseen here"
    )
