"""Kernel exemplars, this project's own method: closed form, no chance, for a few hundred to some thousand clips.

As `exemplars` (Changpinyo, Chao, Sha, ICCV 2017), with three changes, each chosen on pseudo-unseen classes:

    r(x) = u(sign(x) |x|^power)                                    features are bent: a few large ones rule no more
    k(t, t') = exp(-sharpness |t - t'|^2)                          texts are compared by a kernel (as in the original)
    A(t) = (k(T, T) + ridge I)^-1 k(T, t)                          e(c) = sum over s of A_s(t_c) e_s
    score = g(z)^trust cos(z, e(c)),   g(z) = max over seen s of cos(z, e_s), at least 0.01

with z and e_s from r(x) in place of u(x). The factor g changes no order of the classes within the seen or within the
unseen ones: it says how much a clip is worth believing. A clip that is near to no seen class has small scores, so that
one penalty for all clips, which is taken off the scores of seen classes, weighs more there, and it goes to an unseen
class sooner. It is a number of the clip, so that scores stay inner products.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Float64
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.learning.nets import unit_rows
from avgzsl.learning.training import SETTINGS
from avgzsl.methods._exemplars import ExemplarMethod
from avgzsl.types import Modality

_LEAST_TRUST = 0.01
_EXACT = "donot_use_mm_for_euclid_dist"  # the shortcut loses half the digits


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class KernelExemplars(ExemplarMethod, name="kernel-exemplars"):
    """Exemplars predicted by a kernel of texts; a clip that is near to no seen class goes to an unseen one sooner."""

    rho: float = Field(default=0.9, gt=0, le=1)
    """How far the covariance within classes is shrunk to that of a sphere; 1 does not whiten."""
    ridge: float = Field(default=0.3, gt=0, allow_inf_nan=False)
    """Penalty on the squared weights by which the text of a class is made of those of the seen classes."""
    power: float = Field(default=0.5, gt=0, le=1)
    """Power of the features' sizes, their signs kept; 1 leaves them as they are."""
    sharpness: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How soon two texts of length 1 are no longer alike: exp(-sharpness |t - t'|^2)."""
    trust: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Power of a clip's nearness to the nearest seen class, by which its scores are multiplied; 0 leaves cosines."""

    citation: ClassVar[str] = "exemplars"
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "rho": (0.5, 0.7, 0.8, 0.9, 0.95),
        "ridge": (0.03, 0.1, 0.3, 1.0),
        "power": (0.25, 0.5, 1.0),
        "sharpness": (0.25, 0.5, 1.0, 2.0),
        "trust": (0.0, 0.5, 1.0, 1.5),
        "text_scale": ("unit", "centred"),
    }

    def bent(self, x: Float64[Tensor, "n d"]) -> Float64[Tensor, "n d"]:
        """r(x)."""
        return unit_rows(x.sign() * x.abs() ** self.power)

    def kernel(self, left: Float64[Tensor, "k t"], right: Float64[Tensor, "c t"]) -> Float64[Tensor, "k c"]:
        """A Gaussian of the distance."""
        return torch.exp(-self.sharpness * torch.cdist(left, right, compute_mode=_EXACT).square())

    def trusted(self, z: Float[Tensor, "n s"], modality: Modality) -> Float[Tensor, "n s"]:
        """Each clip times g^trust."""
        length = torch.linalg.vector_norm(self._learned("exemplars", modality), dim=1)
        cosines = z / torch.where(length > 0, length, torch.inf)
        return z * cosines.amax(1, keepdim=True).clamp(min=_LEAST_TRUST) ** self.trust
