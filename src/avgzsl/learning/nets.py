"""Networks of the AVGZSLNet family: no data, no loss, and no hidden randomness.

Weights and dropout take their random numbers from a generator that the caller owns. A network without a generator in
the call is at rest: dropout is off.
"""

from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn.functional import linear

_LARGEST = 1e6
_RANGE = 2**16  # of the random bits of a number that is kept or dropped


class _UndrawnLinear(nn.Linear):
    """A linear layer before its weights are drawn."""

    def reset_parameters(self) -> None:
        """Nothing: PyTorch draws weights here by the global random state (its `skip_init` imports sympy)."""


def undrawn_layer(n_in: int, n_out: int, bias: bool = True) -> nn.Linear:
    """A linear layer whose weights are yet to be drawn, on the default device; the global random state is not moved."""
    return _UndrawnLinear(n_in, n_out, bias)


def linear_layer(n_in: int, n_out: int, generator: Generator, bias: bool = True) -> nn.Linear:
    """A linear layer with PyTorch's default weights, U(±1/sqrt(n_in)), drawn from an explicit generator."""
    layer = undrawn_layer(n_in, n_out, bias)
    bound = n_in**-0.5
    with torch.no_grad():
        for weight in layer.parameters():
            weight.uniform_(-bound, bound, generator=generator)
    return layer


