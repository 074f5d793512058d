"""The text tower of a model that puts text beside sound or picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from avgzsl.errors import DataError
from avgzsl.support.weights import WeightFile
from avgzsl.text.names import shown


@dataclass(frozen=True, eq=False)
class TextTower:
    """A text encoder of a model of the transformers library that has `get_text_features`.

    The model reads at most `longest` tokens, its own ones at begin and end included.
    """

    spec: str
    dimension: int
    weights: tuple[WeightFile, ...]
    model: Any
    tokenizer: Any
    longest: int
    open_vocabulary: bool = True

    @torch.inference_mode()
    def encode(self, names: Sequence[str]) -> Float[Tensor, "c t"]:
        """A unit row a name, read as it is. Raises DataError for names of more tokens than the model reads."""
        tokens = [self.tokenizer(name, return_tensors="pt") for name in names]
        long = [name for name, ids in zip(names, tokens, strict=True) if ids["input_ids"].shape[1] > self.longest]
        if long:
            raise DataError(
                f"{self.spec}: reads {self.longest} tokens, fewer than are in {shown(long)}; use fewer words"
            )
        rows = torch.empty(len(names), self.dimension)
        for position, ids in enumerate(tokens):  # name by name, so that no row hangs on the others' padding
            ids = ids.to(self.model.device)
            output = self.model.get_text_features(ids["input_ids"], attention_mask=ids["attention_mask"])
            rows[position] = normalize(output.pooler_output[0], dim=0)
        return rows
