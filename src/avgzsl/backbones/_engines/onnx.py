"""ONNX models, by ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped

from avgzsl.backbones._engines import leading_axes
from avgzsl.errors import ConfigError, WeightsError
from avgzsl.support.registry import require

_DTYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}


class ONNX:
    """Many examples at once where the model's first axis is free, else one at a time."""

    quantisation = None

    def __init__(self, session: Any, output: str, before: tuple[int | None, ...]) -> None:
        self._session, self._output, self._before = session, output, before

    def run(self, examples: Shaped[np.ndarray, "n ..."]) -> Shaped[np.ndarray, "n d"]:
        size = len(examples) if self._before[:1] == (None,) else 1
        batches = [examples[start : start + size] for start in range(0, len(examples), size)]
        return np.concatenate([self._run(batch).reshape(len(batch), -1) for batch in batches])

    def _run(self, batch: np.ndarray) -> np.ndarray:
        axes = (len(batch), *[1] * (len(self._before) - 1))[: len(self._before)]
        feed = {self._session.get_inputs()[0].name: batch.reshape(axes + batch.shape[1:])}
        return np.asarray(self._session.run([self._output], feed)[0])


def open_model(path: Path, example: tuple[int, ...], dtype: str, output: int | str | None, device: str) -> ONNX:
    """See `avgzsl.backbones._engines`. Only the model's outputs can be had, by index or name."""
    session = _open(path, device)
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise WeightsError(f"{path}: the model has {len(inputs)} inputs; expected one")
    shape = [axis if isinstance(axis, int) else None for axis in inputs[0].shape]
    leading = leading_axes(path, shape, _DTYPES.get(inputs[0].type, inputs[0].type), example, dtype)
    names = [tensor.name for tensor in session.get_outputs()]
    chosen = output if isinstance(output, str) else dict(enumerate(names)).get(output or 0)
    if chosen is None or chosen not in names:
        raise WeightsError(
            f"{path}: no output {output!r}; it has {', '.join(f'{n} ({name})' for n, name in enumerate(names))}"
        )
    return ONNX(session, chosen, leading)


def read_constants(path: Path, tensors: Sequence[int | str]) -> list[np.ndarray]:
    """Raises ConfigError: ONNX Runtime does not tell them."""
    raise ConfigError(
        f"{path}: ONNX Runtime does not tell the weights inside a model ({', '.join(map(str, tensors))}); in the card, "
        "leave labels.head out and name the probabilities as the output"
    )


def _open(path: Path, device: str) -> Any:
    runtime = require("onnxruntime", "onnx")
    runtime.disable_telemetry_events()  # which builds for Windows have
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    providers = _providers(runtime, device)
    try:
        # from its bytes: no second file, which nobody has hashed, takes part
        return runtime.InferenceSession(path.read_bytes(), options, providers=providers)
    except Exception as problem:  # ONNX Runtime's errors have no common base of their own
        raise WeightsError(
            f"{path}: ONNX Runtime cannot load it ({problem}). The whole model must be in this one file "
            "(torch.onnx.export: external_data=False)"
        ) from problem


def _providers(runtime: Any, device: str) -> list[Any]:
    cuda = "CUDAExecutionProvider" in runtime.get_available_providers()
    kind, _, number = device.partition(":")
    if device == "cpu" or (device == "auto" and not cuda):
        return ["CPUExecutionProvider"]
    if cuda and (device in ("auto", "cuda") or (kind == "cuda" and number.isdecimal())):
        return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"]
    raise ConfigError(
        f"device {device!r}: ONNX Runtime {'has' if cuda else 'has no'} CUDA here; expected auto, cpu, cuda or cuda:N, "
        "the last two with onnxruntime-gpu installed"
    )
