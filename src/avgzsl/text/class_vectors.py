"""Files of class vectors: a pickled `.npy` dict as the field publishes them, `.npz`, or `.csv`."""

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from avgzsl.errors import DataError
from avgzsl.support.trust import read_regular
from avgzsl.support.weights import reason
from avgzsl.text.restricted_pickle import read_pickled_dict

_LARGEST_VECTOR = 1 << 20  # bytes: a zip of 1 MB may unpack to 1 GB
_LARGEST_FILE = 4 << 30
_LARGEST_ARCHIVE = 1 << 30


def read_class_vectors(path: Path) -> dict[str, np.ndarray]:
    """Class name -> vector; vectors come as float32, in the order of the file.

    `.npz` holds an array a class, `.csv` a row `name, v1, v2, …` a class and, if need be, a header; anything else is
    read as a `.npy` dict. Raises DataError for a file that is damaged or holds something else.
    """
    try:
        content = read_regular(path, DataError, _LARGEST_FILE)
    except OSError as problem:
        raise DataError(f"{path}: not readable ({problem.strerror or problem})") from problem
    vectors = _READERS.get(path.suffix.lower(), read_pickled_dict)(path, content)
    if not vectors:
        raise DataError(f"{path}: no vectors; expected one a class")
    if len(sizes := sorted({len(vector) for vector in vectors.values()})) > 1:
        raise DataError(f"{path}: vectors of different lengths, {sizes}; expected one length for all classes")
    return vectors


def _read_npz(path: Path, content: bytes) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > _LARGEST_ARCHIVE:
                raise DataError(f"{path}: unpacks to more than {_LARGEST_ARCHIVE >> 20} MiB; expected a vector a class")
            return {member.filename.removesuffix(".npy"): _npz_vector(path, archive, member) for member in members}
    except DataError:
        raise
    except Exception as problem:  # a damaged zip can fail in many ways
        raise DataError(f"{path}: not a whole .npz file ({reason(problem)}); fetch or write it again") from problem


def _npz_vector(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    if member.file_size > _LARGEST_VECTOR:
        raise DataError(f"{path}: {member.filename} has {member.file_size} bytes; expected one vector a class")
    array = np.lib.format.read_array(io.BytesIO(archive.read(member)), allow_pickle=False)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "fiu":
        raise DataError(
            f"{path}: {member.filename} is an array {array.shape} of {array.dtype}; expected one row of numbers"
        )
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _read_csv(path: Path, content: bytes) -> dict[str, np.ndarray]:
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path}: not readable as csv ({problem}); expected rows of name, v1, v2, …") from problem
    vectors: dict[str, np.ndarray] = {}
    for number, row in enumerate(rows, 1):
        if not row or (number == 1 and _is_header(row)):  # an empty line, a header
            continue
        name, *numbers = row
        if name in vectors:
            raise DataError(f"{path}: line {number}: {name!r} is there twice; keep one of the two")
        vectors[name] = _row(path, number, numbers)
    return vectors


def _is_header(row: list[str]) -> bool:
    return len(row) > 1 and not any(map(_is_number, row[1:]))


def _row(path: Path, number: int, numbers: list[str]) -> np.ndarray:
    if not numbers or (strange := [cell for cell in numbers if not _is_number(cell)]):
        content = repr(strange[0]) if numbers else "a name alone"
        raise DataError(f"{path}: line {number}: found {content}; expected a name and then numbers")
    with np.errstate(over="ignore"):
        return np.array([float(cell) for cell in numbers], dtype=np.float64).astype(np.float32)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


_READERS: dict[str, Callable[[Path, bytes], dict[str, np.ndarray]]] = {".npz": _read_npz, ".csv": _read_csv}
