"""The loss terms of AVGZSLNet and its family, one plain function a term; a value per tuple, reduced by `mean_where`.

A tuple holds a positive clip p and a negative clip q. `PairDistances` of a modality holds its four distances between
embeddings z of clips and t of their classes, each computed once: the eight triplets of the official code need no more.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, normalize

Distance = Literal["euclidean", "mse"]


def euclidean(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Euclidean distance of paired rows; its gradient at distance 0 is 0."""
    length: Tensor = torch.linalg.vector_norm(x - y, dim=1)
    return length


def mse(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Mean squared difference of paired rows."""
    return (x - y).square().mean(1)


DISTANCES: dict[Distance, Callable[[Tensor, Tensor], Tensor]] = {"euclidean": euclidean, "mse": mse}


class PairDistances(NamedTuple):
    """`pq` is the distance of clip p's embedding to the text of q's class, and so on."""

    pp: Float[Tensor, " b"]
    pq: Float[Tensor, " b"]
    qp: Float[Tensor, " b"]
    qq: Float[Tensor, " b"]

    def mirrored(self) -> "PairDistances":
        """The same with the roles of p and q exchanged."""
        return PairDistances(self.qq, self.qp, self.pq, self.pp)


def hinge(near: Float[Tensor, " b"], far: Float[Tensor, " b"], margin: float) -> Float[Tensor, " b"]:
    """[near - far + margin]_+, the triplet loss on distances."""
    return (near - far + margin).relu()


def text_anchored(d: PairDistances, margin: float) -> Float[Tensor, " b"]:
    """L_TA and L_TV, eqs. 7 and 9: [d(z_p, t_p) - d(z_q, t_p) + margin]_+. Needs both clips."""
    return hinge(d.pp, d.qp, margin)


def clip_anchored(d: PairDistances, margin: float) -> Float[Tensor, " b"]:
    """L_AT and L_VT, eqs. 8 and 10: [d(t_p, z_p) - d(t_q, z_p) + margin]_+. Needs clip p alone."""
    return hinge(d.pp, d.pq, margin)


def reconstruction(
    decoded: Float[Tensor, "b t"], text: Float[Tensor, "b t"], distance: Distance = "mse"
) -> Float[Tensor, " b"]:
    """One of the three parts of L_REC, eq. 3: mean squared difference of D(·) and the text vector x^t_p."""
    return DISTANCES[distance](decoded, text)


def decoded_triplet(
    from_text: Float[Tensor, "b t"],
    from_p: Float[Tensor, "b t"],
    from_q: Float[Tensor, "b t"],
    distance: Distance,
    margin: float,
) -> Float[Tensor, " b"]:
    """L_CTA and L_CTV, eqs. 4 and 5: [d(D(t_p), D(z_p)) - d(D(t_p), D(z_q)) + margin]_+. Needs both clips."""
    d = DISTANCES[distance]
    return hinge(d(from_text, from_p), d(from_text, from_q), margin)


def mean_where(
    values: Float[Tensor, " b"], defined: Bool[Tensor, " b"] | None = None, weight: Float[Tensor, " b"] | None = None
) -> Float[Tensor, ""]:
    """Mean of weight · value over the tuples where the term is defined (all, if not said); 0 where it never is."""
    if weight is not None:
        values = weight * values
    if defined is None:
        return values.mean()
    return torch.where(defined, values, 0.0).sum() / defined.sum().clamp(min=1)


def attention_target(
    audio: Float[Tensor, "n e"], video: Float[Tensor, "n e"], text: Float[Tensor, "c e"], threshold: float
) -> Float[Tensor, " n"]:
    """alpha*, the supervision of CJME's attention: 0 where video is less certain, 1 where audio is, else 1/2.

    Certainty is the entropy of softmax(z · t_c) over the training classes; the two must differ by `threshold` nats.
    """

    def entropy(z: Tensor) -> Tensor:
        log_p = torch.log_softmax(z @ text.T, 1)
        return -(log_p.exp() * log_p).sum(1)

    gap = entropy(video) - entropy(audio)
    return torch.where(gap > threshold, 0.0, torch.where(gap < -threshold, 1.0, 0.5)).to(audio.dtype)


def attention_loss(
    alpha: Float[Tensor, " n"], target: Float[Tensor, " n"], kind: Literal["mse", "bce"]
) -> Float[Tensor, " n"]:
    """L_attn per clip: (alpha - alpha*)² as in the public port, or cross-entropy."""
    if kind == "mse":
        return (alpha - target).square()
    with torch.autocast(alpha.device.type, enabled=False):  # which refuses cross-entropy of what is a probability
        return binary_cross_entropy(alpha, target, reduction="none")


def relation(x: Float[Tensor, "b d"], y: Float[Tensor, "b e"]) -> Float[Tensor, ""]:
    """Mean squared difference of the cosines among the rows of x and of those among the rows of y."""
    x, y = normalize(x, dim=1), normalize(y, dim=1)
    return (x @ x.T - y @ y.T).square().mean()


def distribution_gap(x: Float[Tensor, "b d"], y: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
    """KDA's distance of paired rows, each taken as a sample of numbers: by the means and deviations of these.

    That is the square of (mean - mean)² + (deviation - deviation)², a Wasserstein distance of normal distributions.
    """
    means = (x.mean(1) - y.mean(1)).square()
    deviations = (
        x.var(1, correction=0).clamp(min=1e-12).sqrt() - y.var(1, correction=0).clamp(min=1e-12).sqrt()
    ).square()
    return (means + deviations).square()
