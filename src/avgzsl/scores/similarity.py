"""How near an embedding is to a class: higher is nearer, always. The only home of a sign."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

Name = Literal["dot", "cosine", "euclidean", "mse"]


def dot(clips: Float[Tensor, "n d"], text: Float[Tensor, "c d"]) -> Float[Tensor, "n c"]:
    """Inner product."""
    return clips @ text.T


def cosine(clips: Float[Tensor, "n d"], text: Float[Tensor, "c d"]) -> Float[Tensor, "n c"]:
    """Cosine of the angle; 0 for a zero vector."""
    return normalize(clips, dim=1) @ normalize(text, dim=1).T


def euclidean(clips: Float[Tensor, "n d"], text: Float[Tensor, "c d"]) -> Float[Tensor, "n c"]:
    """Negative Euclidean distance, from differences: the shortcut over |x|² - 2xy + |y|² loses half the digits."""
    return -torch.cdist(clips, text, compute_mode="donot_use_mm_for_euclid_dist")


def mse(clips: Float[Tensor, "n d"], text: Float[Tensor, "c d"]) -> Float[Tensor, "n c"]:
    """Negative mean squared difference."""
    return -euclidean(clips, text).square() / clips.shape[1]


SIMILARITIES: dict[Name, Callable[[Tensor, Tensor], Tensor]] = {
    "dot": dot,
    "cosine": cosine,
    "euclidean": euclidean,
    "mse": mse,
}
