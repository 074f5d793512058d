"""A stand-in for a GPU: tensors that say they lie on another device (`meta`), and refuse to meet those of the CPU.

The numbers are computed on the CPU. So what is tested is that nothing mixes two devices, that results are the CPU's,
and how often a value is read back (`reads`), for which a GPU would have to wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE = torch.device("meta")  # the one that torch has everywhere beside the CPU


class Elsewhere(torch.Tensor):
    """A tensor of the CPU, `inside`, that says it is elsewhere."""

    inside: torch.Tensor

    @staticmethod
    def __new__(cls, inside: torch.Tensor) -> "Elsewhere":
        made = torch.Tensor._make_wrapper_subclass(
            cls, inside.shape, inside.stride(), inside.storage_offset(), dtype=inside.dtype, device=DEVICE
        )
        made.inside = inside
        return made

    def __repr__(self, **kwargs: Any) -> str:
        return f"elsewhere {self.inside!r}"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside of the stand-in's mode")


class Device(TorchDispatchMode):
    """The mode in which such tensors live."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
        there = [x for x in tensors if isinstance(x, Elsewhere)]
        asked, name = kwargs.get("device"), func.overloadpacket.__name__
        if name == "_to_copy" and there and asked is not None and torch.device(asked) != DEVICE:
            self.reads += 1
        if name in ("_local_scalar_dense", "nonzero", "_unique2", "bincount", "equal"):
            self.reads += bool(there)
        moves = name in ("_to_copy", "copy_", "index", "index_put_", "index_put")  # the CPU's indices are copied along
        for x in tensors if there and not moves else ():
            if not isinstance(x, Elsewhere) and x.dim():
                raise RuntimeError(f"{func}: tensors on another device and on the CPU")
        if name in ("index", "index_put_", "index_put") and tensors and not isinstance(tensors[0], Elsewhere) and there:
            raise RuntimeError(f"{func}: indices on another device of a tensor on the CPU")
        if asked is not None:
            kwargs["device"] = torch.device("cpu")
        args, kwargs = tree_map_only(Elsewhere, lambda x: x.inside, (args, kwargs))
        result = func(*args, **kwargs)
        if name == "copy_":
            return tensors[0]
        moved = torch.device(asked) == DEVICE if asked is not None else bool(there)
        if name.endswith("_") and tensors and not name.startswith("_"):
            return tensors[0]
        return tree_map_only(torch.Tensor, Elsewhere, result) if moved else result


class Making(TorchFunctionMode):
    """What the other mode does not see: `torch.tensor` and `torch.as_tensor` make here first, `tolist` copies first."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        if func is torch.Tensor.new_tensor:
            return torch.tensor(*args[1:], dtype=args[0].dtype).to(args[0].device)
        if func is torch.Tensor.tolist:
            return func(args[0].cpu())
        return func(*args, **kwargs)


@contextmanager
def stand_in() -> Iterator[Device]:
    """With it, `tensor.to(DEVICE)` and factories of that device work, and autocast takes it for the CPU."""
    plain = torch.autocast

    def autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return plain("cpu" if device_type == DEVICE.type else device_type, *args, **kwargs)

    torch.autocast = autocast  # type: ignore[assignment, misc]
    try:
        with Making(), Device() as device:
            yield device
    finally:
        torch.autocast = plain  # type: ignore[misc]
