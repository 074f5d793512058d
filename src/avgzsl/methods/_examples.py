"""What a method of one feature learns from: scaled chunks of clips, and the small matrices that closed forms need.

Nothing here holds a second copy of the features; sums over clips are float64.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import DataError, ModalityError
from avgzsl.learning.nets import unit_rows
from avgzsl.methods._inputs import clip_features
from avgzsl.types import Modality

Scale = Literal["none", "l2", "joint-l2", "z-score"]
_CHUNK = 8192
_FARTHEST = 1e6  # standard deviations; cut there, so that no finite feature can overflow what follows
_RESOLUTION = 1e-6  # a spread below this part of the size is float32 rounding of a constant feature


class Statistics(NamedTuple):
    """Mean and standard deviation of each dimension over the training clips; 0 deviation marks a constant one."""

    mean: Float64[Tensor, " d"]
    deviation: Float64[Tensor, " d"]


class Moments(NamedTuple):
    """X^T X, and the sum and number of the clips of each class."""

    gram: Float64[Tensor, "d d"]
    sums: Float64[Tensor, "c d"]
    size: Float64[Tensor, " c"]


@dataclass(frozen=True, eq=False)
class Examples:
    """Training clips that have the feature: `read(rows)` gives their scaled feature; `text` has unit rows."""

    labels: Int[Tensor, " n"]
    text: Float64[Tensor, "c t"]
    width: int
    read: Callable[[Int[Tensor, " b"]], Float32[Tensor, "b d"]]

    def chunks(self) -> Iterator[tuple[Float64[Tensor, "b d"], Int[Tensor, " b"]]]:
        """Features and labels of a few thousand clips after another."""
        for rows in torch.arange(len(self.labels)).split(_CHUNK):
            yield self.read(rows).double(), self.labels[rows]

    def load(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "n d"]:
        """All features on a device, for training by steps."""
        out = torch.empty(len(self.labels), self.width, device=device, dtype=dtype)
        for rows in torch.arange(len(self.labels)).split(_CHUNK):
            out[int(rows[0]) : int(rows[-1]) + 1] = self.read(rows).to(device)
        return out

    def moments(self) -> Moments:
        """One pass over the clips."""
        gram = torch.zeros(self.width, self.width, dtype=torch.float64)
        sums = torch.zeros(len(self.text), self.width, dtype=torch.float64)
        for x, labels in self.chunks():
            gram += x.T @ x
            sums.index_add_(0, labels, x)
        return Moments(gram, sums, torch.bincount(self.labels, minlength=len(self.text)).double())


def usable_rows(train: ClipSet, classes: ClassTable, needed: tuple[Modality, ...]) -> Int[Tensor, " n"]:
    """Rows of the clips that have all that is needed. Raises ModalityError, and DataError for a class left bare."""
    usable = torch.stack([train.has(modality) for modality in needed]).all(0)
    what = " and ".join(needed)
    if not bool(usable.any()):
        raise ModalityError(f"no training clip has {what}; choose an input that the clips have, or add the features")
    count = torch.bincount(train.labels[usable], minlength=len(classes))
    if not bool(count.all()):
        empty = [name for name, n in zip(classes.names, count.tolist(), strict=True) if n == 0]
        raise DataError(f"no training clip with {what} of: {', '.join(empty)}; add clips or leave these classes out")
    return usable.nonzero().squeeze(1)


def joined(
    clips: ClipSet, sizes: Mapping[str, int], needed: tuple[Modality, ...], scale: Scale
) -> Float32[Tensor, "n d"]:
    """The needed features end to end, scaled as far as that hangs on a clip alone; absent rows zero.

    Raises ModalityError where one is not given at all.
    """
    parts = clip_features(clips, sizes, scale == "l2", torch.device("cpu"))
    lacking = [modality for modality in needed if modality not in parts]
    if lacking:
        raise ModalityError(f"the model takes {' and '.join(needed)}, these clips have no {' and no '.join(lacking)}")
    whole = torch.cat([parts[modality] for modality in needed], 1)
    return unit_rows(whole) if scale == "joint-l2" else whole


def statistics(read: Callable[[Tensor], Tensor], count: int, width: int) -> Statistics:
    """In two passes: the shortcut over the mean square loses all digits of a small spread around a large mean."""
    total = torch.zeros(width, dtype=torch.float64)
    square = torch.zeros(width, dtype=torch.float64)
    parts = torch.arange(count).split(_CHUNK)
    for rows in parts:
        total += read(rows).double().sum(0)
    mean = total / count
    for rows in parts:
        square += (read(rows).double() - mean).square().sum(0)
    deviation = (square / count).sqrt()
    return Statistics(mean, torch.where(deviation > _RESOLUTION * mean.abs(), deviation, 0.0))


def standardised(x: Float32[Tensor, "n d"], by: Statistics) -> Float32[Tensor, "n d"]:
    """(x - mean) / deviation; a dimension that was constant in training says nothing and becomes 0."""
    z = (x.double() - by.mean) / torch.where(by.deviation > 0, by.deviation, torch.inf)
    return z.clamp(-_FARTHEST, _FARTHEST).float()


def solve_positive(
    matrix: Float64[Tensor, "m m"], right: Float64[Tensor, "m k"], remedy: str
) -> Float64[Tensor, "m k"]:
    """matrix^-1 right by Cholesky. Raises DataError, with the remedy, where the matrix is singular to float64."""
    solution: Tensor = torch.cholesky_solve(right, cholesky(matrix, remedy))
    return solution


def cholesky(matrix: Float64[Tensor, "m m"], remedy: str) -> Float64[Tensor, "m m"]:
    """The lower factor. Raises DataError, with the remedy, where the matrix is not positive definite to float64."""
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if int(failed) or not bool(torch.isfinite(factor).all()):
        raise DataError(f"the {len(matrix)} x {len(matrix)} system is singular in float64; {remedy}")
    return factor
