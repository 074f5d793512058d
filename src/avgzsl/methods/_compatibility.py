"""Base of methods that train a bilinear score F(x, y) = (W x)·s_y by steps: DeViSE, ALE, SJE differ in the loss alone.

The batch form of all: a linear layer without bias, scores of a batch of clips against all seen classes at once.

`PORT` are the settings that their ports in the code of AVCA share (preset `avca`): both features end to end, raw word
vectors, Euclidean distance to them, class-balanced batches, the rate lowered by validation HM.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn

from avgzsl.learning.nets import undrawn_layer
from avgzsl.learning.sampling import BalancedSampler, ClassPrior, ClipSampler
from avgzsl.learning.training import SETTINGS, Job, Sampler, Schedule, Stage, train
from avgzsl.methods._bilinear import Bilinear
from avgzsl.methods._examples import Examples
from avgzsl.support.device import pick_device

PORT: dict[str, Any] = {
    "input": "concat",
    "scale": "joint-l2",  # of C3D and VGGish features; SeLaVi features come as they are
    "text_scale": "raw",
    "compare_by": "euclidean",
    "margin": 0.1,
    "class_prior": "uniform",
    "replacement": True,
    "steps": 500,
    "epochs": 50,
    "plateau": 3,
}


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class Compatibility(Schedule, Bilinear):
    """Schedule and network; a method adds `loss` and its margin."""

    optimiser: Literal["sgd", "adam"] = "adam"
    """Stochastic gradient descent with momentum, or Adam."""
    lr: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Learning rate of the first epoch."""
    batch_size: int = Field(default=256, ge=1)
    """Clips in a step."""
    epochs: int = Field(default=100, ge=1)
    """An epoch is ceil(training clips / batch_size) steps."""
    milestones: tuple[int, ...] = ()
    """Epochs (counted from 0) from which the learning rate is multiplied by `decay` once more."""
    class_prior: ClassPrior = "empirical"
    """Clips of a step: of each class alike (uniform), or every clip once an epoch (empirical)."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout of features and text vectors in training."""

    def layer(self, n_in: int, n_text: int, generator: Generator) -> nn.Linear:
        """W, without bias, with PyTorch's default weights, drawn from the generator."""
        return without_bias(n_in, n_text, generator)

    @abstractmethod
    def terms(
        self, mapped: Float[Tensor, "b _m"], text: Float[Tensor, "c t"], labels: Int[Tensor, " b"]
    ) -> dict[str, Tensor]:
        """What a step minimises, by name, from what the layer gives for its clips and the text of every seen class."""

    def learn(self, examples: Examples, job: Job) -> dict[str, Tensor]:
        """W^T, d x t; alive during training, so that a monitor can score with it."""
        device = pick_device(job.device)
        x, labels = examples.load(device, self.feature_type), examples.labels.to(device)
        text = examples.text.float().to(device)
        layer = self.layer(examples.width, text.shape[1], Generator().manual_seed(job.seed)).to(device)
        # of a layer of several maps, the first scores
        learned = {"weight": layer.weight.detach()[: text.shape[1]].T}
        self.learned_ = learned
        generator = Generator(device).manual_seed(job.seed)
        sampler: Sampler = (
            ClipSampler(torch.arange(len(labels), device=device), self.batch_size)
            if self.class_prior == "empirical" and not (self.steps or self.replacement)
            else BalancedSampler(labels, len(text), self.batch_size, self.class_prior, self.steps, self.replacement)
        )

        def loss(rows: Tensor) -> dict[str, Tensor]:
            batch, names = (_dropped(part, self.dropout, generator) for part in (x.index_select(0, rows), text))
            return self.terms(layer(batch), names, labels[rows])

        train(Stage(0, "compatibility", layer, layer, sampler, loss, self, generator), job)
        return learned

    def embed_feature(self, x: Float[Tensor, "n d"], learned: Mapping[str, Tensor]) -> Float[Tensor, "n _e"]:
        """W x, where W lies."""
        return x.to(learned["weight"].device) @ learned["weight"]


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class Ranking(Compatibility):
    """A method says what the scores of clips for every seen class cost (`loss`)."""

    @abstractmethod
    def loss(self, scores: Float[Tensor, "b c"], labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        """What a step minimises, from the scores of its clips for every seen class."""

    def terms(
        self, mapped: Float[Tensor, "b t"], text: Float[Tensor, "c t"], labels: Int[Tensor, " b"]
    ) -> dict[str, Tensor]:
        """The loss of (W x)·s_y."""
        return {"hinge": self.loss((mapped @ text.T).float(), labels)}


def violations(scores: Float[Tensor, "b c"], labels: Int[Tensor, " b"], margin: float) -> Float[Tensor, "b c"]:
    """[margin + F(x, y) - F(x, y_n)]_+ for every wrong class y, 0 for the right one."""
    gap = margin + scores - scores.gather(1, labels[:, None])
    return gap.relu().scatter(1, labels[:, None], 0.0)


def without_bias(n_in: int, n_out: int, generator: Generator) -> nn.Linear:
    """A linear map with PyTorch's default weights, drawn from the generator."""
    layer = undrawn_layer(n_in, n_out, bias=False)
    with torch.no_grad():
        layer.weight.uniform_(-(n_in**-0.5), n_in**-0.5, generator=generator)
    return layer


def _dropped(x: Float[Tensor, "n d"], p: float, generator: Generator) -> Float[Tensor, "n d"]:
    """Inverted dropout."""
    if p == 0:
        return x
    return x * ((torch.rand(x.shape, generator=generator, device=x.device) >= p) / (1 - p)).to(x.dtype)
