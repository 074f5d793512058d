"""Names of devices: auto, cpu, cuda, cuda:N; and how many cores a calculation takes."""

import os
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


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The names of the GPUs that this process sees."""
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def devices_of_workers(most: int | None, calls: int) -> list[str]:
    """The device of each process that does some of so many calls side by side: at most `most`, and one a call.

    With GPUs these are the GPUs, one after another, by default each once; without, the CPU, by default once a core.
    """
    there = gpus()
    workers = min(most or len(there) or cores(), calls)
    return [there[number % len(there)] if there else "cpu" for number in range(workers)]


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of torch: bytes do not hang on the number of cores, and on small products no thread waits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
