"""Published weights into a network: every key consumed, every weight given, nothing that could run code."""

from pathlib import Path

import torch
from torch import Tensor, nn

from avgzsl.errors import WeightsError

_COUNTER = "num_batches_tracked"  # of batch normalisation; checkpoints from before PyTorch 0.4.1 lack it


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a PyTorch file that holds tensors alone, without DataParallel's prefix.

    Raises WeightsError for anything else.
    """
    from safetensors.torch import load_file

    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as problem:  # a damaged or hostile file makes the readers raise nearly anything
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise WeightsError(
            f"{path}: cannot be read as weights ({reason}); expected safetensors, or a PyTorch file of tensors alone"
        ) from problem
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise WeightsError(f"{path}: holds no state dict; expected names with a tensor each")
    return {key.removeprefix("module."): value for key, value in state.items()}


def fill(network: nn.Module, state: dict[str, Tensor], source: Path) -> None:
    """Put the weights into a network made on the device `meta`, and set it to evaluation, without gradients.

    Raises WeightsError, naming the keys, when one is missing, left over, of another shape or not finite.
    """
    expected = network.state_dict()
    faulty_keys = {
        "missing": [key for key in expected if key not in state and not key.endswith(_COUNTER)],
        "not of this network": [key for key in state if key not in expected],
        "of another shape": [key for key in expected if key in state and state[key].shape != expected[key].shape],
        "not finite": [key for key in state if not bool(torch.isfinite(state[key]).all())],
    }
    faults = [f"{fault}: {_some(keys)}" for fault, keys in faulty_keys.items() if keys]
    if faults:
        raise WeightsError(f"{source}: not the weights of {type(network).__name__} ({'; '.join(faults)})")
    complete = {
        key: state.get(key, torch.zeros(value.shape)).to(value.dtype)  # zero: the counters that old files lack
        for key, value in expected.items()
    }
    network.load_state_dict(complete, assign=True)
    network.requires_grad_(False).eval()


def _some(keys: list[str], most: int = 4) -> str:
    return ", ".join(keys[:most]) + (f" and {len(keys) - most} more" if len(keys) > most else "")
