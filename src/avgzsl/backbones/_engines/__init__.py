"""Libraries that run exported models: one engine a file, found by listing this folder.

An engine module has open_model(path, example, dtype, output, device), which gives an `ExportedModel` for examples of
that shape and type, or raises WeightsError for a file that is not such a model, ConfigError for a device that it cannot
use; and read_constants(path, tensors), which gives weights inside a model by index or name, or raises WeightsError for
what is no constant, ConfigError where the library does not tell them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from avgzsl.errors import WeightsError
from avgzsl.support.registry import Plugins, keeps


@runtime_checkable
class ExportedModel(Protocol):
    """A loaded model: it has one input, and gives the one tensor that the card names."""

    quantisation: tuple[float, int] | None
    """Scale and zero point of the tensor, where the file tells them."""

    def run(self, examples: Shaped[np.ndarray, "n ..."]) -> Shaped[np.ndarray, "n d"]:
        """The tensor as the model gives it, one row an example. Threads may share an engine."""
        ...


class ModelEngine(Protocol):
    """The contract of a module in this folder."""

    open_model: Callable[[Path, tuple[int, ...], str, int | str | None, str], ExportedModel]
    read_constants: Callable[[Path, Sequence[int | str]], list[np.ndarray]]


_PLUGINS = Plugins[ModelEngine](__name__, "engine", keeps(ModelEngine))


def open_model(
    name: str, path: Path, example: tuple[int, ...], dtype: str, output: int | str | None, device: str
) -> ExportedModel:
    """The model in `path`, run by the engine `name`; `output` is the tensor's index or name, None for the first output.

    Raises UnknownNameError, WeightsError, ConfigError.
    """
    return _PLUGINS.load(name).open_model(path, example, dtype, output, device)


def read_constants(name: str, path: Path, tensors: Sequence[int | str]) -> list[np.ndarray]:
    """The real values of weights inside the model in `path`, float64, by index or name.

    Raises UnknownNameError, WeightsError, ConfigError.
    """
    return _PLUGINS.load(name).read_constants(path, tensors)


def leading_axes(
    path: Path, axes: Sequence[int | None], axes_dtype: str, example: tuple[int, ...], dtype: str
) -> tuple[int | None, ...]:
    """The axes of a model's input before those of an example; a free axis is None.

    Raises WeightsError unless the input takes such examples, and one of them at a time.
    """
    leading = len(axes) - len(example)
    fits = leading >= 0 and all(
        size is None or size == expected for size, expected in zip(axes[leading:], example, strict=True)
    )
    if fits and axes_dtype == dtype and all(axis in (None, 1) for axis in axes[:leading]):
        return tuple(axes[:leading])
    raise WeightsError(
        f"{path}: its input is {axes_dtype} of {_words(axes)}, the card describes {dtype} of {_words(example)}, "
        "behind axes of 1 where need be; correct the card's input, or give the file that it describes"
    )


def _words(shape: Sequence[int | None]) -> str:
    return " x ".join("any" if axis is None else str(axis) for axis in shape) or "one number"
