"""Which clips may be the nearest to a point: positions, and how near any other clip can be at most.

An engine that orders by inner product is asked for the largest ones. One that gives the inner products of all its
vectors at once needs no bound over fused vectors where distances are not squared: the distances to sound and to picture
follow from two products, and with them, but for rounding, the score itself.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, Int64

from avgzsl.archive import clip_selection, clip_table
from avgzsl.archive.clip_selection import Having
from avgzsl.archive.collection import View
from avgzsl.archive.engines import Scanner
from avgzsl.archive.fused import at, bound, nearest_distances, query, reach
from avgzsl.errors import ConfigError, DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import TextEmbeddings
from avgzsl.types import MODALITIES

_MEND = "`avgzsl index-rebuild`"
_BLOCK = 1 << 17  # clips whose distances fit into a cache

Proposals = tuple[Int64[np.ndarray, " k"], float]
Propose = Callable[[int, float], Proposals]
"""(n, least): of all clips that may score `least`, the n that may score most; and what no other of them exceeds."""


def proposals(seen: View, point: TextEmbeddings, mode: Mode) -> Propose:
    """Of the clips that the engine has. Raises AvgzslError where it refuses, DataError where clips are missing."""
    if not seen.state.applied:  # what it has is being thrown away
        return lambda n, least: (np.zeros(0, np.int64), -np.inf)
    for stored in [mode] if mode in seen.collection.stored else seen.collection.stored:
        if stored not in seen.collection.checked:
            _require_all(seen, stored, seen.collection.engine(stored).count())
            seen.collection.checked.add(stored)
    return _asked(seen, point, mode) if mode in seen.collection.stored else _scanned(seen, point, mode)


def _require_all(seen: View, mode: Mode, vectors: int) -> None:
    """Raises DataError unless there are at least as many vectors as clips: others would never be found."""
    clips = clip_selection.count_having(seen.db, seen.state.applied, _having(seen, mode))
    if vectors < clips:
        folder = seen.collection.folder
        raise DataError(f"{folder}: the engine has {vectors} of {clips} clips in {mode}; mend it: {_MEND}")


def _having(seen: View, mode: Mode) -> Having:
    """What a clip must have to be scored in a mode (`Embeddings.scorable`)."""
    if mode.modality != "both":
        return mode.modality
    return "both" if "joint" in seen.collection.record.parts else "either"


def _asked(seen: View, point: TextEmbeddings, mode: Mode) -> Propose:
    """By the engine's largest inner products."""
    similarity, text = seen.collection.run.method.similarity, at(point, mode)[0]
    asked, largest = query(text, similarity), clip_table.longest(seen.db, str(mode))

    def propose(n: int, least: float) -> Proposals:
        enough = reach(least, largest, text, similarity)
        positions, products = seen.collection.engine(mode).query(asked, n, enough)
        if not np.isfinite(products).all() or (np.diff(products) > 0).any():
            raise DataError(f"{seen.collection.folder}: the engine answers with what is no order; mend it: {_MEND}")
        if len(positions) < n and enough == -np.inf:  # these were all
            inside = (positions >= 0) & (positions < seen.state.applied)
            _require_all(seen, mode, len(np.unique(positions[inside])))
        rest = -np.inf if len(positions) < n else bound(float(products[-1]), largest, text, similarity)
        return positions, rest

    return propose


def _scanned(seen: View, point: TextEmbeddings, mode: Mode) -> Propose:
    """Mode `both` with plain Euclidean distances, by the vectors of each modality."""
    distances = {alone: _products(seen, point, alone) for m in MODALITIES if (alone := Mode(m, "equal"))}
    limits = np.empty(seen.state.applied, np.float32)
    for start in range(0, len(limits), _BLOCK):
        part = slice(start, start + _BLOCK)
        audio, video = (
            nearest_distances(products[part], longest, at(point, alone)[0])
            for alone, (products, longest) in distances.items()
        )
        share = np.nan_to_num(seen.rows[part, -1][: len(audio)], nan=0.5) if mode.fusion == "attention" else 0.5
        with np.errstate(invalid="ignore"):  # no sound, no picture: infinitely far
            mean = (1 - share) * audio + share * video  # a sum of what is positive keeps its digits
        lone = np.isinf(audio) | np.isinf(video)
        np.negative(np.where(lone, np.minimum(audio, video), mean), out=limits[part])

    def propose(n: int, least: float) -> Proposals:
        near = max(least, float(np.finfo(np.float32).min))  # no clip that is infinitely far
        possible = int(np.count_nonzero(limits >= near))
        top = torch.from_numpy(limits).topk(min(n, possible))
        return top.indices.numpy(), float(top.values[-1]) if n < possible else -np.inf

    return propose


def _products(seen: View, point: TextEmbeddings, mode: Mode) -> tuple[Float32[np.ndarray, " n"], float]:
    """The inner product of each clip that the engine has, -inf without the modality; the greatest length."""
    engine = seen.collection.engine(mode)
    if not isinstance(engine, Scanner):
        kind = seen.collection.record.engine
        raise ConfigError(f"the engine {kind} says that it scans, and has no `products`; mend SCANS in its module")
    products = engine.products(query(at(point, mode)[0], "euclidean"))[: seen.state.applied]
    missing = seen.state.applied - len(products)
    if missing:
        products = np.pad(products, (0, missing), constant_values=-np.inf)
    return products, clip_table.longest(seen.db, str(mode))
