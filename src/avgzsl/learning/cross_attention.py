"""Attention across two modalities over time: the transformer of TCaF (Mercea et al., ECCV 2022, arXiv 2207.09966).

A sequence is a class token, the steps of sound, and the steps of picture. The token sees all, itself too, and all see
it; a step of sound sees the steps of picture, one of picture those of sound, and none its own modality, or itself.
"""

from contextlib import nullcontext

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import gelu, scaled_dot_product_attention

from avgzsl.learning.nets import add_dropout, dropout, linear_layer


def open_pairs(audio: Bool[Tensor, "b s"], video: Bool[Tensor, "b t"]) -> Bool[Tensor, "b n n"]:
    """Whether place i of [token ; audio ; video] sees place j, from where there are steps and where there is padding.

    Nobody sees padding. What padding sees is of no consequence; it sees the token, so that its softmax is defined.
    """
    clips, (s, t) = len(audio), (audio.shape[1], video.shape[1])
    kind = torch.tensor([0] + [1] * s + [2] * t, device=audio.device)
    across = (kind[:, None] != kind) | (kind + kind[:, None] == 0)
    there = torch.cat([audio.new_ones(clips, 1), audio, video], 1)
    return across & there[:, None]


class CrossLayer(nn.Module):
    """x = x + attention(norm(x)), then x = x + perceptron(norm(x)), by one and the same norm."""

    def __init__(self, width: int, heads: int, per_head: int, inner: int, dropout: float, generator: Generator) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.queries = linear_layer(width, heads * per_head, generator, bias=False)
        self.keys_values = linear_layer(width, 2 * heads * per_head, generator, bias=False)
        self.out = linear_layer(heads * per_head, width, generator)
        self.first = linear_layer(width, inner, generator)
        self.second = linear_layer(inner, width, generator)
        self.heads, self.dropout = heads, dropout

    def forward(
        self, x: Float[Tensor, "b n w"], sees: Bool[Tensor, "b m n"], generator: Generator | None
    ) -> Float[Tensor, "b m w"]:
        """The first m places after the layer, all or fewer."""
        wanted, normed = sees.shape[1], self.norm(x)
        query, key, value = (
            self._by_head(part) for part in (self.queries(normed[:, :wanted]), *self.keys_values(normed).chunk(2, -1))
        )
        # on a GPU the gradients of the faster kernels have other bytes each time
        with sdpa_kernel(SDPBackend.MATH) if x.is_cuda else nullcontext():
            mixed = scaled_dot_product_attention(query, key, value, sees[:, None])
        x = add_dropout(x[:, :wanted], self.out(mixed.transpose(1, 2).flatten(2)), self.dropout, generator)
        inner = dropout(gelu(self.first(self.norm(x))), self.dropout, generator)
        out: Tensor = add_dropout(x, self.second(inner), self.dropout, generator)
        return out

    def _by_head(self, x: Float[Tensor, "b n _h"]) -> Float[Tensor, "b h n _p"]:
        parted: Tensor = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return parted


class CrossAttention(nn.Module):
    """`depth` layers over a sequence; what is asked of it is the class token alone."""

    def __init__(
        self, width: int, depth: int, heads: int, per_head: int, inner: int, dropout: float, generator: Generator
    ) -> None:
        super().__init__()
        make = (CrossLayer(width, heads, per_head, inner, dropout, generator) for _ in range(depth))
        self.layers = nn.ModuleList(make)

    def forward(
        self, x: Float[Tensor, "b n w"], sees: Bool[Tensor, "b n n"], generator: Generator | None = None
    ) -> Float[Tensor, "b w"]:
        """The class token, place 0, after all layers; in the last one nothing else is worked out."""
        *others, last = self.layers
        for layer in others:
            x = layer(x, sees, generator)
        token: Tensor = last(x, sees[:, :1], generator)[:, 0]
        return token
