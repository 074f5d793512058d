"""Class vectors that are optimised before training (Mo, Morgado: EZ-AVGZL, ECCV 2024): `text_prepare` of every method.

The vectors w start at the unit texts t of the classes and stay of length 1. With Euclidean distances d, over classes c:

    L_sep  = - sum_c min_{k != c} d(w_c, w_k)
    L_rank = sum_{c,i,j} max(0, margin - sign(d(t_c, t_i) - d(t_c, t_j)) (d(w_c, w_i) - d(w_c, w_j)))
    minimise (1 - a) L_rank + a L_sep

c, i and j differ. L_sep moves the classes apart, L_rank keeps the order in which each class has the others near. Of
many classes each step draws pairs (i, j), for all c, and scales their sum up to that of all pairs. No code of the
authors is public: a, the margin and the rate are what another paper says of it; the optimiser (Adam) and the number of
steps are ours. Its transformer over sequences is not here, for nothing says how it is built.

A name that was not among these classes is placed afterwards: it starts at its text, and the same loss is minimised over
its own vector, its own terms (c alone) against the vectors that stand. Each name is placed by itself, so its vector
hangs on no other name that is asked for. A name whose unit text is that of a class has the vector of the class.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int, Int8
from torch import Generator, Tensor

from avgzsl.learning.nets import unit_rows

TextPrepare = Literal["none", "ez", "ez-all-names"]
ALL_NAMES = "ez-all-names"
DAGGER = "†"
FOOTNOTE = f"{DAGGER} The names of unseen classes were known in training: text_prepare={ALL_NAMES}."

ALPHA, MARGIN, LR, STEPS = 0.5, 0.1, 1e-3, 100
_PAIRS = 2048  # of neighbours in a step: all, up to 64 classes
_SAME = 1e-5  # unit texts, or vectors, that lie nearer are one; distances to texts that differ by less are equal
_TIE = 1e-9  # of distances between vectors: the choice between two that are as near is not to hang on rounding
_CHUNK = 256


class Neighbours(NamedTuple):
    """Rows c and the k vectors about them: which of these is the row itself, and which of a pair the text has nearer.

    `order` is sign(d(t_c, t_i) - d(t_c, t_j)) for the p `pairs` (i, j) of a step, 0 where i or j is the row itself;
    `scale` is how many triples each of them stands for.
    """

    itself: Bool[Tensor, "n k"]
    pairs: Int[Tensor, "2 p"]
    order: Int8[Tensor, "n p"]
    scale: float


@dataclass(frozen=True, eq=False)
class ClassVectors:
    """Unit texts and vectors of the classes that stand; `seed` is that of the pairs by which a name is placed."""

    text: Float[Tensor, "c w"]
    vectors: Float[Tensor, "c w"]
    seed: int

    @classmethod
    def of(
        cls, text: Float[Tensor, "c w"], seed: int, others: Float[Tensor, "o w"] | None = None, steps: int = STEPS
    ) -> "ClassVectors":
        """Optimised over all classes together: those of `text`, and those of `others` that are not among them."""
        t = unit_rows(text.double())
        if others is not None:
            u = unit_rows(others.double())
            t = torch.cat([t, u[~_nearest(u, t)[1]]])
        return cls(t.float(), _optimised(t, None, None, seed, steps).float(), seed)

    def __call__(self, text: Float[Tensor, "n w"], steps: int = STEPS) -> Float[Tensor, "n w"]:
        """The vectors of any classes, of length 1; a text of zeros stays one."""
        t, known, vectors = unit_rows(text.double()), unit_rows(self.text.double()), self.vectors.double()
        which, same = _nearest(t, known)
        placed = vectors[which]
        new = (~same).nonzero().squeeze(1)
        for rows in new.split(_CHUNK):
            placed[rows] = _optimised(t[rows], known, vectors, self.seed, steps)
        return placed.float()

    def state(self) -> dict[str, Tensor]:
        """As tensors."""
        return {"text": self.text, "vectors": self.vectors, "seed": torch.tensor(self.seed)}

    @classmethod
    def restored(cls, state: Mapping[str, Tensor]) -> "ClassVectors":
        """From `state`. Raises LookupError or ValueError for what it did not write."""
        text, vectors = state["text"], state["vectors"]
        if text.shape != vectors.shape or text.dim() != 2 or not len(text):
            raise ValueError(f"class vectors of shape {tuple(vectors.shape)} for texts of {tuple(text.shape)}")
        return cls(text, vectors, int(state["seed"]))


def seen_all_names(settings: Mapping[str, Any]) -> bool:
    """Whether the names of unseen classes took part in the training, by a method's settings."""
    return settings.get("text_prepare") == ALL_NAMES


