"""CJME (Parida, Matiyali, Guha, Sharma, WACV 2020, arXiv 1910.08732): coordinated joint multimodal embeddings.

With embeddings a, v, t of the clips p and q of a tuple and of p's class, for AVGZSLNet's own F_A, F_V, F_T:

    L_AVS = d'(a_p, v_p);  L_TA = [d(a_p, t_p) - d(a_q, t_p) + margin]_+;  L_TV likewise with v
    L = g1 L_AVS + 2 (1 - alpha_p) g2 L_TA + 2 alpha_p g3 L_TV + L_attn

alpha_p, the attention's weight of video, is each tuple's own. (The public port multiplies a column by a row, and so
weighs the mean triplets by the mean alpha.) The 2 is there as in AVGZSLNet: at alpha = 1/2, which a clip that lacks a
modality has too, this is the loss without attention, L = g1 L_AVS + g2 L_TA + g3 L_TV. The port has no 2, as if g2 and
g3 were 1/2.

The attention is part of the method, so `joint` is the default, and one run serves every test mode. For equal weights as
the paper has them, with networks that no attention has touched, train with the preset `equal-weights`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import ConfigError
from avgzsl.learning.attention import joint_weights
from avgzsl.learning.blocks import NormedProjection
from avgzsl.learning.losses import DISTANCES, Distance, hinge, mean_where
from avgzsl.learning.nets import take_rows
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import fitted
from avgzsl.methods._projections import AttendedMethod, Encoders, ProjectionMethod
from avgzsl.types import Modality

# name of a modality's triplet
_TERMS: dict[Modality, str] = {"audio": "ta", "video": "tv"}


class Networks(Encoders):
    """F_A, F_V, F_T and the attention; a modality that no training clip has gets no network."""

    def __init__(self, sizes: Mapping[str, int], method: "CJME", generator: Generator) -> None:
        super().__init__(sizes, method, generator)
        self.add_attention(method, generator)


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class CJME(AttendedMethod, name="cjme"):
    """The two embeddings of a clip drawn together, text-anchored triplets, and attention over the modalities."""

    attention: Literal["none", "posthoc", "joint"] = "joint"
    """Weights of the modalities per clip: none, fitted to the finished networks, or trained with them."""
    avs_distance: Distance = "mse"
    """Distance d' of the two embeddings of a clip in L_AVS: mse (the public port) or euclidean."""
    avs_weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The factor g1 of L_AVS."""
    ta_weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The factor g2 of L_TA."""
    tv_weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The factor g3 of L_TV."""
    weigh_by: Literal["tuple", "batch"] = "tuple"
    """Triplets are weighted by alpha of their own tuple, or all by the mean alpha of the batch (the public port)."""
    end_relu: bool = False
    """ReLU after the last layer of each projection (the AVCA benchmark); it needs `body=batchnorm`."""

    citation: ClassVar[str] = "cjme"
    baseline: ClassVar[bool] = True
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cjme": {"attention": "none"},
        "cjme-attention": {"attention": "joint"},
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **ProjectionMethod.presets,
        "attention": {},
        "equal-weights": {"attention": "none"},
        "avca": {
            **AttendedMethod.avca,
            "dropout": 0.2,
            "end_relu": True,
            "attention": "joint",
            "attention_mode": "hard",
            "weigh_by": "batch",
            "ta_weight": 0.5,
            "tv_weight": 0.5,
        },
    }
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {**ProjectionMethod.ranges, "avs_weight": (0.1, 1.0, 10.0)}

    def build(self, sizes: Mapping[str, int], generator: Generator) -> Networks:
        """The method's networks, with weights from the generator."""
        return Networks(sizes, self, generator)

    def projection(self, n_in: int, hidden: int, generator: Generator) -> nn.Module:
        """As the others' of the family, or with ReLU at the end. Raises ConfigError for that in a plain body."""
        if not self.end_relu:
            return super().projection(n_in, hidden, generator)
        if self.body == "plain":
            raise ConfigError("end_relu=True is of projections with batch normalisation; set body=batchnorm, or it off")
        return NormedProjection(n_in, hidden, self.embedding, self.dropout, generator, relu=True)

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Train on seen clips and seen text. Raises DataError, ConfigError."""
        setup = self.prepare(train, classes, job)
        data = setup.data
        if not any(self._factor(modality) for modality in data.feature):
            raise ConfigError(
                f"ta_weight={self.ta_weight} and tv_weight={self.tv_weight} leave no triplet to learn classes by from "
                f"{', '.join(data.feature)} features; raise one"
            )
        self.fit_networks(setup, self.trained(setup.networks))
        self.fit_attention(setup)

    def loss(self, data: TrainSet, pairs: Int[Tensor, "2 b"], generator: Generator | None) -> dict[str, Tensor]:
        """The terms of L by name, factors included, each the mean over the tuples (p, q) where it is defined."""
        networks: Networks = fitted(self.networks_, self)
        texts = self.texts(data, pairs, generator)
        t_p = take_rows(texts.embedded, texts.p)
        z = self.embed_pairs(data, pairs, generator)
        weights: dict[str, Tensor] = {}
        terms: dict[str, Tensor] = {}
        if len(z) == 2:
            terms["avs"] = self.avs_weight * self._agreement(data, pairs[0], z["audio"][0], z["video"][0])
        if self.attention == "joint" and networks.attention is not None:
            z_p = z["audio"][0], z["video"][0]
            classes = self.class_text(data, texts, generator)
            alpha, terms["attention"] = joint_weights(networks.attention, z_p, classes, pairs[0], data, self)
            alpha = alpha.mean().expand_as(alpha) if self.weigh_by == "batch" else alpha
            weights = {"audio": 2 * (1 - alpha), "video": 2 * alpha}
        d = DISTANCES[self.distance]
        for modality in data.feature:
            p, q = z[modality]
            has_p, has_q = data.presence(modality, pairs)
            has_both = None if has_p is None or has_q is None else has_p & has_q
            values = hinge(d(p, t_p), d(q, t_p), self.margin)  # eqs. 7 and 9
            mean = mean_where(values, has_both, weights.get(modality))
            terms[_TERMS[modality]] = self._factor(modality) * mean
        return terms

    def _agreement(
        self, data: TrainSet, rows: Int[Tensor, " b"], audio: Float[Tensor, "b e"], video: Float[Tensor, "b e"]
    ) -> Float[Tensor, ""]:
        """L_AVS over the clips p that have both modalities."""
        both = data.has["audio"][rows] & data.has["video"][rows]
        return mean_where(DISTANCES[self.avs_distance](audio, video), both)

    def _factor(self, modality: Modality) -> float:
        return self.ta_weight if modality == "audio" else self.tv_weight
