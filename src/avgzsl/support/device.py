"""Names of devices: auto, cpu, cuda, cuda:N."""

import torch

from avgzsl.errors import ConfigError


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises ConfigError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as problem:
        reason = str(problem).splitlines()[0]
        raise ConfigError(f"device {name!r} cannot be used ({reason}); expected auto, cpu, cuda or cuda:N") from problem
