"""Names of devices: auto, cpu, cuda, cuda:N; and how many cores a calculation takes."""

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of torch: bytes do not hang on the number of cores, and on small products no thread waits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
