"""Predicted exemplars (Changpinyo, Chao, Sha: Predicting Visual Exemplars of Unseen Classes for Zero-Shot Learning,
ICCV 2017), after whitening by the covariance within classes, one computation a modality.

With u(x) = x / |x|, mu the mean of the class means of u(x), and W the mean over classes of the covariance within one:

    Sigma = (1 - rho) W + rho tr(W)/d I        z = u(Sigma^-1/2 (u(x) - mu))
    e_s = mean of z over the clips of class s, less the mean of these over classes
    A(t) = (T T^T + ridge I)^-1 T t            e(c) = sum over s of A_s(t_c) e_s

where the rows of T are the scaled texts of the S classes of the training. The score is the cosine of z and e(c).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic.dataclasses import dataclass

from avgzsl.learning.training import SETTINGS
from avgzsl.methods._exemplars import ExemplarMethod


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class Exemplars(ExemplarMethod, name="exemplars"):
    """The mean clip of a class, predicted from those of the seen classes as its text is from theirs."""

    citation: ClassVar[str] = "exemplars"
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "rho": (0.1, 0.3, 0.5, 0.7, 0.9, 1.0),
        "ridge": (1e-2, 1e-1, 0.3, 1.0, 3.0, 10.0),
        "text_scale": ("unit", "centred"),
    }
