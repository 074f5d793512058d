"""The field's pickles of numbers, read without ever running what a pickle asks for: dicts of word vectors, features.

Every global that such a file may name is replaced by an inert stand-in, which checks its arguments and rebuilds plain
numbers with `np.frombuffer`; any other global is refused by name. Not even numpy's own `__setstate__` is reached: a
forged dtype state there can break memory safety.

Before anything is built the instructions are looked through: only those that such a file needs, not more of them than
its numbers can mean. What is built may be nested as deeply as it likes: nothing here hashes, compares or shows it.
"""

import io
import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.lib import format as npy

from avgzsl.errors import DataError
from avgzsl.support.weights import reason
from avgzsl.text.pickle_instructions import check_instructions, refusal, refuse

_SHOWN = 80  # letters of a name
_AXES = 8  # of an array
_LONGEST_TEXT = 4096  # letters of each text in an array of texts
_LETTERS = 0x110000  # of Unicode


def read_pickled_dict(path: Path, content: bytes) -> dict[str, np.ndarray]:
    """The name -> vector of a `.npy` file that holds a pickled dict; `path` is for the messages.

    Raises DataError for a file that is damaged, names anything but arrays of numbers, or holds something else.
    """
    outer = load_plain(path, _without_header(path, content))
    if not isinstance(outer, PickledArray) or not isinstance(outer.value, list) or len(outer.value) != 1:
        raise DataError(f"{path}: found {kind(outer)}; expected a dict of class name -> vector")
    content_dict = outer.value[0]
    if not isinstance(content_dict, dict) or not content_dict:
        raise DataError(f"{path}: found {kind(content_dict)}; expected a dict of class name -> vector")
    vectors: dict[int, np.ndarray] = {}  # of each object once, however many names it has
    for key, value in content_dict.items():
        if id(value) not in vectors:
            vectors[id(value)] = _vector(path, key, value)
    return {_name(key): vectors[id(value)] for key, value in content_dict.items()}


def _without_header(path: Path, content: bytes) -> bytes:
    stream = io.BytesIO(content)
    try:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    except Exception as problem:  # numpy parses the header as Python text, which fails in many ways
        raise DataError(f"{path}: not a whole .npy file ({reason(problem)}); fetch or write it again") from problem
    if shape != () or dtype != np.dtype(object):
        raise DataError(f"{path}: holds an array {shape} of {dtype}; expected a dict of class name -> vector")
    return stream.read()


def load_plain(path: Path, content: bytes) -> object:
    """What a pickle holds: dicts with keys of text, lists, text, bytes, numbers, and `PickledArray` for each array.

    Raises DataError, which names `path`, for a pickle that is damaged, asks for anything else, or may cost too much.
    """
    try:
        check_instructions(content)
        # latin1: what Python 2 wrote as bytes; the globals are guarded below
        loaded: object = _Restricted(io.BytesIO(content), encoding="latin1").load()
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None
    except Exception as problem:  # a damaged pickle can fail with nearly any exception
        raise DataError(f"{path}: damaged or truncated ({reason(problem)}); fetch or write it again") from problem
    return loaded


def _name(key: str | bytes) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else key


def _vector(path: Path, key: object, value: object) -> np.ndarray:
    numbers = value.value if isinstance(value, PickledArray) else value
    if isinstance(numbers, np.ndarray) and numbers.dtype.kind in "SU":
        raise DataError(f"{path}: {refusal(f'an array of dtype {numbers.dtype.str[1:]!r}')}")
    if isinstance(numbers, list) and numbers and all(type(number) in (int, float) for number in numbers):
        numbers = _floats(path, key, numbers)
    if not isinstance(numbers, np.ndarray) or numbers.ndim != 1 or not numbers.size:
        description = f"an array {numbers.shape}" if isinstance(numbers, np.ndarray) else kind(value)
        raise DataError(f"{path}: the vector of {key!r} is {description}; expected one row of numbers")
    with np.errstate(over="ignore"):  # what does not fit float32 becomes infinite, which the class table refuses
        return numbers.astype(np.float32)


def _floats(path: Path, key: object, numbers: list[int | float]) -> np.ndarray:
    try:
        return np.array(numbers, dtype=np.float64)
    except OverflowError:
        raise DataError(
            f"{path}: the vector of {key!r} has a whole number too large for a float; expected one row of numbers"
        ) from None


def kind(value: object) -> str:
    """What a thing in a pickle is, in words; nothing of it is shown."""
    if isinstance(value, PickledArray):
        of_texts = isinstance(value.value, np.ndarray) and value.value.dtype.kind in "SU"
        of_numbers = "texts" if of_texts else "numbers"
        return f"an array of {of_numbers if isinstance(value.value, np.ndarray) else 'Python objects'}"
    return f"a {type(value).__name__}"


