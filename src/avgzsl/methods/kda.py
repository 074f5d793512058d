"""KDA (Chen et al., 2023, arXiv 2311.12268): text of classes from descriptions, and a map of clips onto it.

Sound and picture attend to each other as in AVCA; what comes of both is mapped linearly to the text vector of the
class. That text is meant to be the mean of what CLIP makes of a name and of three descriptions of the class. The loss
is the one of the public code, a mean squared error alone; cross-entropy, adaptive margins and the distance of
distributions, of which the paper writes, are computed there and reach no loss: `loss=paper` trains by them.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, linear, mse_loss

from avgzsl.learning.blocks import Block
from avgzsl.learning.losses import distribution_gap
from avgzsl.learning.nets import bounded, unit_rows
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS
from avgzsl.learning.two_tokens import TwoTokens
from avgzsl.methods import _networks
from avgzsl.methods._base import fitted
from avgzsl.methods._joint import JointMethod
from avgzsl.methods._text import TextScale
from avgzsl.types import Modality

_START = 2e-4  # of the map's numbers, at most
_SOUND, _PICTURE = 512, 1024  # hidden units of the encoders
_ATTENTION_DROPOUT = 0.1


class Networks(_networks.Networks):
    """The encoders, the attention, the projections, the map, and with the paper's loss the scale of the margins."""

    def __init__(self, sizes: Mapping[str, int], method: "KDA", generator: Generator) -> None:
        super().__init__()
        self.sizes = dict(sizes)
        width, momentum, g = method.width, method.norm_momentum, generator
        hidden: dict[Modality, int] = {"audio": _SOUND, "video": _PICTURE}
        dropout = method.encoder_dropout
        self.encode = nn.ModuleDict({m: Block(sizes[m], width, dropout, g, hidden[m], momentum) for m in hidden})
        self.attend = TwoTokens(width, _ATTENTION_DROPOUT, g, trained=True)
        dropout = method.projection_dropout
        self.project = nn.ModuleDict({m: Block(width, width, dropout, g, width, momentum) for m in hidden})
        self.map = nn.Parameter(torch.empty(sizes["text"], 2 * width).uniform_(0, _START, generator=g))
        self.unit = method.unit_joint
        if method.loss_by == "paper":
            self.margin_scale = nn.Parameter(torch.ones(()))

    def forward(
        self, features: Mapping[Modality, Float[Tensor, "n _d"]], generator: Generator | None
    ) -> Float[Tensor, "n t"]:
        """Clips where the text of classes is; with a generator in training."""
        audio, video = (self.encode[m](bounded(features[m]), generator) for m in ("audio", "video"))
        audio, video = self.attend(audio, video, generator)
        x = torch.cat([self.project["video"](video, generator), self.project["audio"](audio, generator)], 1)
        return linear(unit_rows(x.float()) if self.unit else x, self.map).float()


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class KDA(JointMethod[Networks], name="kda"):
    """Cross-attention between the two modalities, and a linear map to text of descriptions."""

    text_scale: TextScale = "raw"
    """Scaling of each part of the text of classes: raw, unit, or centred on the seen classes and then unit."""
    normalise: bool = False
    """Scale audio and video features to length 1 before anything else."""
    loss_by: Literal["code", "paper"] = "code"
    """Loss: five times the mean squared error (the public code), or cross-entropy with adaptive margins, and the
    distance of distributions."""
    unit_joint: bool = True
    """Scale both projections, end to end, to length 1 before the map (the code does for VGGish and C3D features)."""
    width: int = Field(default=512, ge=1)
    """Numbers of an encoded and of a projected vector."""
    encoder_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout of the encoders."""
    projection_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout of the projections."""
    norm_momentum: float = Field(default=0.1, gt=0, le=1)
    """Part of the newest batch in the running statistics of the last layer of encoders and projections."""
    optimiser: Literal["sgd", "adam"] = "adam"
    """Stochastic gradient descent with momentum, or Adam."""
    lr: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Learning rate of the first epoch."""
    momentum: float = Field(default=0.5, ge=0, lt=1)
    """Momentum of sgd, and the first beta of adam (the second is 0.999)."""
    batch_size: int = Field(default=2048, ge=1)
    """Clips in a step."""
    steps: int = Field(default=50, ge=0)
    """Steps of an epoch, however many clips there are; 0 is ceil(training clips / batch_size)."""
    epochs: int = Field(default=50, ge=1)
    """An epoch is `steps` steps."""
    milestones: tuple[int, ...] = ()
    """Epochs (counted from 0) from which the learning rate is multiplied by `decay` once more."""
    plateau: int = Field(default=4, ge=0)
    """Multiply the rate by `decay` when validation HM has not risen for more than so many looks at it; 0 is off."""
    replacement: bool = True
    """Draw each clip of a class anew (AVCA's batches), instead of every clip once before any comes again."""

    citation: ClassVar[str] = "kda"
    chosen_on_test: ClassVar[str] = "the penalty of seen classes"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"loss_by": "paper"},
        "realset": {"batch_size": 128, "steps": 10, "epochs": 12, "milestones": (8,), "plateau": 0},
    }
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (3e-4, 1e-3, 3e-3),
        "batch_size": (128, 512, 2048),
        "encoder_dropout": (0.0, 0.2, 0.5),
        "projection_dropout": (0.0, 0.2, 0.5),
        "width": (256, 512),
    }

    def build(self, sizes: Mapping[str, int], generator: Generator) -> Networks:
        """The method's networks, with weights from the generator."""
        return Networks(sizes, self, generator)

    def embed_joint(
        self, networks: Networks, features: Mapping[Modality, Float[Tensor, "n _d"]], generator: Generator | None = None
    ) -> Float[Tensor, "n e"]:
        """Where the map takes clips."""
        out: Tensor = networks(features, generator)
        return out

    def embed_names(
        self, networks: Networks, text: Float[Tensor, "c t"], generator: Generator | None = None
    ) -> Float[Tensor, "c e"]:
        """The text as it is."""
        return text

    def loss(self, data: TrainSet, rows: Int[Tensor, " b"], generator: Generator | None) -> dict[str, Tensor]:
        """Five times the mean squared error; or the cross-entropy and the distance of distributions."""
        networks: Networks = fitted(self.networks_, self)
        u = networks({m: data.fetch(m, rows) for m in data.feature}, generator)
        labels = data.labels[rows]
        target = data.text[labels]
        if self.loss_by == "code":
            return {"mse": 5 * mse_loss(u, target)}
        margins = adaptive_margins(data.text, networks.margin_scale)
        # the code takes the cross-entropy of what is a probability already
        entropy = cross_entropy(torch.softmax(u @ data.text.T, 1) + margins[labels], labels)
        return {"entropy": entropy, "distribution": distribution_gap(u, target).mean()}


def adaptive_margins(text: Float[Tensor, "c t"], scale: Float[Tensor, ""]) -> Float[Tensor, "c c"]:
    """Row y: what the other classes get in the scores of a clip of y, the more the nearer their text is to that of y.

    The code adds a learned number to all of them alike, which the cross-entropy does not see: it is left out.
    """
    unit = unit_rows(text)
    return scale * unit @ unit.T - torch.eye(len(text), device=text.device)
