"""A run without training: encoders as they are, and the method that compares what they make."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import torch

from avgzsl.data.clips import ClassTable, Encoder
from avgzsl.errors import ConfigError
from avgzsl.experiments.run import Run, finish, write_classes
from avgzsl.experiments.run_record import describe_untrained, start
from avgzsl.methods import untrained
from avgzsl.support.device import one_thread
from avgzsl.text.part_record import TextPart, shown_part
from avgzsl.text.parts import load_parts
from avgzsl.types import Modality


def make_frozen_run(
    folder: Path,
    encoders: dict[Modality, Encoder],
    sizes: dict[Modality, int],
    text: Sequence[str],
    models: Path | None = None,
) -> Run:
    """Write a run of the method `frozen` into `folder`: no class, no clip, no training.

    `encoders` made features of `sizes` numbers, by modality; `text` are the parts that words go through
    (`text.part_spec`). Scores of shared spaces are not standardised yet: that takes clips. Raises ConfigError where
    words and features of a modality have nothing in common, WeightsError.
    """
    parts = load_parts(text, models, "cpu").record
    widths: dict[str, int] = {**dict[str, int](sizes.items()), "text": sum(part.width for part in parts)}
    method = untrained()
    with one_thread():
        method.read(widths, dict[str, Encoder](encoders.items()), parts, models)
    if method.left_out:
        raise ConfigError("; ".join(method.left_out.values()))
    config = describe_untrained(method, widths, encoders, parts, _fingerprint(encoders, parts))
    start(folder, config, resume=False)
    nothing = ClassTable((), torch.zeros(0, widths["text"]), torch.zeros(0, dtype=torch.bool), parts)
    write_classes(folder, nothing)
    finish(folder, method)
    return Run(folder, config, method)


def _fingerprint(encoders: Mapping[Modality, Encoder], parts: Sequence[TextPart]) -> str:
    """SHA-256 of what makes features and text, wherever it lies: where there are no data, that is what counts."""
    made = {modality: _identity(encoder) for modality, encoder in sorted(encoders.items())}
    words = [(part.modality, part.width, shown_part(part), _identity(part.encoder)) for part in parts]
    return sha256(json.dumps([made, words]).encode()).hexdigest()


def _identity(encoder: Encoder | None) -> list[str]:
    if encoder is None:
        return []
    return sorted(file.sha256 for file in encoder.weights) or [encoder.spec]
