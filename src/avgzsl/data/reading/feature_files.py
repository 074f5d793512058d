"""One HDF5 file of features: the clips of one class in one split and modality."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float32, Shaped

from avgzsl.data.reading.own_dataset import own_dataset
from avgzsl.errors import DataError
from avgzsl.support.trust import require_regular
from avgzsl.text.names import shown

ROWS, IDS = "data", "video_urls"
LONGEST_ID = 4096  # bytes
_BLOCK = 64 << 20  # bytes of ids in memory at once


def read_features(path: Path) -> tuple[Float32[np.ndarray, "n d"], Shaped[np.ndarray, " n"] | None]:
    """The rows of `data`, as float32, and the decoded `video_urls` where the file has them. Raises DataError."""
    with _opened(path) as file:
        dataset = _rows(path, file)
        # what does not fit float32 becomes infinite, and is reported with the rows that are not finite
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(dataset[()], dtype=np.float32)
        ids = _ids(path, file)
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
        require_regular(path, DataError)
        with h5py.File(path, "r") as file:
            yield file
    except MemoryError as problem:
        raise DataError(f"{path}: takes more memory to read than there is; divide the class among files") from problem
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as problem:  # as h5py reports damage
        raise DataError(f"{path}: not readable as HDF5, damaged or cut short ({problem}); fetch it again") from problem


def _rows(path: Path, file: h5py.File) -> h5py.Dataset:
    dataset = own_dataset(path, file, ROWS)
    if dataset is None:
        contents = shown(sorted(file)) or "nothing"
        raise DataError(f"{path}: no dataset {ROWS!r}; found {contents}; store the features under it")
    if dataset.ndim != 2 or not dataset.shape[1]:
        raise DataError(f"{path}: {ROWS!r} has the shape {dataset.shape}; expected clips x dimension")
    if dataset.dtype.kind != "f":
        raise DataError(f"{path}: {ROWS!r} holds {dataset.dtype}; expected floats, write the features as float32")
    return dataset


def _ids(path: Path, file: h5py.File) -> Shaped[np.ndarray, " n"] | None:
    dataset = own_dataset(path, file, IDS)
    if dataset is None:
        return None
    if dataset.ndim != 1:
        raise DataError(f"{path}: {IDS!r} has the shape {dataset.shape}; expected one id per row")
    text = h5py.check_string_dtype(dataset.dtype)
    if text is None and dataset.dtype.kind not in "Siuf":
        raise DataError(f"{path}: {IDS!r} holds {dataset.dtype}; expected text, write the ids as UTF-8")
    try:
        ids = [_id(path, value) for part in _parts(path, dataset) for value in part.tolist()]
    except UnicodeDecodeError as problem:
        raise DataError(f"{path}: {IDS!r} is not UTF-8 ({problem}); write the ids as UTF-8") from problem
    return np.array(ids, dtype=np.str_)


def _parts(path: Path, dataset: h5py.Dataset) -> Iterator[np.ndarray]:
    """The ids in parts that fit into memory, even if each id is as long as the file."""
    largest = dataset.dtype.itemsize if dataset.dtype.kind != "O" else path.stat().st_size
    count = min(max(1, _BLOCK // max(largest, 1)), 1 << 16)
    for start in range(0, len(dataset), count):
        yield dataset[start : start + count]


def _id(path: Path, value: object) -> str:
    if isinstance(value, bytes) and len(value) > LONGEST_ID:
        raise DataError(f"{path}: an id in {IDS!r} has {len(value):,} bytes; expected {LONGEST_ID:,} at most")
    return value.decode() if isinstance(value, bytes) else str(value)
