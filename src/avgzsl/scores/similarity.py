"""How near an embedding is to a class: higher is nearer, always. The only home of a sign."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

Name = Literal["dot", "cosine", "euclidean", "mse"]


_SQUARES_OVERFLOW = 1e15  # from about here on, a sum of squares may leave float32


def dot(clips: Float[Tensor, "n d"], text: Float[Tensor, "c d"]) -> Float[Tensor, "n c"]:
    """Inner product."""
    return clips @ text.T


def cosine(clips: Float[Tensor, "n d"], text: Float[Tensor, "c d"]) -> Float[Tensor, "n c"]:
    """Cosine of the angle; 0 for a zero vector."""
    return normalize(clips, dim=1) @ normalize(text, dim=1).T


def euclidean(clips: Float[Tensor, "n d"], text: Float[Tensor, "c d"]) -> Float[Tensor, "n c"]:
    """Negative Euclidean distance, from differences: the shortcut over |x|² - 2xy + |y|² loses half the digits."""
    size = max((float(x.detach().abs().amax()) for x in (clips, text) if x.numel()), default=0.0)
    unit = size if size > _SQUARES_OVERFLOW else 1.0
    return -unit * torch.cdist(clips / unit, text / unit, compute_mode="donot_use_mm_for_euclid_dist")


def mse(clips: Float[Tensor, "n d"], text: Float[Tensor, "c d"]) -> Float[Tensor, "n c"]:
    """Negative mean squared difference."""
    return -euclidean(clips, text).square() / clips.shape[1]


SIMILARITIES: dict[Name, Callable[[Tensor, Tensor], Tensor]] = {
    "dot": dot,
    "cosine": cosine,
    "euclidean": euclidean,
    "mse": mse,
}
