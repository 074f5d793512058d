"""One HDF5 file of features: the clips of one class in one split and modality."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float32, Shaped

from avgzsl.errors import DataError

ROWS, IDS = "data", "video_urls"


def read_features(path: Path) -> tuple[Float32[np.ndarray, "n d"], Shaped[np.ndarray, " n"] | None]:
    """The rows of `data`, as float32, and the decoded `video_urls` where the file has them. Raises DataError."""
    with _opened(path) as file:
        dataset = _rows(path, file)
        # what does not fit float32 becomes infinite, and is reported with the rows that are not finite
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(dataset[()], dtype=np.float32)
        ids = _decoded(path, file[IDS][()]) if IDS in file else None
    if ids is not None and len(ids) != len(rows):
        raise DataError(f"{path}: {len(ids)} {IDS} for {len(rows)} rows of {ROWS}; expected one per row")
    return rows, ids


def shape_of(path: Path) -> tuple[int, int]:
    """Rows and dimension of `data`, without reading it. Raises DataError."""
    with _opened(path) as file:
        rows, dimension = _rows(path, file).shape
    return int(rows), int(dimension)


def write_features(path: Path, rows: Float32[np.ndarray, "n d"], ids: Shaped[np.ndarray, " n"]) -> None:
    """Write the rows of a class as the field does, ids in 80 bytes each, or more where they need them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = [name.encode() for name in ids.tolist()]
    with h5py.File(path, "w") as file:
        file[ROWS] = rows
        file[IDS] = np.array(encoded, dtype=f"S{max([80, *map(len, encoded)])}")


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as problem:  # as h5py reports damage
        raise DataError(f"{path}: not readable as HDF5, damaged or cut short ({problem}); fetch it again") from problem


def _rows(path: Path, file: h5py.File) -> h5py.Dataset:
    dataset = file.get(ROWS)
    if not isinstance(dataset, h5py.Dataset):
        raise DataError(f"{path}: no dataset {ROWS!r}; found {sorted(file) or 'nothing'}; store the features under it")
    if dataset.ndim != 2 or not dataset.shape[1]:
        raise DataError(f"{path}: {ROWS!r} has the shape {dataset.shape}; expected clips x dimension")
    if dataset.dtype.kind != "f":
        raise DataError(f"{path}: {ROWS!r} holds {dataset.dtype}; expected floats, write the features as float32")
    return dataset


def _decoded(path: Path, raw: object) -> Shaped[np.ndarray, " n"]:
    values = np.asarray(raw)
    if values.ndim != 1:
        raise DataError(f"{path}: {IDS!r} has the shape {values.shape}; expected one id per row")
    try:
        ids = [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]
    except UnicodeDecodeError as problem:
        raise DataError(f"{path}: {IDS!r} is not UTF-8 ({problem}); write the ids as UTF-8") from problem
    return np.array(ids, dtype=np.str_)
