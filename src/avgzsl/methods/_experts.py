"""A mixture of three experts, on picture and sound together and on each alone, as HSP-MoE's public code has it."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn.functional import gelu, layer_norm, normalize

from avgzsl.learning.nets import dropout_relu, linear_layer

_HIDDEN = 128  # at least


class Expert(nn.Module):
    """Linear -> LayerNorm -> GELU -> Dropout -> Linear, scaled to length 1."""

    def __init__(self, n_in: int, hidden: int, n_out: int, dropout: float, generator: Generator) -> None:
        super().__init__()
        self.first, self.second = linear_layer(n_in, hidden, generator), linear_layer(hidden, n_out, generator)
        self.norm = nn.LayerNorm(hidden)
        self.dropout = dropout

    def forward(self, x: Float[Tensor, "n d"], generator: Generator | None) -> Float[Tensor, "n e"]:
        """With a generator in training."""
        h = gelu(layer_norm(self.first(x), self.norm.normalized_shape, self.norm.weight, self.norm.bias))
        return normalize(self.second(_dropped(h, self.dropout, generator)).float(), dim=1)


class Experts(nn.Module):
    """A router looks at both modalities and says how much each expert counts."""

    def __init__(self, video: int, audio: int, n_out: int, dropout: float, generator: Generator) -> None:
        super().__init__()
        hidden = max(2 * n_out, _HIDDEN)
        self.of_video, self.of_audio = linear_layer(video, n_out, generator), linear_layer(audio, n_out, generator)
        self.router = nn.ModuleList(
            linear_layer(a, b, generator) for a, b in ((2 * n_out, hidden), (hidden, hidden // 4), (hidden // 4, 3))
        )
        inputs = (video + audio, video, audio)
        self.experts = nn.ModuleList(Expert(width, hidden, n_out, dropout, generator) for width in inputs)
        self.dropout = dropout

    def weights(
        self, video: Float[Tensor, "n v"], audio: Float[Tensor, "n a"], generator: Generator | None = None
    ) -> Float[Tensor, "n 3"]:
        """How much each expert counts for a clip: both together, video, audio; they sum to 1."""
        first, second, third = self.router
        alone = [normalize(self.of_video(video).float(), dim=1), normalize(self.of_audio(audio).float(), dim=1)]
        h = dropout_relu(first(torch.cat(alone, 1)), self.dropout, generator)
        scores: Tensor = third(second(h).relu()).float()
        return scores.softmax(1)

    def forward(
        self, video: Float[Tensor, "n v"], audio: Float[Tensor, "n a"], generator: Generator | None = None
    ) -> Float[Tensor, "n e"]:
        """What the experts say of each clip together, of length 1."""
        share = self.weights(video, audio, generator)
        inputs = (torch.cat([video, audio], 1), video, audio)
        said = torch.stack([expert(x, generator) for expert, x in zip(self.experts, inputs, strict=True)], 1)
        return normalize((share[:, :, None] * said).sum(1), dim=1)


def _dropped(x: Float[Tensor, "n d"], p: float, generator: Generator | None) -> Float[Tensor, "n d"]:
    """Inverted dropout; no generator means none."""
    if generator is None or p == 0:
        return x
    return x * ((torch.rand(x.shape, generator=generator, device=x.device) >= p) / (1 - p)).to(x.dtype)
