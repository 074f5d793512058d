"""The energy term: seen classes draw clips to themselves, and in retrieval this can be undone.

A clip that is near to some seen class is less likely to be of an unseen one. A part k of its energy over the seen
classes, at the temperature tau, is taken off all of its scores:

    s'(clip, c) = s(clip, c) - k tau log sum over seen c' of exp(s(clip, c') / tau)

That is one number for a clip. So its classes stay in their order and no decision changes; what changes is the order in
which a name finds clips. As tau goes to 0, the energy becomes the best seen score. k and tau are one number, or one for
each clip (a clip that lacks a modality carries those of the one it has).
"""

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from avgzsl.errors import ConfigError


def addend(
    seen_scores: Float[Tensor, "n s"],
    share: float | Float[Tensor, " n"],
    temperature: float | Float[Tensor, " n"],
) -> Float64[Tensor, " n"]:
    """What is added to all scores of each clip, -k tau log sum exp(s / tau), from its scores of the seen classes.

    It is 0 where the share is 0 or no class is seen. `temperature` is in units of score. Raises ConfigError for a share
    that is not from 0 to 1, or a temperature that is not above 0.
    """
    k, tau = (torch.as_tensor(x, dtype=torch.float64, device=seen_scores.device) for x in (share, temperature))
    if not bool(((k >= 0) & (k <= 1)).all()):
        raise ConfigError(f"the energy's share must be from 0 to 1; given {share}")
    if not bool((torch.isfinite(tau) & (tau > 0)).all()):
        raise ConfigError(f"the energy's temperature must be finite and above 0; given {temperature}")
    if not seen_scores.shape[1]:
        return torch.zeros(len(seen_scores), dtype=torch.float64, device=seen_scores.device)
    return -k * tau * torch.logsumexp(seen_scores.double() / tau.reshape(-1, 1), 1)


def corrected(
    scores: Float[Tensor, "n c"],
    seen: Bool[Tensor, " c"],
    share: float | Float[Tensor, " n"],
    temperature: float | Float[Tensor, " n"],
) -> Float64[Tensor, "n c"]:
    """The scores by which a name finds clips when the bias to seen classes is taken off. Raises as `addend`."""
    return scores + addend(scores[:, seen], share, temperature)[:, None]
