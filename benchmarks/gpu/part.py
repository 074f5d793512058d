"""What the parts share: where they run and how large, rows of the table, clocks, and the peak that they are held to."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

NOT_MEASURED = "not measured"


class Row(NamedTuple):
    """A line of the table; `holds` is False where what must be so is not, None where nothing must."""

    what: str
    measured: str
    wanted: str = ""
    holds: bool | None = None


class Where(NamedTuple):
    """A device, and whether sizes are small: then all is run, and no time is shown."""

    device: str
    small: bool

    def size(self, full: int, small: int) -> int:
        """A size or number of rounds."""
        return small if self.small else full

    def timed(self, what: str, measured: str, wanted: str = "", holds: bool | None = None) -> Row:
        """A row of times; those of small sizes mean nothing."""
        if self.small:
            return Row(what, NOT_MEASURED, wanted)
        return Row(what, measured, wanted, holds)

    def synchronise(self) -> None:
        """Wait for what the device was given."""
        if torch.device(self.device).type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, call: Callable[[], object], rounds: int = 5, warm: int = 2) -> float:
        """The median time of a call, its work on the device included."""
        times = []
        for _ in range(warm + rounds):
            self.synchronise()
            begun = time.perf_counter()
            call()
            self.synchronise()
            times.append(time.perf_counter() - begun)
        return statistics.median(times[warm:])

    def peak(self, dtype: torch.dtype) -> float:
        """Floating-point operations a second of a large square product of the type."""
        side = self.size(8192, 256)
        left, right = (torch.randn(side, side, device=self.device).to(dtype) for _ in range(2))
        return 2 * side**3 / self.seconds(lambda: left @ right, rounds=10, warm=3)


def must(what: str, holds: bool, wanted: str = "yes") -> Row:
    """A row of what has to be so."""
    return Row(what, "yes" if holds else "no", wanted, holds)


def near(what: str, found: float, limit: float) -> Row:
    """A row of a difference that has a limit."""
    return Row(what, f"{found:.1e}", f"≤ {limit:.0e}", found <= limit)


def apart(x: Tensor, y: Tensor) -> float:
    """The length of the difference over that of the second; of values that are both infinite there is none."""
    x, y = x.detach().double().cpu(), y.detach().double().cpu()
    if x.shape != y.shape:
        return float("inf")
    same = x == y
    x, y = x.masked_fill(same, 0.0), y.masked_fill(same & ~y.isfinite(), 0.0)
    return float((x - y.masked_fill(same, 0.0)).norm() / y.norm().clamp(min=1e-30))
