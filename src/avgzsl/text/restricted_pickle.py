"""The field's pickled `.npy` dicts of word vectors, read without ever running what a pickle asks for.

Every global that such a file may name is replaced by an inert stand-in, which checks its arguments and rebuilds plain
numbers with `np.frombuffer`; any other global is refused by name. Not even numpy's own `__setstate__` is reached: a
forged dtype state there can break memory safety.
"""

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.lib import format as npy

from avgzsl.errors import DataError


def read_pickled_dict(path: Path, content: bytes) -> dict[str, np.ndarray]:
    """The name -> vector of a `.npy` file that holds a pickled dict; `path` is for the messages.

    Raises DataError for a file that is damaged, names anything but arrays of numbers, or holds something else.
    """
    content_dict = _unpickle(path, _without_header(path, content))
    if not isinstance(content_dict, dict) or not content_dict:
        raise DataError(f"{path}: found {_kind(content_dict)}; expected a dict of class name -> vector")
    return {_name(path, key): _vector(path, key, value) for key, value in content_dict.items()}


def _without_header(path: Path, content: bytes) -> bytes:
    stream = io.BytesIO(content)
    try:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    except Exception as problem:  # numpy parses the header as Python text, which fails in many ways
        raise DataError(f"{path}: not a whole .npy file ({problem}); fetch or write it again") from problem
    if shape != () or dtype != np.dtype(object):
        raise DataError(f"{path}: holds an array {shape} of {dtype}; expected a dict of class name -> vector")
    return stream.read()


def _unpickle(path: Path, content: bytes) -> object:
    try:
        # latin1: what Python 2 wrote as bytes; the globals are guarded below
        outer = _Restricted(io.BytesIO(content), encoding="latin1").load()
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None
    except Exception as problem:  # a damaged pickle can fail with nearly any exception
        raise DataError(f"{path}: damaged or truncated ({problem}); fetch or write it again") from problem
    if not isinstance(outer, _Array) or not isinstance(outer.value, list) or len(outer.value) != 1:
        raise DataError(f"{path}: found {_kind(outer)}; expected a dict of class name -> vector")
    return outer.value[0]


def _name(path: Path, key: object) -> str:
    if isinstance(key, bytes):
        key = key.decode("utf-8", "replace")
    if not isinstance(key, str):
        raise DataError(f"{path}: {key!r} is {_kind(key)}; expected class names as text")
    return key


def _vector(path: Path, key: object, value: object) -> np.ndarray:
    numbers = value.value if isinstance(value, _Array) else value
    if isinstance(numbers, list) and numbers and all(type(number) in (int, float) for number in numbers):
        numbers = np.array(numbers, dtype=np.float64)
    if not isinstance(numbers, np.ndarray) or numbers.ndim != 1 or not numbers.size:
        found = f"an array {numbers.shape}" if isinstance(numbers, np.ndarray) else _kind(value)
        raise DataError(f"{path}: the vector of {key!r} is {found}; expected one row of numbers")
    with np.errstate(over="ignore"):  # what does not fit float32 becomes infinite, which the class table refuses
        return numbers.astype(np.float32)


def _kind(value: object) -> str:
    if isinstance(value, _Array):
        return "an array of numbers" if isinstance(value.value, np.ndarray) else "an array of Python objects"
    return f"a {type(value).__name__}"


def _refuse(what: str) -> NoReturn:
    raise DataError(f"refused: it asks for {what}; such a file may hold arrays of numbers, dict, text and floats alone")


class _Dtype:
    """What a pickled dtype says: a code such as `f4`, then its byte order."""

    def __init__(self, code: str, align: object = False, copy: object = True) -> None:
        self.code, self.order = str(code), "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if any(part is not None for part in state[2:5]):
            _refuse("a structured dtype")
        self.order = state[1] if state[1] in ("<", ">") else "="

    def number(self) -> np.dtype[Any]:
        """The numpy dtype, if it is one of plain numbers."""
        if self.code[:1] not in "fiub" or not self.code[1:].isdigit():
            _refuse(f"an array of dtype {self.code!r}")
        return np.dtype(self.order + self.code)


class _Array:
    """What a pickled array says: `value` is an array of numbers, or the list of what an object array holds."""

    def __init__(self) -> None:
        self.value: np.ndarray | list[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, fortran, data = state
        if dtype.code[:1] == "O" and isinstance(data, list):
            self.value = data
        else:
            self.value = _numbers(data, dtype, shape, "F" if fortran else "C")


def _numbers(data: object, dtype: _Dtype, shape: tuple[int, ...], order: Any = "C") -> np.ndarray:
    if not isinstance(data, str | bytes | bytearray):
        raise ValueError(f"{_kind(data)} where the numbers of an array should be")
    raw = data.encode("latin1") if isinstance(data, str) else data
    flat = np.frombuffer(raw, dtype.number())
    if math.prod(shape) != len(flat):
        raise ValueError(f"{len(flat)} numbers for an array {shape}")
    return flat.reshape(shape, order=order)


def _array(*_: object) -> _Array:
    return _Array()  # filled by the pickled state


def _scalar(dtype: _Dtype, data: object) -> float:
    return float(_numbers(data, dtype, (1,))[0])


def _from_buffer(data: object, dtype: _Dtype, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array()
    array.value = _numbers(data, dtype, shape, order)
    return array


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":  # the one way Python 3 writes bytes into an old pickle
        _refuse(f"_codecs.encode to {encoding!r}")
    return text.encode("latin1")


class _StandIn:
    """A callable without attributes to overwrite, so that no file can change what the next one meets."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *arguments: object) -> object:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> NoReturn:
        _refuse("a change of the reader itself")


_CORES = ("numpy.core", "numpy._core")  # numpy 1 and 2
_ALLOWED: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "ndarray"): lambda *_: _refuse("numpy.ndarray to be called"),
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    **{(f"{core}.multiarray", "_reconstruct"): _array for core in _CORES},
    **{(f"{core}.multiarray", "scalar"): _scalar for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): _from_buffer for core in _CORES},
}


class _Restricted(pickle._Unpickler):  # the one in C takes 20 GB where one wrong bit asks for a far place in its memo
    def find_class(self, module: str, name: str, /) -> object:
        if (module, name) not in _ALLOWED:
            _refuse(f"{module}.{name}")
        return _StandIn(_ALLOWED[module, name])
