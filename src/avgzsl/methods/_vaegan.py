"""Networks and losses of f-VAEGAN: features of clips made from the text of a class and noise, and who tells them apart.

x is the feature of a clip (n numbers), w the text of its class (t), z what the encoder makes of both, or noise.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy, leaky_relu

from avgzsl.learning.nets import linear_layer, undrawn_layer
from avgzsl.methods import _networks

_SLOPE = 0.2  # of the critics' leaky ReLU
_SPREAD = 0.02  # deviation of the first weights of critics, and of a classifier


class Sizes(NamedTuple):
    """How wide the networks are: numbers of the noise and of the encoder, hidden units of generator and critics."""

    latent: int
    hidden: int
    output: Literal["sigmoid", "linear"]


class Encoder(nn.Module):
    """[x; w] to the mean and the logarithm of the variance of z."""

    def __init__(self, n_in: int, latent: int, generator: Generator) -> None:
        super().__init__()
        self.first = linear_layer(n_in, latent, generator)
        self.mean = linear_layer(latent, latent, generator)
        self.log_variance = linear_layer(latent, latent, generator)

    def forward(
        self, x: Float[Tensor, "b n"], w: Float[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b z"], Float[Tensor, "b z"]]:
        """Mean and log variance."""
        hidden = self.first(torch.cat([x, w], 1)).relu()
        return self.mean(hidden).float(), self.log_variance(hidden).float()


class Maker(nn.Module):
    """The generator: [z; w] to a feature, in (0, 1) by a sigmoid, or of any sign."""

    def __init__(self, n_text: int, n_out: int, sizes: Sizes, generator: Generator) -> None:
        super().__init__()
        self.first = linear_layer(sizes.latent + n_text, sizes.hidden, generator)
        self.second = linear_layer(sizes.hidden, n_out, generator)
        self.sigmoid = sizes.output == "sigmoid"

    def forward(self, z: Float[Tensor, "b z"], w: Float[Tensor, "b t"]) -> Float[Tensor, "b n"]:
        """Features, which are not scaled to length 1."""
        out: Tensor = self.second(self.first(torch.cat([z, w], 1)).relu()).float()
        return out.sigmoid() if self.sigmoid else out


class Critic(nn.Module):
    """A number that is to be high for real features and low for made ones."""

    def __init__(self, n_in: int, hidden: int, generator: Generator) -> None:
        super().__init__()
        self.first = normal_layer(n_in, hidden, generator)
        self.second = normal_layer(hidden, 1, generator)

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """One number a row."""
        out: Tensor = self.second(leaky_relu(self.first(x), _SLOPE))
        return out.squeeze(1).float()


class Networks(_networks.Networks):
    """`makers` (encoder and generator) and `critics` (D of a feature and its text, D2 of a feature alone)."""

    def __init__(self, sizes: Mapping[str, int], widths: Sizes, generator: Generator) -> None:
        super().__init__()
        self.sizes = dict(sizes)
        n, t = sizes["audio"] + sizes["video"], sizes["text"]
        self.encoder = Encoder(n + t, widths.latent, generator)
        self.maker = Maker(t, n, widths, generator)
        self.critic = Critic(n + t, widths.hidden, generator)
        self.second_critic = Critic(n, widths.hidden, generator)
        self.latent = widths.latent

    @property
    def makers(self) -> nn.Module:
        """What moves in the generator's turn."""
        return nn.ModuleList([self.encoder, self.maker])

    @property
    def critics(self) -> nn.Module:
        """What moves in the critics' turn."""
        return nn.ModuleList([self.critic, self.second_critic])

    def judged(self, x: Float[Tensor, "b n"], w: Float[Tensor, "b t"]) -> Float[Tensor, " b"]:
        """D(x, w)."""
        out: Tensor = self.critic(torch.cat([x, w], 1))
        return out

    def made(self, w: Float[Tensor, "b t"], generator: Generator | None) -> Float[Tensor, "b n"]:
        """A feature for each row of text, from noise of its own."""
        noise = torch.randn(len(w), self.latent, generator=generator, device=w.device)
        out: Tensor = self.maker(noise, w)
        return out


def normal_layer(n_in: int, n_out: int, generator: Generator) -> nn.Linear:
    """A linear layer with weights N(0, 0.02) and no bias at first."""
    layer = undrawn_layer(n_in, n_out)
    with torch.no_grad():
        layer.weight.normal_(0, _SPREAD, generator=generator)
        layer.bias.zero_()
    return layer


def gradient_penalty(
    critic: Callable[[Float[Tensor, "b n"]], Float[Tensor, " b"]],
    real: Float[Tensor, "b n"],
    fake: Float[Tensor, "b n"],
    generator: Generator | None,
) -> Float[Tensor, ""]:
    """Mean of (|gradient of the critic| - 1)^2 at a random place between each real row and its made one (WGAN-GP)."""
    share = torch.rand(len(real), 1, generator=generator, device=real.device)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = (torch.linalg.vector_norm(slope, dim=1) - 1).square().mean()
    return penalty


def drawn(
    mean: Float[Tensor, "b z"], log_variance: Float[Tensor, "b z"], generator: Generator | None
) -> Float[Tensor, "b z"]:
    """z from the encoder's distribution, through which gradients go."""
    noise = torch.randn(mean.shape, generator=generator, device=mean.device)
    return mean + noise * (0.5 * log_variance).exp()


def reconstruction(made: Float[Tensor, "b n"], x: Float[Tensor, "b n"], sigmoid: bool) -> Float[Tensor, ""]:
    """Summed over clips and numbers: binary cross-entropy, or of features of any sign half the squared difference.

    A sigmoid reaches no number below 0, so that these count as 0; features after a ReLU have none.
    """
    if not sigmoid:
        return 0.5 * (made - x).square().sum()
    # outside of autocast, which refuses it: what it takes is float32 already
    with torch.autocast(made.device.type, enabled=False):
        return binary_cross_entropy(made, x.clamp(min=0), reduction="sum")


def divergence(mean: Float[Tensor, "b z"], log_variance: Float[Tensor, "b z"]) -> Float[Tensor, ""]:
    """Kullback-Leibler divergence of the encoder's distribution from N(0, 1), summed over clips and numbers."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
