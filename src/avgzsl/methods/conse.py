"""ConSE: zero-shot learning by convex combination of semantic embeddings (Norouzi et al., ICLR 2014).

A softmax classifier p(y|x) of the seen classes (multinomial logistic regression, L2 penalty on all but the intercepts)
maps a clip to f(x) = (1/Z) sum over the T most probable seen classes of p(y|x) s_y, with Z the sum of these p and s_y
unit text vectors; a class with text s scores cos(f(x), s). The classifier is fitted by L-BFGS over all clips at once,
in float64: min_W sum_i w_i CE(W x_i + b, y_i) + ||W||² / (2 C), the parametrisation of scikit-learn.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Float64
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn.functional import cross_entropy

from avgzsl.errors import DataError
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._examples import Examples
from avgzsl.methods._single import SingleFeature
from avgzsl.scores.similarity import Name


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class ConSE(SingleFeature, name="conse"):
    """The mean text vector of the seen classes that a clip resembles most."""

    C: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Inverse weight of the L2 penalty, against the summed loss."""
    T: int = Field(default=10, ge=1)
    """Seen classes that are averaged; all of them where there are fewer."""
    balanced: bool = False
    """Weigh clips so that every class counts alike."""
    tolerance: float = Field(default=1e-6, gt=0, allow_inf_nan=False)
    """End of the fit: no entry of the gradient of the mean loss is larger."""
    max_steps: int = Field(default=1000, ge=1)
    """Most steps of L-BFGS, whether or not the tolerance is met."""

    citation: ClassVar[str] = "conse"
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "C": (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3),
        "T": (1, 2, 5, 10, 23),
        "balanced": (False, True),
        "scale": ("none", "l2", "z-score"),
    }

    @property
    def similarity(self) -> Name:
        """Cosine."""
        return "cosine"

    def learn(self, examples: Examples, job: Job) -> dict[str, Tensor]:
        """The classifier, its intercepts as the last row, and the text that it chooses from."""
        weight = softmax_regression(examples, self.C, self.balanced, self.tolerance, self.max_steps)
        return {"weight": weight.float(), "seen_text": examples.text.float()}

    def embed_feature(self, x: Float[Tensor, "n d"], learned: Mapping[str, Tensor]) -> Float[Tensor, "n _e"]:
        """f(x)."""
        weight, text = learned["weight"], learned["seen_text"]
        probability = torch.softmax(x @ weight[:-1] + weight[-1], 1)
        best = probability.topk(min(self.T, len(text)), dim=1)
        share = best.values / best.values.sum(1, keepdim=True)
        return torch.zeros_like(probability).scatter(1, best.indices, share) @ text


def softmax_regression(
    examples: Examples, inverse_penalty: float, balanced: bool, tolerance: float, max_steps: int
) -> Float64[Tensor, "_d c"]:
    """Weights (d x c), intercepts below them. Raises DataError where the loss overflows."""
    count = torch.bincount(examples.labels, minlength=len(examples.text)).double()
    total = len(examples.labels)
    of_class = total / (len(count) * count) if balanced else torch.ones_like(count)
    weight = torch.zeros(examples.width + 1, len(count), dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight],
        max_iter=max_steps,
        max_eval=2 * max_steps,
        history_size=20,
        tolerance_grad=tolerance,
        tolerance_change=1e-16,  # progress is judged by the gradient alone
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        solver.zero_grad()
        value = weight[:-1].square().sum() / (2 * inverse_penalty * total)
        value.backward()
        for x, labels in examples.chunks():
            loss = cross_entropy(x @ weight[:-1] + weight[-1], labels, reduction="none")
            part = (loss * of_class[labels]).sum() / total
            part.backward()
            value = value.detach() + part.detach()
        return value

    solver.step(objective)
    if not bool(torch.isfinite(weight).all()):
        raise DataError("the softmax classifier diverges on features of this size; set scale=l2 or scale=z-score")
    return weight.detach()
