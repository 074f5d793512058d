"""TensorFlow Lite models, by LiteRT, on the CPU."""

import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from avgzsl.backbones._engines import leading_axes
from avgzsl.errors import ConfigError, WeightsError
from avgzsl.support.native_output import without_lines
from avgzsl.support.registry import require

_CREATED = b"INFO: Created TensorFlow Lite XNNPACK delegate"  # which the library tells once a process


class TFLite:
    """One example at a time: quantised graphs gain nothing by a batch, and those of XNNPACK refuse one."""

    def __init__(self, interpreter: Any, output: dict[str, Any], shape: tuple[int, ...]) -> None:
        scale, zero_point = output["quantization"]
        self.quantisation = (float(scale), int(zero_point)) if scale else None
        self._interpreter, self._output, self._shape = interpreter, output["index"], shape
        self._lock = threading.Lock()

    def run(self, examples: Shaped[np.ndarray, "n ..."]) -> Shaped[np.ndarray, "n d"]:
        with self._lock:
            return np.stack([self._run(example) for example in examples])

    def _run(self, example: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._interpreter.get_input_details()[0]["index"], example.reshape(self._shape))
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output)).reshape(-1)


def open_model(path: Path, example: tuple[int, ...], dtype: str, output: int | str | None, device: str) -> TFLite:
    """See `avgzsl.backbones._engines`. Tensors inside the graph can be had, by index or name."""
    if device not in ("auto", "cpu"):
        raise ConfigError(
            f"device {device!r}: TensorFlow Lite models run on the CPU; leave the device out, or give cpu"
        )
    interpreter = _open(path)
    inputs = interpreter.get_input_details()
    if len(inputs) != 1:
        raise WeightsError(f"{path}: the model has {len(inputs)} inputs; expected one")
    sizes = [None if axis < 0 else int(axis) for axis in inputs[0]["shape_signature"]]
    leading = leading_axes(path, sizes, inputs[0]["dtype"].__name__, example, dtype)
    shape = (1,) * len(leading) + example
    try:
        if None in sizes:
            interpreter.resize_tensor_input(inputs[0]["index"], shape)
        with without_lines(_CREATED):
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as problem:
        raise WeightsError(f"{path}: LiteRT cannot run it ({problem})") from problem
    return TFLite(interpreter, _find(path, interpreter, output), shape)


def read_constants(path: Path, tensors: Sequence[int | str]) -> list[np.ndarray]:
    """See `avgzsl.backbones._engines`."""
    interpreter = _open(path)
    return [_constant(path, interpreter, _find(path, interpreter, tensor)) for tensor in tensors]


def _constant(path: Path, interpreter: Any, tensor: dict[str, Any]) -> np.ndarray:
    """scale * (number - zero_point), with one pair of these for all or one for each place along an axis."""
    try:
        raw = np.asarray(interpreter.get_tensor(tensor["index"])).astype(np.float64)
    except ValueError as problem:  # nothing is allocated yet, so only constants have values
        raise WeightsError(
            f"{path}: tensor {tensor['index']} ({tensor['name']}) is no constant of the model; correct the card's head"
        ) from problem
    quantisation = tensor["quantization_parameters"]
    scales, zero_points = (quantisation[key].astype(np.float64) for key in ("scales", "zero_points"))
    if not len(scales):
        return raw
    along = [1] * raw.ndim
    along[quantisation["quantized_dimension"]] = len(scales)
    values: np.ndarray = scales.reshape(along) * (raw - zero_points.reshape(along))
    return values


def _open(path: Path) -> Any:
    interpreter = require("ai_edge_litert.interpreter", "tflite").Interpreter
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # that kept tensors take memory
            # one thread: clips go in parallel, and two threads were no faster than one for the models of the cards
            return interpreter(model_path=str(path), num_threads=1, experimental_preserve_all_tensors=True)
    except (ValueError, RuntimeError) as problem:
        raise WeightsError(f"{path}: not a TensorFlow Lite model ({problem}); fetch it again") from problem


def _find(path: Path, interpreter: Any, output: int | str | None) -> dict[str, Any]:
    tensors = interpreter.get_tensor_details()
    key = interpreter.get_output_details()[0]["index"] if output is None else output
    for tensor in tensors:
        if key in (tensor["index"], tensor["name"]):
            details: dict[str, Any] = tensor
            return details
    outputs = ", ".join(f"{tensor['index']} ({tensor['name']})" for tensor in interpreter.get_output_details())
    raise WeightsError(f"{path}: no tensor {output!r} among its {len(tensors)}; its outputs are {outputs}")
