"""The block of which AVCA and its successors are built: Linear -> BatchNorm -> ReLU -> Dropout, once or twice.

As everywhere here, weights and dropout take their random numbers from a generator that the caller owns. A call without
one is at rest: no dropout, and the running statistics of the batch normalisation in place of those of the batch.
"""

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from avgzsl.errors import ConfigError
from avgzsl.learning.nets import bounded, linear_layer, relu_dropout, take_rows


class Layer(nn.Module):
    """Linear -> BatchNorm -> ReLU -> Dropout; what it gives is never negative."""

    def __init__(self, n_in: int, n_out: int, dropout: float, generator: Generator, momentum: float = 0.1) -> None:
        super().__init__()
        self.linear = linear_layer(n_in, n_out, generator)
        self.norm = nn.BatchNorm1d(n_out, momentum=momentum)
        self.dropout = dropout

    def forward(self, x: Float[Tensor, "n d"], generator: Generator | None = None) -> Float[Tensor, "n e"]:
        """With a generator in training: batch statistics are used, and remembered. Raises ConfigError for one row."""
        return self.after_linear(self.linear(x), generator)

    def after_linear(self, x: Float[Tensor, "n e"], generator: Generator | None) -> Float[Tensor, "n e"]:
        """The rest, where the linear part is done."""
        if generator is not None and len(x) < 2:
            raise ConfigError("batch normalisation learns from two rows or more in a step; set batch_size=2 or more")
        self.norm.train(generator is not None)
        return relu_dropout(self.norm(x), self.dropout, generator)


class Block(nn.Module):
    """One layer, or with `hidden` two, the hidden one first (AVCA's EmbeddingNet).

    `momentum` is that of the running statistics of the normalisation, the part of the newest batch. As in the public
    code it holds for the second of two layers alone: hidden layers, and blocks of one layer, keep 0.1.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        dropout: float,
        generator: Generator,
        hidden: int | None = None,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        sizes = [n_in, n_out] if hidden is None else [n_in, hidden, n_out]
        momenta = [0.1] if hidden is None else [0.1, momentum]
        pairs = zip(pairwise(sizes), momenta, strict=True)
        self.layers = nn.ModuleList([Layer(a, b, dropout, generator, m) for (a, b), m in pairs])

    def forward(self, x: Float[Tensor, "n d"], generator: Generator | None = None) -> Float[Tensor, "n e"]:
        """Through all layers; with a generator in training."""
        for layer in self.layers:
            x = layer(x, generator)
        return x


class NormedProjection(nn.Module):
    """A hidden layer as above, and a linear one [-> ReLU]: F_A, F_V, F_T and D in the AVCA benchmark's CJME, AVGZSLNet.

    Called as `learning.nets.Projection`.
    """

    def __init__(
        self, n_in: int, hidden: int, n_out: int, dropout: float, generator: Generator, relu: bool = False
    ) -> None:
        super().__init__()
        self.first = Layer(n_in, hidden, dropout, generator)
        self.second = linear_layer(hidden, n_out, generator)
        self.relu = relu

    def forward(
        self,
        x: Float[Tensor, "m d"],
        rows: Int[Tensor, " n"] | slice | None = None,
        generator: Generator | None = None,
    ) -> Float[Tensor, "_n e"]:
        """Embed x, or with `rows` x[rows]: clips p and then as many clips q, each half by its own statistics."""
        hidden = self.first.linear(bounded(x))
        halves = (hidden,) if rows is None else take_rows(hidden, rows).chunk(2)
        out: Tensor = self.second(torch.cat([self.first.after_linear(half, generator) for half in halves]))
        return out.relu() if self.relu else out
