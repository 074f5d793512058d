"""ClipClap's networks and losses, for the method itself and for those that build on it.

Kurzendörfer, Mercea, Koepke, Akata, CVPR Workshops 2024 (arXiv 2404.06309), as its public code has them. Clips and text
of classes are encoded (O_enc, W_enc), projected into a common space (O_proj, W_proj), and decoded from there (D_o, D_w)
into the space of the encoded text. Every block ends in BatchNorm, ReLU and dropout, so no embedding is negative.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor
from torch.nn.functional import mse_loss

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import ConfigError
from avgzsl.learning.blocks import Block
from avgzsl.learning.nets import take_rows
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import fitted
from avgzsl.methods._embeddings import TextEmbeddings
from avgzsl.methods._inputs import usable
from avgzsl.methods._joint import JointMethod
from avgzsl.methods._networks import Networks, Setup
from avgzsl.methods._text import Columns, TextScale
from avgzsl.types import Modality

ORDER: tuple[Modality, ...] = ("video", "audio")  # of what stands side by side: features, and parts of the text


class ClipClapNetworks(Networks):
    """The six blocks, drawn from the generator in the order in which they stand here."""

    def __init__(self, sizes: Mapping[str, int], method: "ClipClapMethod[Any]", generator: Generator) -> None:
        super().__init__()
        self.sizes = {name: sizes[name] for name in (*method.reads, "text")}
        p, hidden, e = method.dropout, method.hidden, method.embedding
        self.o_enc = Block(sum(sizes[modality] for modality in method.reads), hidden, p, generator)
        self.w_enc = Block(sizes["text"], hidden, p, generator)
        self.o_proj = Block(hidden, e, p, generator, hidden)
        self.d_o = Block(e, hidden, p, generator, hidden)
        self.w_proj = Block(hidden, e, p, generator)
        self.d_w = Block(e, hidden, p, generator)


class Pass(NamedTuple):
    """A batch in the common space, with its classes' text, and all classes there; `w` is W_enc of the batch's text."""

    theta_o: Float[Tensor, "b e"]
    theta_w: Float[Tensor, "b e"]
    w: Float[Tensor, "b h"]
    rho_o: Float[Tensor, "b h"]
    rho_w: Float[Tensor, "b h"]
    classes: Float[Tensor, "c e"]


def regression(p: Pass) -> Float[Tensor, ""]:
    """L_reg: clips near the text of their class."""
    return mse_loss(p.theta_o, p.theta_w)


def reconstruction(p: Pass) -> Float[Tensor, ""]:
    """L_rec: encoded text from both embeddings. As in the public code the target learns along."""
    return mse_loss(p.w, p.rho_o) + mse_loss(p.w, p.rho_w)


Nets = TypeVar("Nets", bound=ClipClapNetworks)
Fitted = TypeVar("Fitted", bound="ClipClapMethod[Any]")


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class ClipClapMethod(JointMethod[Nets]):
    """Settings (those published for UCF), text and the pass of a batch."""

    optimiser: Literal["sgd", "adam"] = "adam"
    """Stochastic gradient descent with momentum, or Adam."""
    lr: float = Field(default=7e-5, gt=0, allow_inf_nan=False)
    """Learning rate of the first epoch."""
    weight_decay: float = Field(default=1e-5, ge=0, allow_inf_nan=False)
    """L2 penalty of the optimiser."""
    batch_size: int = Field(default=64, ge=1)
    """Clips in a step."""
    epochs: int = Field(default=20, ge=1)
    """An epoch is `steps` steps."""
    steps: int = Field(default=300, ge=0)
    """Steps of an epoch, however many clips there are; 0 is ceil(training clips / batch_size)."""
    milestones: tuple[int, ...] = ()
    """Epochs (counted from 0) from which the learning rate is multiplied by `decay` once more."""
    plateau: int = Field(default=3, ge=0)
    """Multiply the rate by `decay` when validation HM has not risen for more than so many looks at it; 0 is off.

    Without validation the rate stays."""
    replacement: bool = True
    """Draw each clip of a class anew, instead of every clip once before any comes again."""
    text_scale: TextScale = "raw"
    """Scaling of each part of the text: raw, as in the file, unit, or centred on the seen classes and then unit."""
    hidden: int = Field(default=512, ge=1)
    """Width of encoded clips and text, and of hidden layers."""
    embedding: int = Field(default=64, ge=1)
    """Dimension of the common space."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout at the end of every layer."""

    text_by_modality = True  # parts of both modalities stand side by side; one modality alone reads its own

    def fit(self: Fitted, train: ClipSet, classes: ClassTable, job: Job | None = None) -> Fitted:
        """As every method; a part that stands in the space of one modality serves that one."""
        known = tuple(replace(part, modality=part.modality or part.space) for part in classes.parts)
        return super().fit(train, replace(classes, parts=known), job)

    def read_text(self, text: Float[Tensor, "c t"]) -> Float[Tensor, "c _w"]:
        """The scaled parts that serve what is read, side by side, those for video first; raw ones as in the file.

        Vectors that were optimised (`text_prepare`) take their place, those for video first. Raises ConfigError where
        no part serves what is read.
        """
        if vectors := self.prepare_text.vectors:
            made = [self.prepare_text(text, key) for key in (None, *ORDER) if key in vectors]
            scaled: Tensor = torch.cat(made, 1) / len(made) ** 0.5
            return scaled
        parts = [(part, x) for part, x in self.prepare_text.scaled(text) if part.modality in (None, *self.reads)]
        if not parts:
            raise ConfigError(
                f"no part of the text of classes serves {' or '.join(self.reads)}; give one, as in "
                f"--text {self.reads[0]}=…"
            )
        joined = torch.cat([x for _, x in sorted(parts, key=lambda pair: pair[0].modality == "audio")], 1)
        return joined if self.text_scale == "raw" else joined / len(parts) ** 0.5

    def embed_text(self, text: Float[Tensor, "c t"]) -> TextEmbeddings:
        """Text of any classes in the common space. Raises ConfigError for another width."""
        fitted(self.networks_, self)
        return TextEmbeddings.shared(self.embed_prepared(self.read_text(text)))

    def set_up(self, train: ClipSet, classes: ClassTable, job: Job) -> Setup[Nets]:
        """`prepare` with the text that is read and the clips that have what is. Raises ModalityError, ConfigError."""
        classes = replace(classes, text=self.read_text(classes.text), parts=())
        return self.prepare(*usable(self.name, train, classes, self.reads), job)

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Train on seen clips that have what is read. Raises DataError, ModalityError, ConfigError."""
        self.fit_networks(self.set_up(train, classes, job))

    def restore_learned(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        """Weights of all networks, from `state`."""
        parts = self.prepare_text.parts or (Columns(sizes["text"]),)
        width = sum(part.width for part in parts if part.modality in (None, *self.reads))
        if vectors := self.prepare_text.vectors:
            width = sum(own.vectors.shape[1] for own in vectors.values())
        super().restore_learned(state, {**sizes, "text": width})

    def side_by_side(self, features: Mapping[Modality, Float[Tensor, "n _d"]]) -> Float[Tensor, "n _d"]:
        """Features of what is read, video first."""
        return torch.cat([features[modality].float() for modality in ORDER if modality in self.reads], 1)

    def theta_o(
        self, networks: Nets, features: Mapping[Modality, Float[Tensor, "n _d"]], generator: Generator | None = None
    ) -> Float[Tensor, "n e"]:
        """Clips, by O_proj of O_enc; with a generator in training."""
        x: Tensor = networks.o_proj(networks.o_enc(self.side_by_side(features), generator), generator)
        return x.float()

    def theta_w(
        self, networks: Nets, text: Float[Tensor, "c t"], generator: Generator | None = None
    ) -> Float[Tensor, "c e"]:
        """Text, by W_proj of W_enc; with a generator in training."""
        x: Tensor = networks.w_proj(networks.w_enc(text, generator), generator)
        return x.float()

    def embed_joint(
        self, networks: Nets, features: Mapping[Modality, Float[Tensor, "n _d"]], generator: Generator | None = None
    ) -> Float[Tensor, "n _e"]:
        """theta_o."""
        return self.theta_o(networks, features, generator)

    def embed_names(
        self, networks: Nets, text: Float[Tensor, "c t"], generator: Generator | None = None
    ) -> Float[Tensor, "c _e"]:
        """theta_w."""
        return self.theta_w(networks, text, generator)

    def through(
        self,
        features: Mapping[Modality, Float[Tensor, "b _d"]],
        data: TrainSet,
        y: Int[Tensor, " b"],
        generator: Generator | None,
    ) -> Pass:
        """A batch of classes y through all blocks, and then all classes by themselves.

        Batch normalisation sees text twice a step, as in the public code: a row a clip, and a row a class.
        """
        networks: Nets = fitted(self.networks_, self)
        theta_o = self.theta_o(networks, features, generator)
        w = networks.w_enc(take_rows(data.text, y), generator)
        theta_w = networks.w_proj(w, generator)
        rho_o, rho_w = networks.d_o(theta_o, generator), networks.d_w(theta_w, generator)
        classes = self.theta_w(networks, data.text, generator)
        return Pass(theta_o, theta_w.float(), w.float(), rho_o.float(), rho_w.float(), classes)
