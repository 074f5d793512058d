"""A backbone by its card: an exported model, fed as the card tells; the mean over windows or frames is the feature."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from avgzsl.backbones import _engines as engines
from avgzsl.backbones._base import Steps, check_clips
from avgzsl.backbones._cards import Card, Output, read_card
from avgzsl.backbones._engines import ExportedModel
from avgzsl.backbones._last_layer import activate
from avgzsl.errors import ModalityError, WeightsError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.support.weights import WeightFile, find, identify
from avgzsl.types import Modality


@dataclass(eq=False)
class ExportedBackbone:
    """A backbone of an exported model: `card` tells how it is fed, `engine` runs it."""

    spec: str
    modality: Modality
    dimension: int
    needs: FrameNeeds | SoundNeeds
    weights: tuple[WeightFile, ...]
    card: Card
    engine: ExportedModel

    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """See `Backbone`. Raises DataError for a clip that is not what `needs` asks for, WeightsError for a model that
        answers with values that are not finite."""
        check_clips(clips, self.needs)
        rows = torch.empty(len(clips), self.dimension)
        with np.errstate(all="ignore"):  # what is not finite is an error below
            for position, clip in enumerate(clips):  # clip by clip, so that no row hangs on another
                rows[position] = torch.from_numpy(self._mean(self._parts(clip)))
        if not rows.isfinite().all():
            raise WeightsError(f"{self.spec}: the model answers with values that are not finite; look at its card")
        return rows

    def embed_steps(self, clips: Sequence[np.ndarray], lengths: Sequence[int]) -> list[Steps]:
        """See `SteppingBackbone`: a step a window, or a frame, that the card feeds to the model. Raises as `embed`."""
        check_clips(clips, self.needs)
        out = []
        with np.errstate(all="ignore"):
            for clip in clips:
                parts = list(self._parts(clip))
                vectors = torch.from_numpy(np.concatenate(parts).astype(np.float32))
                out.append(Steps(torch.from_numpy(self._mean(parts)), vectors, self.card.input.places(clip)))
        if not all(steps.row.isfinite().all() for steps in out):
            raise WeightsError(f"{self.spec}: the model answers with values that are not finite; look at its card")
        return out

    def _parts(self, clip: np.ndarray) -> Iterator[Float[np.ndarray, "_k d"]]:
        """What the model makes of a clip's windows or frames, some at a time, float64."""
        for examples in self.card.input.examples(clip):
            values = dequantise(self.engine.run(examples), self.card.output, self.engine)
            yield activate(torch.from_numpy(values), self.card.output.activation).numpy()

    def _mean(self, parts: Iterable[Float[np.ndarray, "_k d"]]) -> Float[np.ndarray, " d"]:
        total, count = np.zeros(self.dimension), 0
        for part in parts:
            total += part.sum(0)
            count += len(part)
        return (total / count).astype(np.float32)


def load_exported(
    spec: str,
    path: Path,
    modality: Modality,
    weights: str | None,
    device: str,
    models: Path | None,
    card_file: tuple[WeightFile, ...] = (),
) -> ExportedBackbone:
    """The backbone of the card in `path`; `weights` is a file in place of the one that the card names.

    `card_file` identifies a card that is not the package's: what it says makes the feature as much as the weights do.
    Raises ConfigError, ModalityError, WeightsError.
    """
    card = read_card(path)
    if card.modality != modality:
        raise ModalityError(f"backbone {spec} embeds {card.modality}, not {modality}")
    file, identity = find_weights(spec, card, path, weights, models)
    engine = engines.open_model(card.engine, file, card.input.shape, card.input.dtype, card.output.tensor, device)
    _try(card, engine, file)
    return ExportedBackbone(spec, modality, card.dimension, card.input.needs, (*card_file, identity), card, engine)


def find_weights(
    spec: str, card: Card, path: Path, weights: str | None, models: Path | None
) -> tuple[Path, WeightFile]:
    """The file of the weights of the card in `path`, and which it is. Raises WeightsError."""
    beside = path.parent / card.file
    file = find(spec, weights or (str(beside) if beside.is_file() else card.file), models, card.published)
    identity = identify(file)
    if card.sha256 not in (None, identity.sha256):
        raise WeightsError(
            f"{file}: not the file that {path.name} describes (SHA-256 {identity.sha256}, expected {card.sha256}); "
            f"fetch it again from {card.published}, or write a card of your own for it"
        )
    return file, identity


def dequantise(raw: Shaped[np.ndarray, "n d"], output: Output, engine: ExportedModel) -> Float[np.ndarray, "n d"]:
    """The real values of a tensor of whole numbers, scale * (raw - zero_point), as float64."""
    if output.scale is not None and output.zero_point is not None:
        scale, zero_point = output.scale, output.zero_point
    else:
        scale, zero_point = engine.quantisation or (1.0, 0)
    return scale * (raw.astype(np.float64) - zero_point)


def _try(card: Card, engine: ExportedModel, file: Path) -> None:
    """Run the model on two examples. Raises WeightsError when their shape is not what the card tells."""
    try:
        shape = engine.run(np.zeros((2, *card.input.shape), dtype=card.input.dtype)).shape
    except Exception as problem:  # each engine has errors of its own, without a common base
        raise WeightsError(f"{file}: the model does not run as its card tells ({problem})") from problem
    if shape != (2, card.dimension):
        raise WeightsError(
            f"{file}: for two examples, tensor {card.output.tensor!r} has {shape[0]} rows of {shape[1]} numbers; "
            f"the card tells 2 rows of {card.dimension}: correct its dimension or its tensor"
        )
