"""PyTorch's optimisers, as they are, but for its compiler.

The methods of an optimiser tell the compiler to leave them alone, and import all of it for that, which takes as long
as half of `import torch`. Nothing is compiled here, so the classes below have the methods themselves in the place of
those that tell: the same arithmetic, the same bytes.
"""

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import torch

_TELL = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def _alone(optimiser: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The class without what is wrapped around its methods; a step without gradients, which is one of the wraps."""
    own: dict[str, Any] = {name: unwrap(getattr(optimiser, name)) for name in _TELL}
    own["step"] = torch.no_grad()(unwrap(optimiser.step))
    return type(optimiser.__name__, (optimiser,), own)


Adam, SGD = _alone(torch.optim.Adam), _alone(torch.optim.SGD)
