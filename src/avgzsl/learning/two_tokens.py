"""Attention between the two vectors of a clip, sound and picture: the transformer of AVCA, and of what builds on it."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn.functional import gelu

from avgzsl.learning.nets import dropout, linear_layer

_HEADS, _PER_HEAD, _INNER = 3, 100, 64


class TwoTokens(nn.Module):
    """x = x + attention(norm(x)), then x = x + perceptron(norm(x)), over the tokens [audio, video].

    Each token gets a position vector, drawn from N(0, 1). AVCA's are not in its optimiser's list and stay as they were
    drawn; `trained` makes them weights. Every token attends over both, itself included: 3 heads of 100 numbers.
    """

    positions: Tensor

    def __init__(self, width: int, dropout: float, generator: Generator, trained: bool = False) -> None:
        super().__init__()
        positions = torch.empty(2, width).normal_(generator=generator)
        if trained:
            self.positions = nn.Parameter(positions)
        else:
            self.register_buffer("positions", positions)
        self.before_attention = nn.LayerNorm(width)
        self.queries_keys_values = linear_layer(width, 3 * _HEADS * _PER_HEAD, generator, bias=False)
        self.out = linear_layer(_HEADS * _PER_HEAD, width, generator)
        self.before_perceptron = nn.LayerNorm(width)
        self.first = linear_layer(width, _INNER, generator)
        self.second = linear_layer(_INNER, width, generator)
        self.dropout = dropout

    def forward(
        self, audio: Float[Tensor, "n d"], video: Float[Tensor, "n d"], generator: Generator | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """Each vector plus what the transformer makes of it beside the other; with a generator in training."""
        x = torch.stack([audio, video], 1) + self.positions
        x = x + dropout(self.out(self._mixed(self.before_attention(x))), self.dropout, generator)
        inner = dropout(gelu(self.first(self.before_perceptron(x))), self.dropout, generator)
        x = x + dropout(self.second(inner), self.dropout, generator)
        return audio + x[:, 0], video + x[:, 1]

    def _mixed(self, x: Float[Tensor, "n 2 d"]) -> Float[Tensor, "n 2 _h"]:
        """The values of both tokens, as each token's query weighs their keys, head by head."""
        parts = self.queries_keys_values(x).view(len(x), 2, 3, _HEADS, _PER_HEAD)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        weight = torch.softmax(query @ key.transpose(-1, -2) * _PER_HEAD**-0.5, -1)
        mixed: Tensor = (weight @ value).transpose(1, 2).flatten(2)
        return mixed