def unit_rows(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Rows scaled to length 1, without overflow for any finite input; a zero row stays zero."""
    tiny = torch.finfo(x.dtype).tiny
    x = x / x.abs().amax(1, keepdim=True).clamp(min=tiny)
    length: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / length.clamp(min=tiny)


def take_rows(x: Float[Tensor, "m d"], rows: Int[Tensor, " n"] | slice) -> Float[Tensor, "_n d"]:
    """x[rows], with a gradient that has the same bytes each time: rows that come more than once are summed in order.

    On a GPU the gradient of `index_select` sums them in the order in which threads happen to come.
    """
    return x[rows] if isinstance(rows, slice) or x.is_cuda else x.index_select(0, rows)


def distinct(rows: Int[Tensor, " n"]) -> tuple[Int[Tensor, " u"], Int[Tensor, " n"] | slice]:
    """The rows without repetitions, and where in these each one stands.

    On a GPU they are left as they are: how many there are would have to be waited for, which takes longer than a layer.
    """
    return torch.unique(rows, return_inverse=True) if rows.device.type == "cpu" else (rows, slice(None))


def bounded(x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    """Features that are not scaled to length 1: numbers beyond ±1e6 count as that, so that their squares are finite."""
    return x.clamp(-_LARGEST, _LARGEST)


def kept(x: Float[Tensor, "*n d"], p: float, generator: Generator) -> Float[Tensor, "*n d"]:
    """What inverted dropout multiplies x by: 0 with probability p, else 1/(1-p).

    A number takes 16 random bits, which cost a tenth of a random float: p is rounded to a multiple of 1/65,536, and the
    mean of what is multiplied stays as it is.
    """
    lost = round(p * _RANGE)
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device)
    bits = words.random_(-(2**63), None, generator=generator).view(torch.int16)[: x.numel()].view(x.shape)
    return (bits >= lost - _RANGE // 2) * (_RANGE / (_RANGE - lost))


def dropout(x: Float[Tensor, "*n d"], p: float, generator: Generator | None) -> Float[Tensor, "*n d"]:
    """Inverted dropout of x; no generator means none."""
    return x if generator is None or p == 0 else x * kept(x, p, generator).to(x.dtype)


def add_dropout(
    x: Float[Tensor, "*n d"], y: Float[Tensor, "*n d"], p: float, generator: Generator | None
) -> Float[Tensor, "*n d"]:
    """x + dropout of y, in one pass."""
    if generator is None or p == 0:
        return x + y
    return torch.addcmul(x, y.to(x.dtype), kept(y, p, generator).to(x.dtype))


def relu_dropout(x: Float[Tensor, "n d"], p: float, generator: Generator | None) -> Float[Tensor, "n d"]:
    """Inverted dropout of the ReLU of x, in one pass; no generator means none."""
    if generator is None or p == 0:
        return x.relu()
    keep = kept(x, p, generator).to(x.dtype)
    out: Tensor = _DropoutReLU.apply(x, keep, round(p * _RANGE) / _RANGE)
    return out


class _DropoutReLU(torch.autograd.Function):
    """ReLU of dropout. Where the output is positive the slope is 1/(1-p), elsewhere 0: no mask need be remembered."""

    @staticmethod
    def forward(ctx, x: Tensor, keep: Tensor, p: float) -> Tensor:  # type: ignore[no-untyped-def]
        out = (x * keep).relu_()
        ctx.save_for_backward(out)
        ctx.slope = 1 / (1 - p)
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def]
        (out,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(gradient, out, 0).mul_(ctx.slope), None, None


def dropout_relu(x: Float[Tensor, "n d"], p: float, generator: Generator | None) -> Float[Tensor, "n d"]:
    """ReLU of inverted dropout of x; no generator means no dropout.

    For p = 1/2 a unit needs one random bit, so a random byte serves eight units; any other p takes a float a unit.
    `relu_dropout` is the same and faster, by other random numbers than those of the results that are published here.
    """
    if generator is None or p == 0:
        return x.relu()
    out: Tensor = _DropoutReLU.apply(x, keep_mask(x, p, generator), p)
    return out


def keep_mask(x: Float[Tensor, "n d"], p: float, generator: Generator) -> Float[Tensor, "n d"]:
    """What `dropout_relu` multiplies x by: 0 with probability p, else 1/(1-p)."""
    if p != 0.5:
        return (torch.rand(x.shape, generator=generator, device=x.device) >= p).to(x.dtype) / (1 - p)
    bytes_ = torch.empty((x.numel() + 7) // 8, dtype=torch.uint8, device=x.device).random_(generator=generator)
    keep: Tensor = _bits(x.device, x.dtype).index_select(0, bytes_.int()).view(-1)[: x.numel()].view_as(x)
    return keep


@cache
def _bits(device: torch.device, dtype: torch.dtype) -> Float[Tensor, "256 8"]:
    """Row k holds the eight bits of k, times the 1/(1-p) of p = 1/2. Kept: a copy to a GPU would wait for it."""
    return 2 * ((torch.arange(256, device=device)[:, None] >> torch.arange(8, device=device)) & 1).to(dtype)


class Projection(nn.Module):
    """F_A and F_V: Linear -> Dropout -> ReLU -> Linear, as the official code has it (paper, section 4.2)."""

    def __init__(self, n_in: int, hidden: int, n_out: int, dropout: float, generator: Generator) -> None:
        super().__init__()
        self.first = linear_layer(n_in, hidden, generator)
        self.second = linear_layer(hidden, n_out, generator)
        self.dropout = dropout

    def forward(
        self,
        x: Float[Tensor, "m d"],
        rows: Int[Tensor, " n"] | slice | None = None,
        generator: Generator | None = None,
    ) -> Float[Tensor, "_n e"]:
        """Embed the clips x, or with `rows` x[rows]: the first layer then meets each distinct clip only once."""
        hidden = self.first(x)
        hidden = hidden if rows is None else take_rows(hidden, rows)
        out: Tensor = self.second(dropout_relu(hidden, self.dropout, generator))
        return out


class Decoder(nn.Module):
    """D: Linear -> ReLU -> Linear from the embedding back to the text vector, shared by a, v and t (eq. 3)."""

    def __init__(self, n_in: int, hidden: int, n_out: int, generator: Generator) -> None:
        super().__init__()
        self.first = linear_layer(n_in, hidden, generator)
        self.second = linear_layer(hidden, n_out, generator)

    def forward(self, z: Float[Tensor, "n e"]) -> Float[Tensor, "n t"]:
        """The text vectors that the embeddings z stand for."""
        out: Tensor = self.second(self.first(z).relu())
        return out


class Attention(nn.Module):
    """The weight of video per clip: BatchNorm -> Linear -> sigmoid over [x^a; x^v] (CJME; methods as in its port)."""

    def __init__(self, n_in: int, generator: Generator) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(n_in)
        self.linear = linear_layer(n_in, 1, generator)

    def forward(
        self, audio: Float[Tensor, "n a"], video: Float[Tensor, "n v"], training: bool = False
    ) -> Float[Tensor, " n"]:
        """alpha in (0, 1) for each clip; with `training`, batch statistics are used and remembered."""
        self.norm.train(training)
        x = torch.cat([audio, video], 1).float()
        return torch.sigmoid(linear(self.norm(x), self.linear.weight, self.linear.bias).squeeze(1).float())
