"""What runs exported models: one engine a file, found by listing this folder.

An engine module has load(path, example, dtype, output, device), which gives an `Engine` for examples of that shape and
type, or raises WeightsError for a file that is not such a model, ConfigError for a device that it cannot use.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from avgzsl.errors import WeightsError
from avgzsl.support import registry


@runtime_checkable
class Engine(Protocol):
    """A loaded model: one input, and the one tensor that is wanted of it."""

    quantisation: tuple[float, int] | None
    """Scale and zero point of the tensor, where the file tells them."""

    def run(self, examples: Shaped[np.ndarray, "n ..."]) -> Shaped[np.ndarray, "n d"]:
        """The tensor as the model gives it, one row an example. Threads may share an engine."""
        ...


def load(name: str, path: Path, example: tuple[int, ...], dtype: str, output: int | str | None, device: str) -> Engine:
    """The model in `path`, run by the engine `name`; `output` is the tensor's index or name, None for the first output.

    Raises UnknownNameError, WeightsError, ConfigError.
    """
    engine: Engine = registry.load(sys.modules[__name__], "engine", name).load(path, example, dtype, output, device)
    return engine


def leading_axes(
    path: Path, given: Sequence[int | None], given_dtype: str, example: tuple[int, ...], dtype: str
) -> tuple[int | None, ...]:
    """The axes of a model's input before those of an example; a free axis is None.

    Raises WeightsError unless the input takes such examples, and one of them at a time.
    """
    before = len(given) - len(example)
    fits = before >= 0 and all(has is None or has == wants for has, wants in zip(given[before:], example, strict=True))
    if fits and given_dtype == dtype and all(axis in (None, 1) for axis in given[:before]):
        return tuple(given[:before])
    raise WeightsError(
        f"{path}: its input is {given_dtype} of {_words(given)}, the card describes {dtype} of {_words(example)}, "
        "behind axes of 1 where need be; correct the card's input, or give the file that it describes"
    )


def _words(shape: Sequence[int | None]) -> str:
    return " x ".join("any" if axis is None else str(axis) for axis in shape) or "one number"
