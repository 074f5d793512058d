"""The block of which AVCA and its successors are built: Linear -> BatchNorm -> ReLU -> Dropout, once or twice.

As everywhere here, weights and dropout take their random numbers from a generator that the caller owns. A call without
one is at rest: no dropout, and the running statistics of the batch normalisation in place of those of the batch.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Generator, Tensor, nn

from avgzsl.errors import ConfigError
from avgzsl.learning.nets import dropout_relu, linear_layer


class Layer(nn.Module):
    """Linear -> BatchNorm -> ReLU -> Dropout; what it gives is never negative."""

    def __init__(self, n_in: int, n_out: int, dropout: float, generator: Generator, momentum: float = 0.1) -> None:
        super().__init__()
        self.linear = linear_layer(n_in, n_out, generator)
        self.norm = nn.BatchNorm1d(n_out, momentum=momentum)
        self.dropout = dropout

    def forward(self, x: Float[Tensor, "n d"], generator: Generator | None = None) -> Float[Tensor, "n e"]:
        """With a generator in training: batch statistics are used, and remembered. Raises ConfigError for one row."""
        if generator is not None and len(x) < 2:
            raise ConfigError("batch normalisation learns from two rows or more in a step; set batch_size=2 or more")
        self.norm.train(generator is not None)
        return dropout_relu(self.norm(self.linear(x)), self.dropout, generator)


class Block(nn.Module):
    """One layer, or with `hidden` two, the hidden one first (AVCA's EmbeddingNet).

    `momentum` is that of the running statistics of the normalisation, the part of the newest batch. In the public code
    it holds in blocks with a hidden layer alone: the others keep 0.1.
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
        momentum = 0.1 if hidden is None else momentum
        pairs = pairwise(sizes)
        self.layers = nn.ModuleList([Layer(a, b, dropout, generator, momentum) for a, b in pairs])

    def forward(self, x: Float[Tensor, "n d"], generator: Generator | None = None) -> Float[Tensor, "n e"]:
        """Through all layers; with a generator in training."""
        for layer in self.layers:
            x = layer(x, generator)
        return x
