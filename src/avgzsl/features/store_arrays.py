"""The arrays of a store: `.npy` files that are appended to clip by clip while it is written, and mapped afterwards.

Rows are appended, not written through a map: on a full disk that kills the process instead of raising.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from jaxtyping import Float32, Shaped

from avgzsl.errors import DataError
from avgzsl.features.clip_steps import ClipSteps, FlatSteps
from avgzsl.support.trust import require_regular
from avgzsl.types import MODALITIES, Modality

AGAIN = "Run the same `avgzsl extract` again: what it finished before is kept"
_PARTS: tuple[Literal["steps", "times", "lengths"], ...] = ("steps", "times", "lengths")


def array_file(modality: Modality) -> str:
    """The name of the file of features."""
    return f"{modality}.npy"


def steps_file(modality: Modality, part: Literal["steps", "times", "lengths"]) -> str:
    """The name of a file of sequences."""
    return f"{modality}.{part}.npy"


def array_files(modality: Modality, sequences: bool) -> list[str]:
    """The names of all files of a modality."""
    return [array_file(modality), *(steps_file(modality, part) for part in _PARTS if sequences)]


def remove_arrays(folder: Path) -> None:
    """Remove those that are there."""
    for modality in MODALITIES:
        for name in array_files(modality, sequences=True):
            (folder / name).unlink(missing_ok=True)


class Arrays:
    """The open files of `count` clips, each of these `dimensions`; of modalities in `steps`, so many steps in all."""

    def __init__(
        self,
        stack: ExitStack,
        folder: Path,
        count: int,
        dimensions: Mapping[Modality, int],
        steps: Mapping[Modality, int],
    ) -> None:
        self.dimensions, self.steps, self.streams = dimensions, steps, dict[str, BinaryIO]()
        for modality, size in dimensions.items():
            shapes: dict[str, tuple[tuple[int, ...], str]] = {array_file(modality): ((count, size), "<f4")}
            if modality in steps:
                shapes[steps_file(modality, "steps")] = ((steps[modality], size), "<f4")
                shapes[steps_file(modality, "times")] = ((steps[modality],), "<f4")
                shapes[steps_file(modality, "lengths")] = ((count,), "<i8")
            for name, (shape, kind) in shapes.items():
                self.streams[name] = stack.enter_context((folder / name).open("wb"))
                header = {"descr": kind, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(self.streams[name], header)

    def append(self, modality: Modality, row: Float32[np.ndarray, " d"] | None, steps: ClipSteps | None) -> None:
        """The features of the next clip; None where it lacks the modality."""
        row = np.zeros(self.dimensions[modality], np.float32) if row is None else row
        self._write(array_file(modality), row, "<f4")
        if modality in self.steps:
            self._write(steps_file(modality, "lengths"), np.array([0 if steps is None else len(steps)]), "<i8")
            if steps is not None:
                self._write(steps_file(modality, "steps"), steps.steps, "<f4")
                self._write(steps_file(modality, "times"), steps.times, "<f4")

    def _write(self, name: str, values: Shaped[np.ndarray, "..."], kind: str) -> None:
        self.streams[name].write(values.astype(kind, copy=False).tobytes())


@contextmanager
def appended(
    folder: Path, count: int, dimensions: Mapping[Modality, int], steps: Mapping[Modality, int]
) -> Iterator[Arrays]:
    """The arrays of a new store; on disk at the end."""
    with ExitStack() as stack:
        arrays = Arrays(stack, folder, count, dimensions, steps)
        yield arrays
        for stream in arrays.streams.values():
            stream.flush()
            os.fsync(stream.fileno())


def open_array(path: Path, rows: int, width: int) -> Float32[np.ndarray, "n d"]:
    """Features, mapped. Raises DataError."""
    return _open(path, (rows, width), "<f4", "r")


def open_steps(folder: Path, modality: Modality, clips: int, total: int, width: int) -> FlatSteps:
    """The sequences of a modality, mapped, copy on write. Raises DataError."""
    path = folder / steps_file(modality, "lengths")
    length = np.array(_open(path, (clips,), "<i8", "r"))
    if (length < 0).any() or (length > total).any() or int(length.sum()) != total:
        raise DataError(f"{path}: its lengths are not those of {total} steps in all. {AGAIN}")
    steps = _open(folder / steps_file(modality, "steps"), (total, width), "<f4", "c")
    return FlatSteps(steps, _open(folder / steps_file(modality, "times"), (total,), "<f4", "c"), length)


def _open(path: Path, shape: tuple[int, ...], kind: str, mode: Literal["r", "c"]) -> Shaped[np.ndarray, "..."]:
    require_regular(path, DataError)
    try:
        # an empty array cannot be memory-mapped
        array = np.load(path, mmap_mode=mode if shape[0] else None, allow_pickle=False)
    except (OSError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read ({problem}). {AGAIN}") from problem
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != np.dtype(kind):
        raise DataError(f"{path}: {array.dtype} {array.shape}; expected {np.dtype(kind)} {shape}. {AGAIN}")
    return array
