"""A clip, whatever modalities it has and however they are weighted, as one vector [m, c]; a query as one [s t, -1].

With weights w >= 0 that sum to 1 over the clip's modalities z, and m = sum w z, the inner product of the two orders
clips as the fused score of a method does:

- dot: m·t, c = 0; cosine: the same of unit vectors.
- mse: sum w |z - t|² = sum w |z|² - 2 m·t + |t|², hence c = sum w |z|², s = 2.
- euclidean: by the triangle inequality sum w |z - t| >= |m - t|, with equality for one modality; c = |m|², s = 2. The
  order of the inner products is not that of the distances then, but it bounds them: `bound` says how near a clip of a
  smaller inner product can be at most. (The bound is linear in the stored vector for any weights. For equal weights
  the other linear one, sum w |z - t| >= sqrt(sum w² |z - t|²) = sqrt(mean squared distance / 2), is tighter only where
  the two modalities lie on opposite sides of the query.)
"""

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from avgzsl.experiments.protocol import Mode
from avgzsl.learning.nets import unit_rows
from avgzsl.methods import Embeddings, TextEmbeddings, present
from avgzsl.scores.similarity import Name
from avgzsl.types import Modality

_STEP = 2.0**-23  # of float32


def weighted(clips: Embeddings, mode: Mode) -> list[tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]]:
    """The embeddings that count in the mode, zero where a clip lacks them, each with its weights, which sum to 1."""
    whole = torch.ones(len(clips), dtype=torch.float64)
    if mode.modality != "both":
        weights: dict[Modality, Tensor] = {mode.modality: whole}
    elif clips.joint is not None:
        return [(clips.joint.double(), whole)]
    else:
        video = video_share(clips, mode)
        weights = {"audio": 1 - video, "video": video}
    parts = []
    for modality, weight in weights.items():
        z = clips.of(modality)
        if z is not None:
            parts.append((torch.where(clips.has(modality)[:, None], z.double(), 0.0), weight))
    return parts


def video_share(clips: Embeddings, mode: Mode) -> Float64[Tensor, " n"]:
    """How much video counts against audio, in mode `both`: all or nothing for a clip with one of them."""
    share = clips.video_weight if mode.fusion == "attention" else None
    video = torch.full((len(clips),), 0.5, dtype=torch.float64) if share is None else share.double()
    return torch.where(clips.has("both"), video, clips.has_video.double())


def at(text: TextEmbeddings, mode: Mode) -> Float[Tensor, "c d"]:
    """The text that clips are compared with in the mode. Raises ModalityError where there is none."""
    if mode.modality != "both":
        return present(text.of(mode.modality), mode.modality)
    return present(text.joint, "both")


def fused(clips: Embeddings, mode: Mode, similarity: Name) -> Float32[np.ndarray, "n _e"]:
    """[m, c] of each clip, d + 1 numbers; meaningless for clips that cannot be scored in the mode."""
    parts = weighted(clips, mode)
    if similarity == "cosine":
        parts = [(unit_rows(z), w) for z, w in parts]
    m = torch.stack([z * w[:, None] for z, w in parts]).sum(0)
    c = torch.zeros(len(m), dtype=torch.float64)
    if similarity == "mse":
        c = torch.stack([z.square().sum(1) * w for z, w in parts]).sum(0)
    elif similarity == "euclidean":
        c = m.square().sum(1)
    return torch.cat([m, c[:, None]], 1).float().numpy()


def query(text: Float[Tensor, " d"], similarity: Name) -> Float32[np.ndarray, " _e"]:
    """[t, -1] or [2t, -1]."""
    t = text.double()
    if similarity == "cosine":
        t = unit_rows(t[None])[0]
    elif similarity in ("mse", "euclidean"):
        t = 2 * t
    return torch.cat([t, t.new_full((1,), -1.0)]).float().numpy()


def rounding(query: Float[np.ndarray, " _e"], largest: float, similarity: Name) -> float:
    """By how much float32 may misplace the inner product of a query with a vector no longer than `largest`."""
    return 2 * (len(query) + 4) * _STEP * (1 + _product(query, largest, similarity))


def _product(query: Float[np.ndarray, " _e"], largest: float, similarity: Name) -> float:
    """The sum of |q_i v_i| is no more than this: where there is c, |m|² is no more than c."""
    longest = min(largest, largest**0.5) if similarity in ("mse", "euclidean") else largest
    return float(np.linalg.norm(query[:-1])) * longest + abs(float(query[-1])) * largest


def bound(product: float, largest: float, text: Float[Tensor, " d"], similarity: Name) -> float:
    """The highest score of a clip whose inner product with the query is at most `product`.

    `largest` is the greatest length of a stored vector: it limits by how much float32 may have misplaced a product.
    """
    q = query(text, similarity).astype(np.float64)
    product += rounding(q, largest, similarity) + abs(product) * _STEP
    if similarity in ("dot", "cosine"):
        return product
    squared = max(float(text.double().square().sum()) - product, 0.0) * (1 - 2 * len(q) * _STEP)
    return -squared / len(text) if similarity == "mse" else -(squared**0.5)


def reach(score: float, largest: float, text: Float[Tensor, " d"], similarity: Name) -> float:
    """An inner product below which no clip scores as high as `score`: `bound` of it is lower."""
    q = query(text, similarity).astype(np.float64)
    product = score
    if similarity in ("mse", "euclidean"):
        squared = -score * len(text) if similarity == "mse" else score**2
        product = float(text.double().square().sum()) - squared * (1 + 4 * len(q) * _STEP)
    return product - 2 * rounding(q, largest, similarity) - 4 * abs(product) * _STEP


def nearest_distances(
    products: Float32[np.ndarray, " n"], largest: float, text: Float[Tensor, " d"]
) -> Float32[np.ndarray, " n"]:
    """At least so far, by Euclidean distance, are vectors of these inner products with the query: `bound` of many."""
    q = query(text, "euclidean").astype(np.float64)
    own = float(text.double().square().sum())
    highest = own + _product(q, largest, "euclidean")  # no sum below is larger
    distances = np.float32(own - rounding(q, largest, "euclidean") - 2 * highest * _STEP) - products  # squared
    np.maximum(distances, 0, out=distances)
    np.sqrt(distances, out=distances)
    distances *= np.float32(1 - 2 * len(q) * _STEP)
    return distances
