"""SGD with momentum, and Adam: PyTorch's own steps over all weights at once, with its numbers, bit for bit.

They stand here because an optimiser of `torch.optim` imports PyTorch's compiler when it is made, about as long as a
training on a thousand clips takes. Names of what a checkpoint keeps are those of `torch.optim`, so that each reads what
the other wrote.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

_SECOND_BETA = 0.999  # of Adam
_TINY = 1e-8  # its epsilon


class Optimiser(ABC):
    """Moves weights along their gradients at a `rate`; a weight without a gradient stays, and so does what it keeps."""

    def __init__(self, weights: Iterable[nn.Parameter], rate: float, momentum: float, weight_decay: float) -> None:
        self.weights = list(weights)
        self.rate, self.momentum, self.weight_decay = rate, momentum, weight_decay
        self.kept: dict[int, dict[str, Tensor]] = {}  # by the place of the weight

    def clear(self) -> None:
        """Forget the gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move all weights that have a gradient."""
        moved = [(i, weight, weight.grad) for i, weight in enumerate(self.weights) if weight.grad is not None]
        if moved:
            places, weights, gradients = (list(part) for part in zip(*moved, strict=True))
            self.move(places, weights, gradients)

    @abstractmethod
    def move(self, places: list[int], weights: list[Tensor], gradients: list[Tensor]) -> None:
        """Move these weights, at these places in the list of all."""

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps, by place and name."""
        return {f"{i}/{name}": value for i, part in sorted(self.kept.items()) for name, value in part.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state`."""
        self.kept = {}
        for key, value in state.items():
            place, name = key.split("/")
            weight = self.weights[int(place)]
            # a copy, since a step changes it in place
            self.kept.setdefault(int(place), {})[name] = value.clone().to(weight.device)


class SGD(Optimiser):
    """b = momentum · b + (gradient + weight_decay · w), at first without momentum; w = w - rate · b."""

    def move(self, places: list[int], weights: list[Tensor], gradients: list[Tensor]) -> None:
        """One step."""
        if self.weight_decay:
            gradients = list(torch._foreach_add(gradients, weights, alpha=self.weight_decay))
        if self.momentum:
            old = [n for n, i in enumerate(places) if i in self.kept]
            buffers = [self.kept[places[n]]["momentum_buffer"] for n in old]
            if old:
                torch._foreach_mul_(buffers, self.momentum)
                torch._foreach_add_(buffers, [gradients[n] for n in old])
            for i, gradient in zip(places, gradients, strict=True):
                if i not in self.kept:
                    self.kept[i] = {"momentum_buffer": gradient.clone()}
            gradients = [self.kept[i]["momentum_buffer"] for i in places]
        torch._foreach_add_(weights, gradients, alpha=-self.rate)


class Adam(Optimiser):
    """Adam (Kingma and Ba 2015) with betas `momentum` and 0.999; weight_decay · w is added to the gradient."""

    def move(self, places: list[int], weights: list[Tensor], gradients: list[Tensor]) -> None:
        """One step, one pass over the weights."""
        for i, weight in zip(places, weights, strict=True):
            if i not in self.kept:
                count = torch.zeros((), dtype=torch.float32, device=weight.device)
                fresh = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
                self.kept[i] = {"step": count, **fresh}
        counts, means, squares = ([self.kept[i][n] for i in places] for n in ("step", "exp_avg", "exp_avg_sq"))
        torch._foreach_add_(counts, 1)
        torch._fused_adam_(
            weights,
            gradients,
            means,
            squares,
            [],
            counts,
            lr=self.rate,
            beta1=self.momentum,
            beta2=_SECOND_BETA,
            weight_decay=self.weight_decay,
            eps=_TINY,
            amsgrad=False,
            maximize=False,
        )
