"""From inner products to scores and back, with room for the rounding of float32: what proves that a search is exact."""

import numpy as np
from jaxtyping import Float32

from avgzsl.archive.fused import Question

_STEP = 2.0**-23  # of float32


def rounding(asked: Question, largest: float) -> float:
    """By how much float32 may misplace the inner product of a query with a vector no longer than `largest`."""
    return 2 * (len(asked.vector) + 4) * _STEP * (1 + _product(asked, largest))


def _product(asked: Question, largest: float) -> float:
    """The sum of |q_i v_i| is no more than this: where there is c in one space, |m|² is no more than c."""
    squared = asked.space.similarity in ("mse", "euclidean") and not asked.space.joined
    longest = min(largest, largest**0.5) if squared else largest
    vector = asked.vector.astype(np.float64)
    return float(np.linalg.norm(vector[: asked.body])) * longest + float(np.abs(vector[asked.body :]).sum()) * largest


def bound(product: float, largest: float, asked: Question, highest: float = 0.0) -> float:
    """The highest score of a clip whose inner product with the query is at most `product`.

    `largest` is the greatest length of a stored vector: it limits by how much float32 may have misplaced a product.
    `highest` is the largest addend.
    """
    product += rounding(asked, largest) + abs(product) * _STEP
    similarity, shrunk = asked.space.similarity, 2 * len(asked.vector) * _STEP
    if similarity in ("dot", "cosine"):
        return product
    squared = asked.own - product
    if similarity == "mse":
        squared = squared if asked.corrected else max(squared, 0.0)
        return -(squared - abs(squared) * shrunk) / asked.divisor
    if asked.sought is not None:
        return _highest_beyond(squared, asked.sought, highest, shrunk)
    distance: float = (max(squared, 0.0) * (1 - shrunk)) ** 0.5
    return -distance + highest if asked.corrected else -distance


def _highest_beyond(squared: float, sought: float, highest: float, shrunk: float) -> float:
    """The highest e - D of a clip of addend e <= `highest` with D² - e² + 2 x e >= `squared`, x being `sought`.

    With y = e - x that is D² >= y² + k, k = squared - x². D as a method computes it may be less by rounding, and
    y - (1 - r) sqrt(y² + k) is greatest at the greatest y, or where y² + k is 0.
    """
    far, k = highest - sought, squared - sought**2
    k -= _STEP * _STEP * (abs(squared) + sought**2)  # the difference was rounded, in float64
    at_far: float = far - (1 - shrunk) * max(far**2 + k, 0.0) ** 0.5
    best = max(at_far, min(far, (-k) ** 0.5)) if k < 0 else at_far
    return sought + best


def reach(score: float, largest: float, asked: Question, highest: float = 0.0) -> float:
    """An inner product below which no clip scores as high as `score`: `bound` of it is lower.

    Where the question has a score that is sought, it is that one.
    """
    product, shrunk = score, 4 * len(asked.vector) * _STEP
    if asked.space.similarity == "mse":
        squared = -score * asked.divisor
        product = asked.own - squared - abs(squared) * shrunk
    elif asked.space.similarity == "euclidean":
        product = asked.own - _squared_within(score, asked, highest, shrunk)
    return product - 2 * rounding(asked, largest) - 4 * abs(product) * _STEP


def _squared_within(score: float, asked: Question, highest: float, shrunk: float) -> float:
    """Beyond this D², or D² - e² + 2 x e where x is sought, no clip scores as high as `score`, which then is x."""
    distance = max(highest - score, 0.0) if asked.corrected else -score
    if asked.sought is None:
        return distance**2 * (1 + shrunk)
    return score**2 + shrunk * distance**2  # e - D >= x asks for D² <= (e - x)²


def limits(products: Float32[np.ndarray, " n"], largest: float, asked: Question) -> Float32[np.ndarray, " n"]:
    """At most so near, by one modality, are clips of these inner products with the query: `bound` of many."""
    if asked.space.similarity == "euclidean":
        return -nearest_distances(products, largest, asked)
    most = asked.own + _product(asked, largest)  # no sum below is larger
    room: np.float32 = np.float32(rounding(asked, largest) + (2 * len(asked.vector) + 8) * most * _STEP)
    most_near: np.ndarray = products - np.float32(asked.own) + room
    return most_near / np.float32(asked.divisor)


def nearest_distances(
    products: Float32[np.ndarray, " n"], largest: float, asked: Question
) -> Float32[np.ndarray, " n"]:
    """At least so far, by Euclidean distance, are vectors of these inner products with the query: `bound` of many."""
    highest = asked.own + _product(asked, largest)  # no sum below is larger
    distances = np.float32(asked.own - rounding(asked, largest) - 2 * highest * _STEP) - products  # squared
    np.maximum(distances, 0, out=distances)
    np.sqrt(distances, out=distances)
    distances *= np.float32(1 - 2 * len(asked.vector) * _STEP)
    return distances