def marked_label(label: str, settings: Mapping[str, Any]) -> str:
    """A label as tables show it: with a dagger where the names of unseen classes took part in the training."""
    return f"{label}{DAGGER}" if seen_all_names(settings) else label


def loss(distance: Float64[Tensor, "n k"], near: Neighbours, alpha: float, margin: float) -> Float64[Tensor, " n"]:
    """The terms of each row c, from its distances to the k vectors."""
    first, second = near.pairs
    gap = near.order * (distance[:, first] - distance[:, second])
    rank = ((margin - gap).clamp(min=0) * _triples(near)).sum(1)
    return (1 - alpha) * rank - alpha * distance.masked_fill(near.itself, torch.inf).amin(1)


def slope(distance: Float64[Tensor, "n k"], near: Neighbours, alpha: float, margin: float) -> Float64[Tensor, "n k"]:
    """The derivative of `loss` by each distance."""
    first, second = near.pairs
    gap = near.order * (distance[:, first] - distance[:, second])
    pull = (1 - alpha) * near.order * _triples(near) * (margin - gap > _TIE)
    others = distance.masked_fill(near.itself, torch.inf)
    nearest = (others <= others.amin(1, keepdim=True) + _TIE).to(torch.uint8).argmax(1, keepdim=True)
    by_distance = torch.zeros_like(distance).scatter_(1, nearest, -alpha)
    return by_distance.index_add_(1, first, pull, alpha=-1).index_add_(1, second, pull)


def _triples(near: Neighbours) -> Float64[Tensor, "n p"]:
    """How many triples each row's pair stands for: none where i or j is the row itself."""
    own = near.itself[:, near.pairs[0]] | near.itself[:, near.pairs[1]]
    return near.scale * (~own).double()


def _optimised(
    text: Float64[Tensor, "n w"],
    known: Float64[Tensor, "k w"] | None,
    standing: Float64[Tensor, "k w"] | None,
    seed: int,
    steps: int,
) -> Float64[Tensor, "n w"]:
    """The rows after so many steps: among vectors that stand, with the texts `known`, or, without these, each other."""
    generator = Generator().manual_seed(seed)
    of_text = _distances(text, text if known is None else known)
    itself = torch.eye(*of_text.shape, dtype=torch.bool) & (known is None)
    moves = text.abs().amax(1, keepdim=True) > 0  # a text of zeros says nothing, and stays
    w = text.clone()
    optimiser = torch.optim.Adam([w], LR)
    for _ in range(steps):
        about = w if standing is None else standing
        distance = _distances(w, about)
        by_distance = slope(distance, _neighbours(of_text, itself, generator), ALPHA, MARGIN)
        if standing is None:  # a row moves also as the neighbour of the others
            by_distance = by_distance + by_distance.T
        pull = torch.where(distance > _SAME, by_distance / distance.clamp(min=_SAME), 0.0)  # equal ones stay equal
        w.grad = torch.where(moves, pull.sum(1, keepdim=True) * w - pull @ about, 0.0)
        optimiser.step()
        w.copy_(unit_rows(w))
    return w


def _neighbours(of_text: Float64[Tensor, "n k"], itself: Bool[Tensor, "n k"], generator: Generator) -> Neighbours:
    """With the pairs of a step: all, or so many that are drawn."""
    pairs = torch.combinations(torch.arange(of_text.shape[1])).T
    total = pairs.shape[1]
    if total > _PAIRS:
        pairs = pairs[:, torch.randperm(total, generator=generator)[:_PAIRS]]
    gap = of_text[:, pairs[0]] - of_text[:, pairs[1]]
    order = torch.where(gap.abs() > _SAME, gap.sign(), 0.0).to(torch.int8)
    return Neighbours(itself, pairs, order, 2 * total / max(pairs.shape[1], 1))  # (i, j) and (j, i) are two triples


def _distances(x: Float64[Tensor, "n w"], y: Float64[Tensor, "k w"]) -> Float64[Tensor, "n k"]:
    squares = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T
    return squares.clamp(min=0).sqrt()


def _nearest(x: Float64[Tensor, "n w"], y: Float64[Tensor, "k w"]) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """The row of y that each row of x is nearest to, and whether the two are one text."""
    distance, which = _distances(x, y).min(1)
    return which, distance <= _SAME
