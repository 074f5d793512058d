"""As `memory` in half the space: rows of 16 bits, and for each how far they may be from the vector.

A vector is rounded to bf16, its last number c to the sum of two. What is found is by a bound that no inner product
exceeds; who asks compares the clips themselves (`archive.nearest`), so a search is exact all the same:

    q·v <= q'·v' + |q| |v - v'| + |q - q'| |v'|        (' is rounded)

The two lengths of a row are two more numbers of it, rounded up, and those of the query two more of the query: so the
bound is the inner product of both. It is summed in float32 and rounded to bf16 by the product, which moves no number
by more than a 256th of it, and none past another.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import BFloat16, Bool, Float32, Int64, UInt16
from torch import Tensor

from avgzsl.archive.engines._base import Scan
from avgzsl.archive.engines._rows import Rows
from avgzsl.archive.engines._scanned_file import ScannedFile
from avgzsl.scores.largest import Largest, largest
from avgzsl.support.confidential import Address

DESCRIPTION = "as memory in half the space, and sooner where the processor multiplies bf16 (AMX, AVX512_BF16)"
EXAMPLE = None
SCANS = True
DEFAULT = False

_INFINITE = 0x7F80  # bits of bf16
_ROUNDED = 2.0**-8  # of a number, at most, by rounding it to bf16
_UP = 1 + 2.0**-7  # more than rounding takes away
_MORE = 1 + 2.0**-4  # than what would be written now, and a row still is
_TINY = 2.0**-100  # more than all that is lost where numbers are too small for bf16
_STEP = 2.0**-22  # of float32, with room for any order of the sum


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Rounded":
    """The vectors in the file NAME.bf16."""
    return Rounded(folder / f"{name}.bf16", dimension)


def drop(folder: Path, name: str, url: Address | None) -> None:
    """Remove the file NAME.bf16."""
    (folder / f"{name}.bf16").unlink(missing_ok=True)


class Rounded(ScannedFile):
    """Rows that are rounded, with the lengths that the bound needs."""

    def __init__(self, path: Path, dimension: int) -> None:
        absent = np.zeros(dimension + 3, np.uint16)
        absent[dimension - 1] = _INFINITE
        super().__init__(Rows(path, absent, mark=dimension - 1))

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """Rows are written in place; those skipped on the way are absent. Raises AvgzslError for a full disk."""
        self.rows.put(positions, _rounded(vectors))

    def query_many(
        self, vectors: Float32[np.ndarray, "q e"], n: Sequence[int], least: Sequence[float]
    ) -> list[Largest]:
        """One matrix product, a block of rows at a time. Raises DataError for a damaged file."""
        lower = [one - 2 * _ROUNDED * abs(one) if np.isfinite(one) else one for one in least]  # before `_bounds`
        rows, queries = self._all(), _asked(vectors)

        def write(start: int, end: int, room: BFloat16[Tensor, "n q"]) -> None:
            torch.mm(rows[start:end], queries, out=room)

        try:
            found = largest(write, len(rows), n, lower, torch.bfloat16)
        except ValueError as problem:
            raise self.rows.damaged() from problem
        bounds = [_bounds(products) for _, products in found]
        keep = [some >= one for some, one in zip(bounds, least, strict=True)]
        return [(rows[k], some[k]) for (rows, _), some, k in zip(found, bounds, keep, strict=True)]

    def scan(self, vectors: Float32[np.ndarray, "q e"]) -> Scan:
        """What the inner products of the rows of a block with all queries do not exceed."""
        rows, queries = self._all(), _asked(vectors)

        def block(start: int, end: int) -> Float32[np.ndarray, "n q"]:
            bounds = _bounds(self.checked(rows[start:end] @ queries).float().numpy())
            missing = np.full((end - start - len(bounds), len(vectors)), -np.inf, np.float32)
            return np.concatenate([bounds, missing]) if len(missing) else bounds

        return block

    def _all(self) -> BFloat16[Tensor, "n w"]:
        return torch.from_numpy(self.rows.mapped().view(np.int16)).view(torch.bfloat16)

    def rounds(self, positions: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """All of them."""
        return np.ones(len(positions), bool)

    def holds(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> Bool[np.ndarray, " n"]:
        """Of which vectors the rows are as near as they say, and say no more than they need. Raises DataError."""
        rows = self.rows.mapped()
        there = positions < len(rows)
        held: np.ndarray = there.copy()
        held[there] = _true(rows[positions[there]], vectors[there])
        return held


def _rounded(vectors: Float32[np.ndarray, "n e"]) -> UInt16[np.ndarray, "n w"]:
    """Rows: the numbers of a vector, what is left of its last one, |v - v'| and |v'| without the last one."""
    exact = torch.from_numpy(np.ascontiguousarray(vectors))
    near = exact.bfloat16()
    left = (exact[:, -1:] - near[:, -1:].float()).bfloat16()
    off = exact.double() - near.double()
    off[:, -1:] -= left.double()
    # float32 rounds what it sums, too: by so much, of the lengths of both
    summed = (exact.shape[1] + 4) * _STEP * exact.double().norm(dim=1, keepdim=True)
    away = off.norm(dim=1, keepdim=True) + summed + _TINY
    lengths = near[:, :-1].double().norm(dim=1, keepdim=True) + _TINY
    rows = torch.cat([near, left, (_UP * away).bfloat16(), (_UP * lengths).bfloat16()], 1)
    bits: np.ndarray = rows.view(torch.int16).numpy().view(np.uint16)
    return bits


def _true(rows: UInt16[np.ndarray, "n w"], vectors: Float32[np.ndarray, "n e"]) -> Bool[np.ndarray, " n"]:
    """Which rows bound these vectors: what other processors round otherwise is right, too."""
    had, new = (
        torch.from_numpy(some.view(np.int16)).view(torch.bfloat16).double() for some in (rows, _rounded(vectors))
    )
    near, left, lengths = had.split([vectors.shape[1], 1, 2], 1)
    off = torch.from_numpy(vectors).double() - near
    off[:, -1:] -= left
    needed = torch.stack([off.norm(dim=1), near[:, :-1].norm(dim=1)], 1)
    right: np.ndarray = ((needed <= lengths) & (lengths <= _MORE * new[:, -2:])).all(dim=1).numpy()
    return right


def _asked(vectors: Float32[np.ndarray, "q e"]) -> BFloat16[Tensor, "w q"]:
    """Queries, of which the last number is -1, as columns: their numbers, -1, |q| and |q - q'|."""
    exact = torch.from_numpy(vectors)
    near = exact.bfloat16()
    lengths = _UP * exact.double().norm(dim=1, keepdim=True)
    off = _UP * (exact.double() - near.double()).norm(dim=1, keepdim=True)
    return torch.cat([near, near[:, -1:], lengths.bfloat16(), off.bfloat16()], 1).T


def _bounds(products: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """What they were before they were rounded to bf16, at most; in the same order."""
    bounds: np.ndarray = np.maximum(products * np.float32(1 + _ROUNDED), products * np.float32(1 - _ROUNDED))
    return bounds
