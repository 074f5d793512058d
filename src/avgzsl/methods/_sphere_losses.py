"""HSP-MoE's three auxiliary losses, plain functions of unit vectors.

q (b x e) are clips and c (k x e) classes in the common space, x (b x d) clips and w (k x d) classes as they were before
any training; y (b) are the classes of the clips. All rows are of length 1, so inner products are cosines.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import kl_div

_FARTHEST = 8.0  # 2 |q - q'|² of opposite clips: with it the log mean is never negative


def distribution(
    q: Float[Tensor, "b e"],
    c: Float[Tensor, "k e"],
    x: Float[Tensor, "b d"],
    w: Float[Tensor, "k d"],
    temperature: float,
) -> Float[Tensor, ""]:
    """L_DP: T² KL(softmax(x·w / T) || softmax(q·c / T)), the mean over clips; the first does not learn."""
    teacher = (x @ w.T / temperature).softmax(1).detach()
    student = (q @ c.T / temperature).log_softmax(1)
    return temperature**2 * kl_div(student, teacher, reduction="batchmean")


def relation(q: Float[Tensor, "b e"], x: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """L_RP: mean over pairs of other clips of (q_i·q_j - x_i·x_j)²."""
    squares = (q @ q.T - x @ x.T).square()
    return squares[~torch.eye(len(q), dtype=torch.bool, device=q.device)].mean()


def uniformity(q: Float[Tensor, "b e"], y: Int[Tensor, " b"]) -> Float[Tensor, ""]:
    """L_HUP: [log mean over pairs of other classes of exp(-2 |q_i - q_j|²) + 8]_+; 0 where there is no such pair."""
    apart = y[:, None] != y
    squared = (2 - 2 * q @ q.T).clamp(min=0)[apart]
    if len(squared) == 0:
        return q.sum() * 0
    return (torch.logsumexp(-2 * squared, 0) - torch.tensor(float(len(squared))).log() + _FARTHEST).relu()
