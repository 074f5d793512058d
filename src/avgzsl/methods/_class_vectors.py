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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Generator, Tensor

from avgzsl.learning.nets import unit_rows

TextPrepare = Literal["none", "ez", "ez-all-names"]
ALL_NAMES = "ez-all-names"
DAGGER = "†"
FOOTNOTE = f"{DAGGER} The names of unseen classes were known in training: text_prepare={ALL_NAMES}."

ALPHA, MARGIN, LR, STEPS = 0.5, 0.1, 1e-3, 100
_PAIRS = 2048  # of neighbours in a step: all, up to 64 classes
_SAME = 1e-5  # unit texts, or vectors, that lie nearer are one; distances to texts that differ by less are equal
_TIE = 1e-9  # distances between vectors that differ by less are equal: nothing is to hang on rounding
_CHUNK = 256


class Triples(NamedTuple):
    """Of n rows c and the k vectors about them: the p pairs (i, j) of a step, and which of the two is nearer in text.

    `order` is sign(d(t_c, t_i) - d(t_c, t_j)), and 0 where one of them is c itself; `scale` is how many triples each
    stands for.
    """

    first: Int[Tensor, " p"]
    second: Int[Tensor, " p"]
    order: Float64[Tensor, "p n"]
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


def gradient(
    w: Float64[Tensor, "n w"], standing: Float64[Tensor, "k w"] | None, triples: Triples
) -> Float64[Tensor, "n w"]:
    """Of the loss by the rows: of that of all classes, or, among vectors that stand, of the terms of each row alone."""
    about = w if standing is None else standing
    distance = _distances(w, about)
    itself = torch.eye(len(w), dtype=torch.bool) if standing is None else torch.zeros_like(distance, dtype=torch.bool)
    others = distance.masked_fill(itself, torch.inf)
    nearest = (others <= others.amin(1, keepdim=True) + _TIE).double()  # several share it
    by_distance = _slope_of_rank(distance, triples) - ALPHA * nearest / nearest.sum(1, keepdim=True)
    if standing is None:  # a row moves also as the neighbour of the others
        by_distance = by_distance + by_distance.T
    pull = torch.where(distance > _SAME, by_distance / distance.clamp(min=_SAME), 0.0)  # equal ones stay equal
    return pull.sum(1, keepdim=True) * w - pull @ about


def _slope_of_rank(distance: Float64[Tensor, "n k"], triples: Triples) -> Float64[Tensor, "n k"]:
    """The derivative of (1 - a) L_rank by each distance."""
    by_neighbour = distance.T.contiguous()  # whole rows are picked: several times faster
    gap = by_neighbour.index_select(0, triples.first).sub_(by_neighbour.index_select(0, triples.second))
    active = gap.mul_(triples.order) < MARGIN - _TIE
    pull = (1 - ALPHA) * triples.scale * triples.order * active
    slope = torch.zeros_like(by_neighbour)
    slope.index_add_(0, triples.first, pull, alpha=-1).index_add_(0, triples.second, pull)
    return slope.T.contiguous()


def _optimised(
    text: Float64[Tensor, "n w"],
    known: Float64[Tensor, "k w"] | None,
    standing: Float64[Tensor, "k w"] | None,
    seed: int,
    steps: int,
) -> Float64[Tensor, "n w"]:
    """The rows after so many steps: among vectors that stand, with the texts `known`, or, without these, each other."""
    moves = text.abs().amax(1, keepdim=True) > 0  # a text of zeros says nothing, and stays
    w = text.clone()
    optimiser = torch.optim.Adam([w], LR)
    for triples in islice(drawn_triples(text, known, seed), steps):
        w.grad = torch.where(moves, gradient(w, standing, triples), 0.0)
        optimiser.step()
        w.copy_(unit_rows(w))
    return w


def drawn_triples(text: Float64[Tensor, "n w"], known: Float64[Tensor, "k w"] | None, seed: int) -> Iterator[Triples]:
    """Those of one step after another: all pairs of the texts about the rows, or so many that are drawn."""
    generator = Generator().manual_seed(seed)
    distance = _distances(text if known is None else known, text)
    pairs = torch.combinations(torch.arange(len(distance))).T
    total = pairs.shape[1]
    if total <= _PAIRS:
        yield from repeat(_triples(distance, pairs, 2.0, known is None))  # (i, j) and (j, i) are two triples
    while True:
        chosen = pairs[:, torch.randperm(total, generator=generator)[:_PAIRS]]
        yield _triples(distance, chosen, 2 * total / _PAIRS, known is None)


def _triples(distance: Float64[Tensor, "k n"], pairs: Int[Tensor, "2 p"], scale: float, among: bool) -> Triples:
    """With the order that the texts say; `among` says that row c is also the c-th of the vectors about it."""
    first, second = pairs
    gap = distance.index_select(0, first).sub_(distance.index_select(0, second))
    order = gap.sign() * (gap.abs() > _SAME)
    if among:
        each = torch.arange(len(first))
        order[each, first] = order[each, second] = 0.0
    return Triples(first, second, order, scale)


def _distances(x: Float64[Tensor, "n w"], y: Float64[Tensor, "k w"]) -> Float64[Tensor, "n k"]:
    squares = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T
    return squares.clamp(min=0).sqrt()


def _nearest(x: Float64[Tensor, "n w"], y: Float64[Tensor, "k w"]) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """The row of y that each row of x is nearest to, and whether the two are one text."""
    distance, which = _distances(x, y).min(1)
    return which, distance <= _SAME