class _Dtype:
    """A pickled dtype: a code such as `f4`, and the byte order that its state tells."""

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        if not isinstance(code, str):
            refuse("a dtype of something else than text")
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if any(part is not None for part in state[2:5]):
            refuse("a structured dtype")
        self.order = state[1] if state[1] in ("<", ">") else "="

    def plain(self) -> np.dtype[Any]:
        """The numpy dtype, if it is one of plain numbers or of texts."""
        size = self.code[1:]
        is_number = self.code[:1] in "fiub" and size in {"1", "2", "4", "8", "16"}
        is_text = self.code[:1] in "SU" and re.fullmatch("[1-9][0-9]{0,3}", size) and int(size) <= _LONGEST_TEXT
        if not (is_number or is_text):
            refuse(f"an array of dtype {self.code[:40]!r}")
        return np.dtype(self.order + self.code)


class PickledArray:
    """A pickled array: `value` is an array of numbers or texts, or the list of what an array of objects holds."""

    def __init__(self) -> None:
        self.value: np.ndarray | list[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype):
            raise ValueError(f"{kind(dtype)} where the dtype of an array should be")
        if dtype.code[:1] == "O" and isinstance(data, list):
            self.value = data
        else:
            self.value = _numbers(data, dtype, shape, "F" if fortran is True or fortran == 1 else "C")


def _numbers(data: object, dtype: object, shape: object, order: object = "C") -> np.ndarray:
    if not isinstance(data, str | bytes | bytearray):
        raise ValueError(f"{kind(data)} where the numbers of an array should be")
    if not isinstance(dtype, _Dtype) or order not in ("C", "F"):
        raise ValueError("numbers of an array without a dtype, or in no order")
    if not isinstance(shape, tuple) or len(shape) > _AXES or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("an array without a shape")
    content = data.encode("latin1") if isinstance(data, str) else data
    flat = np.frombuffer(content, dtype.plain())
    if flat.dtype.kind == "U" and (np.frombuffer(content, f"{dtype.order}u4") >= _LETTERS).any():
        raise ValueError("a text with letters that there are not")  # numpy would make it, and Python not bear it
    if math.prod(shape) != len(flat):
        raise ValueError(f"{len(flat)} numbers for an array of another shape")
    return flat.reshape(shape, order=order)


def _array(*_: object) -> PickledArray:
    return PickledArray()  # filled by the pickled state


def _scalar(dtype: object, data: object) -> float | str | bytes:
    value = _numbers(data, dtype, (1,)).tolist()[0]
    return value if isinstance(value, str | bytes) else float(value)


def _from_buffer(data: object, dtype: object, shape: object, order: object) -> PickledArray:
    array = PickledArray()
    array.value = _numbers(data, dtype, shape, order)
    return array


def _encode(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":  # the one way Python 3 writes bytes into an old pickle
        refuse("_codecs.encode to something else than latin1")
    return text.encode("latin1")


def _no_bytes(*arguments: object) -> bytes:
    if arguments:  # a length would be as many zeros
        refuse("bytes of something")
    return b""  # how Python 3 writes an array without numbers into an old pickle


class _StandIn:
    """A callable without attributes to overwrite, so that no file can change what the next one meets."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *arguments: object) -> object:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> NoReturn:
        refuse("a change of the reader itself")


_CORES = ("numpy.core", "numpy._core")  # numpy 1 and 2
_ALLOWED: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "ndarray"): lambda *_: refuse("numpy.ndarray to be called"),
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    **{(f"{core}.multiarray", "_reconstruct"): _array for core in _CORES},
    **{(f"{core}.multiarray", "scalar"): _scalar for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): _from_buffer for core in _CORES},
}


class _Restricted(pickle._Unpickler):  # the one in C takes 20 GB where one wrong bit asks for a far place in its memo
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str, /) -> object:
        if (module, name) not in _ALLOWED:
            refuse(repr(f"{module}.{name}"[:_SHOWN])[1:-1])
        return _StandIn(_ALLOWED[module, name])

    def _set(self, keys: slice, load: str) -> None:
        """Let the reader fill a dict, whose keys have to be text: others may be nested, and would have to be hashed."""
        if strange := [key for key in self.stack[keys] if type(key) not in (str, bytes)]:  # type: ignore[attr-defined]
            raise DataError(f"a key of its dict is {kind(strange[0])}; expected class names as text")
        getattr(super(), load)()

    def load_setitem(self) -> None:
        self._set(slice(-2, -1), "load_setitem")

    def load_setitems(self) -> None:
        self._set(slice(None, None, 2), "load_setitems")

    def load_dict(self) -> None:
        self._set(slice(None, None, 2), "load_dict")

    dispatch |= {pickle.SETITEM[0]: load_setitem, pickle.SETITEMS[0]: load_setitems, pickle.DICT[0]: load_dict}
