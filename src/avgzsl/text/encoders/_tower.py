"""The text tower of a model that puts text beside sound or picture, from a checkpoint of the transformers library."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from avgzsl.errors import DataError
from avgzsl.support.checkpoints import find_checkpoint
from avgzsl.support.weights import WeightFile
from avgzsl.text.names import shown

Embed = Callable[[Any, Mapping[str, Tensor]], Tensor]
"""A model and the tokens of one name to its vector, 1 x t."""


@dataclass(frozen=True)
class Reading:
    """How a tower reads: at most `longest` tokens, its own marks included; filled up to `padded`; in small letters."""

    longest: int
    padded: int | None = None
    small: bool = False


@dataclass(frozen=True, eq=False)
class TextTower:
    """A text encoder of a loaded model; rows have unit length."""

    spec: str
    dimension: int
    weights: tuple[WeightFile, ...]
    model: Any
    tokenizer: Any
    reading: Reading
    embed: Embed
    open_vocabulary: bool = True

    @torch.inference_mode()
    def encode(self, names: Sequence[str]) -> Float[Tensor, "c t"]:
        """A unit row a name, read as it is. Raises DataError for names of more tokens than the model reads."""
        tokens = [self._tokens(name) for name in names]
        most = self.reading.longest
        long = [name for name, ids in zip(names, tokens, strict=True) if ids["input_ids"].shape[1] > most]
        if long:
            raise DataError(f"{self.spec}: reads {most} tokens, fewer than are in {shown(long)}; use fewer words")
        rows = torch.empty(len(names), self.dimension)
        for position, ids in enumerate(tokens):  # name by name, so that no row hangs on the others' padding
            rows[position] = normalize(self.embed(self.model, ids.to(self.model.device))[0], dim=0)
        return rows

    def _tokens(self, name: str) -> Any:
        padding: dict[str, Any] = {}
        if self.reading.padded is not None:
            padding = {"padding": "max_length", "max_length": self.reading.padded}
        return self.tokenizer(name.lower() if self.reading.small else name, return_tensors="pt", **padding)


def features(model: Any, tokens: Mapping[str, Tensor]) -> Float[Tensor, "1 t"]:
    """By `get_text_features`, as most models have it, without what is only padding."""
    row: Tensor = model.get_text_features(tokens["input_ids"], attention_mask=tokens["attention_mask"]).pooler_output
    return row


def whole(config: Any) -> Reading:
    """As many tokens as the model has places, names as they are."""
    return Reading(config.text_config.max_position_embeddings)


def load_tower(
    name: str,
    argument: str,
    default: str,
    architectures: Mapping[str, str],
    reading: Callable[[Any], Reading],
    models: Path | None,
    device: torch.device,
    *,
    parts: Mapping[str, str] | None = None,
    embed: Embed = features,
    dimension: Callable[[Any], int] = lambda config: config.projection_dim,
) -> TextTower:
    """The tower `name:argument`, the checkpoint `default` where the argument is empty.

    `architectures` are the library's names of the model, by the type that a checkpoint says it is, and `parts` the
    part of such a checkpoint's config that describes it; `reading` and `dimension` are told by the model's config.
    Raises WeightsError, ConfigError.
    """
    checkpoint = find_checkpoint(tuple(architectures), argument or default, models)
    tokenizer = checkpoint.part("AutoTokenizer", trust_remote_code=False)
    model = checkpoint.model(architectures[checkpoint.type], device, (parts or {}).get(checkpoint.type))
    return TextTower(
        spec=f"{name}:{argument}" if argument else name,
        dimension=dimension(model.config),
        weights=checkpoint.files,
        model=model,
        tokenizer=tokenizer,
        reading=reading(model.config),
        embed=embed,
    )
