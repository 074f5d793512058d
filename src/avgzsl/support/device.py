"""Names of devices: auto, cpu, cuda, cuda:N; and how many cores a calculation takes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from avgzsl.errors import ConfigError


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises ConfigError for a device that is not there.

    Of a GPU, float32 is float32 from then on, in products and in convolutions: TF32 has 10 bits of 23 under that name.
    Whoever wants less says `precision=bf16`.
    """
    device = _named(name) if name != "auto" else torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return device


def _named(name: str) -> torch.device:
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
