"""Which clips may be the nearest to a point: positions, and how near any other clip can be at most.

An engine that orders by inner product is asked for the largest ones. One that gives the inner products of all its
vectors at once needs no bound over fused vectors where distances are not squared: the distances to sound and to picture
follow from two products, and with them, but for rounding, the score itself.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from avgzsl.index import clip_table
from avgzsl.index.collection import View
from avgzsl.index.engines.base import Scanner
from avgzsl.index.fused import bound, nearest_distances, query, reach
from avgzsl.protocol import Mode
from avgzsl.types import MODALITIES

Proposals = tuple[Int64[np.ndarray, " k"], float]
Propose = Callable[[int, float], Proposals]
"""(n, least): of all clips that may score `least`, the n that may score most; and what no other of them exceeds."""


def proposals(seen: View, point: Float[Tensor, " d"], mode: Mode) -> Propose:
    """Of the clips that the engine has. Raises AvgzslError where it refuses."""
    if not seen.state.applied:  # what it has is being thrown away
        return lambda n, least: (np.zeros(0, np.int64), -np.inf)
    return _asked(seen, point, mode) if mode in seen.collection.stored else _scanned(seen, point, mode)


def _asked(seen: View, point: Float[Tensor, " d"], mode: Mode) -> Propose:
    similarity = seen.collection.run.method.similarity
    asked, largest = query(point, similarity), clip_table.longest(seen.db, str(mode))

    def propose(n: int, least: float) -> Proposals:
        enough = reach(least, largest, point, similarity)
        positions, products = seen.collection.engine(mode).query(asked, n, enough)
        rest = -np.inf if len(positions) < n else bound(float(products[-1]), largest, point, similarity)
        return positions, rest

    return propose


def _scanned(seen: View, point: Float[Tensor, " d"], mode: Mode) -> Propose:
    """Mode `both` with plain Euclidean distances, by the vectors of each modality."""
    audio, video = (_distances(seen, point, Mode(modality, "equal")) for modality in MODALITIES)
    share: Float32[np.ndarray, " n"] | float = 0.5
    if mode.fusion == "attention":
        share = np.nan_to_num(seen.rows[: seen.state.applied, -1], nan=0.5)
    with np.errstate(invalid="ignore"):  # no sound, no picture: infinitely far
        mean = audio + share * (video - audio)
    alone = np.isinf(audio) | np.isinf(video)
    limits = torch.from_numpy(-np.where(alone, np.minimum(audio, video), mean))

    def propose(n: int, least: float) -> Proposals:
        there = int(
            (limits >= max(least, torch.finfo(limits.dtype).min)).sum()
        )  # without those that are infinitely far
        top = limits.topk(min(n, there))
        return top.indices.numpy(), float(top.values[-1]) if n < there else -np.inf

    return propose


def _distances(seen: View, point: Float[Tensor, " d"], mode: Mode) -> Float32[np.ndarray, " n"]:
    """At least so far is each clip that the engine has; infinity for those without the modality."""
    engine = seen.collection.engine(mode)
    assert isinstance(engine, Scanner)
    found = engine.products(query(point, "euclidean"))[: seen.state.applied]
    products = np.full(seen.state.applied, -np.inf, np.float32)
    products[: len(found)] = found
    return nearest_distances(products, clip_table.longest(seen.db, str(mode)), point)
