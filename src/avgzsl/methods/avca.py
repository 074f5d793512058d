"""AVCA (Mercea, Riesch, Koepke, Akata, CVPR 2022, arXiv 2203.03598): attention between sound and picture.

The two vectors of a clip are encoded, attend to each other, and are projected beside the text of the class into one
space; decoders lead back to the text and to the encoded vectors. Clips are compared by the picture's embedding alone:
the sound acts through the attention. As in the public code, with its settings for UCF (SeLaVi features).

With `alignment=relation` this is Hyper-AVZSL (Hong et al., ICCV 2023, arXiv 2308.12558) as its code has it: the
hyperbolic map there only rescales vectors before their cosines are taken, so there is no curvature to set.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from avgzsl.learning.blocks import Block
from avgzsl.learning.losses import euclidean, hinge, relation
from avgzsl.learning.nets import bounded
from avgzsl.learning.sampling import PairSampler
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS
from avgzsl.learning.two_tokens import TwoTokens
from avgzsl.methods import _networks
from avgzsl.methods._base import fitted
from avgzsl.methods._joint import JointMethod
from avgzsl.methods._networks import summed
from avgzsl.methods._text import TextScale
from avgzsl.types import MODALITIES, Modality


class Clips(NamedTuple):
    """Clips on their way: encoded (phi), and projected into the common space (theta)."""

    encoded: dict[Modality, Float[Tensor, "b w"]]
    projected: dict[Modality, Float[Tensor, "b e"]]


class Networks(_networks.Networks):
    """The encoders, the attention, the projections, and the decoders to text and back to what was encoded."""

    def __init__(self, sizes: Mapping[str, int], method: "AVCA", generator: Generator) -> None:
        super().__init__()
        self.sizes = dict(sizes)
        m, g = method, generator
        self.encode = nn.ModuleDict(
            {mod: Block(sizes[mod], m.width, m.encoder_dropout, g, m.hidden, m.norm_momentum) for mod in MODALITIES}
        )
        self.attend = TwoTokens(m.width, m.encoder_dropout, g)
        self.project = nn.ModuleDict(
            {mod: Block(m.width, m.embedding, m.projection_dropout, g, m.hidden, m.norm_momentum) for mod in MODALITIES}
        )
        self.text = Block(sizes["text"], m.embedding, m.decoder_dropout, g)
        self.decode = Block(m.embedding, sizes["text"], m.decoder_dropout, g)
        self.recover = nn.ModuleDict({mod: Block(m.embedding, m.width, m.decoder_dropout, g) for mod in MODALITIES})

    def clips(self, features: Mapping[Modality, Float[Tensor, "b _d"]], generator: Generator | None) -> Clips:
        """Encoded and projected; with a generator in training."""
        encoded = {m: self.encode[m](bounded(features[m]), generator) for m in MODALITIES}
        attended = dict(zip(MODALITIES, self.attend(encoded["audio"], encoded["video"], generator), strict=True))
        projected = {m: self.project[m](attended[m], generator).float() for m in MODALITIES}
        return Clips({m: phi.float() for m, phi in encoded.items()}, projected)


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class AVCA(JointMethod[Networks], name="avca"):
    """Cross-attention between the two modalities, triplets in a common space, and reconstruction."""

    text_scale: TextScale = "raw"
    """Scaling of each part of the text of classes: raw, unit, or centred on the seen classes and then unit."""
    normalise: bool = False
    """Scale audio and video features to length 1 before anything else."""
    width: int = Field(default=300, ge=1)
    """Numbers of an encoded vector."""
    hidden: int = Field(default=512, ge=1)
    """Hidden units of encoders and projections."""
    embedding: int = Field(default=64, ge=1)
    """Dimension of the common space."""
    encoder_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout of the encoders and in the attention (r_enc)."""
    projection_dropout: float = Field(default=0.3, ge=0, lt=1)
    """Dropout of the projections of clips (r_proj)."""
    decoder_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout of the projection of text and of the decoders (r_dec)."""
    norm_momentum: float = Field(default=0.1, gt=0, le=1)
    """Part of the newest batch in the running statistics of the last layer of encoders and projections."""
    recovered_statistics: bool = True
    """As in the public code, let the recovered picture count in the running statistics of the picture's projection."""
    margin: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The margin of every triplet."""
    alignment: Literal["none", "relation"] = "none"
    """Draw the cosines among the encoded sounds of a batch to those among its pictures (Hyper-AVZSL), or not."""
    alignment_weight: float = Field(default=1e-3, ge=0, allow_inf_nan=False)
    """The factor of that."""
    optimiser: Literal["sgd", "adam"] = "adam"
    """Stochastic gradient descent with momentum, or Adam."""
    lr: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Learning rate of the first epoch."""
    weight_decay: float = Field(default=1e-5, ge=0, allow_inf_nan=False)
    """L2 penalty of the optimiser."""
    batch_size: int = Field(default=256, ge=1)
    """Tuples in a step."""
    steps: int = Field(default=500, ge=0)
    """Steps of an epoch, however many clips there are; 0 is ceil(training clips / batch_size)."""
    epochs: int = Field(default=50, ge=1)
    """An epoch is `steps` steps."""
    milestones: tuple[int, ...] = ()
    """Epochs (counted from 0) from which the learning rate is multiplied by `decay` once more."""
    plateau: int = Field(default=3, ge=0)
    """Multiply the rate by `decay` when validation HM has not risen for more than so many looks at it; 0 is off."""
    replacement: bool = True
    """Draw each clip of a class anew (AVCA's batches), instead of every clip once before any comes again."""

    batches: ClassVar[type[PairSampler]] = PairSampler
    citation: ClassVar[str] = "avca, hyper"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "ucf-cls": {"norm_momentum": 0.99},
        "activitynet": {"projection_dropout": 0.2, "decoder_dropout": 0.1, "norm_momentum": 0.99},
        "vggsound-main": {
            "encoder_dropout": 0.0,
            "projection_dropout": 0.0,
            "decoder_dropout": 0.1,
            "batch_size": 64,
        },
        "vggsound-cls": {
            "encoder_dropout": 0.0,
            "projection_dropout": 0.0,
            "decoder_dropout": 0.0,
            "norm_momentum": 0.99,
        },
        # for about a thousand clips of strong features, by pseudo-unseen classes
        "realset": {
            "recovered_statistics": False,
            "batch_size": 128,
            "steps": 10,
            "epochs": 20,
            "milestones": (14,),
            "plateau": 0,
        },
    }
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"relation": {"alignment": "relation"}}
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (3e-4, 1e-3, 3e-3),
        "batch_size": (64, 128, 256),
        "encoder_dropout": (0.0, 0.2, 0.5),
        "projection_dropout": (0.0, 0.2, 0.5),
        "decoder_dropout": (0.0, 0.1, 0.5),
        "embedding": (64, 128),
        "margin": (0.5, 1.0, 2.0),
    }

    def build(self, sizes: Mapping[str, int], generator: Generator) -> Networks:
        """The method's networks, with weights from the generator."""
        return Networks(sizes, self, generator)

    def embed_joint(
        self, networks: Networks, features: Mapping[Modality, Float[Tensor, "n _d"]], generator: Generator | None = None
    ) -> Float[Tensor, "n e"]:
        """theta_v: the picture's embedding, which has seen the sound."""
        return networks.clips(features, generator).projected["video"]

    def embed_names(
        self, networks: Networks, text: Float[Tensor, "c t"], generator: Generator | None = None
    ) -> Float[Tensor, "c e"]:
        """theta_w."""
        out: Tensor = networks.text(text, generator).float()
        return out

    def loss(self, data: TrainSet, pairs: Int[Tensor, "2 b"], generator: Generator | None) -> dict[str, Tensor]:
        """l_rec, l_ct, l_w, l_t and l_reg by name, factors 1, and the alignment where it is asked for.

        Clips p, clips q and their classes go through the networks one after another, each by its own statistics.
        """
        nets: Networks = fitted(self.networks_, self)
        size = pairs.shape[1]
        features = {m: data.fetch(m, pairs.reshape(-1)) for m in MODALITIES}
        p = nets.clips({m: x[:size] for m, x in features.items()}, generator)
        q = nets.clips({m: x[size:] for m, x in features.items()}, generator)
        word = data.text[data.labels[pairs[0]]]
        w_p = self.embed_names(nets, word, generator)
        w_q = self.embed_names(nets, data.text[data.labels[pairs[1]]], generator)
        recovered = {m: nets.recover[m](p.projected[m], generator).float() for m in MODALITIES}
        if generator is not None and self.recovered_statistics:
            with torch.no_grad():
                nets.project["video"](recovered["video"], generator)
        decoded = nets.decode(w_p, generator).float()
        parts = [("rec", mse_loss(decoded, word))]
        for m in MODALITIES:
            parts += self._drawn(p.projected[m], q.projected[m], w_p, w_q)
            decoded_p, decoded_q = (nets.decode(z[m], generator).float() for z in (p.projected, q.projected))
            parts.append(("rec", mse_loss(decoded_p, word)))
            parts.append(("ct", self._triplet(euclidean(decoded, decoded_p), euclidean(decoded, decoded_q))))
            parts.append(("reg", mse_loss(recovered[m], p.encoded[m])))
        if self.alignment == "relation":
            drawn = [relation(clips.encoded["video"], clips.encoded["audio"]) for clips in (p, q)]
            parts += [("alignment", self.alignment_weight * one) for one in drawn]
        return summed(parts)

    def _drawn(
        self,
        z_p: Float[Tensor, "b e"],
        z_q: Float[Tensor, "b e"],
        w_p: Float[Tensor, "b e"],
        w_q: Float[Tensor, "b e"],
    ) -> list[tuple[str, Tensor]]:
        """What draws clips p to their class in the common space: parts of l_w, l_t and l_reg."""
        near = euclidean(z_p, w_p)
        by_name = {"w": [(w_p, z_q), (z_p, w_q)], "t": [(z_p, z_q), (w_p, w_q)]}
        parts = [(name, self._triplet(near, euclidean(*far))) for name, two in by_name.items() for far in two]
        return [*parts, ("reg", mse_loss(z_p, w_p))]

    def _triplet(self, near: Float[Tensor, " b"], far: Float[Tensor, " b"]) -> Float[Tensor, ""]:
        return hinge(near, far, self.margin).mean()
