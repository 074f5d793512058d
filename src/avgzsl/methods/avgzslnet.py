"""AVGZSLNet (Mazumder, Singh, Parida, Namboodiri, WACV 2021): reconstructing label features from embeddings.

Three projections F_A, F_V, F_T meet in one space, where triplets draw clips to the text of their class (eqs. 7-11),
and a shared decoder D has to give the text vector back from each of them (eqs. 3-6); L is the plain sum (eq. 12).
Defaults are the official script's: Euclidean distance in the triplets where the paper says MSE, and every triplet of
eq. 11 also with p and q exchanged (`symmetric`); the preset `paper` takes the text at its word.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from jaxtyping import Float, Int
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import ConfigError
from avgzsl.learning.attention import joint_weights
from avgzsl.learning.blocks import NormedProjection
from avgzsl.learning.losses import (
    DISTANCES,
    Distance,
    PairDistances,
    clip_anchored,
    decoded_triplet,
    mean_where,
    reconstruction,
    text_anchored,
)
from avgzsl.learning.nets import Decoder, Projection, take_rows
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.learning.turns import Gradients, Terms
from avgzsl.learning.written_step import TERMS, Parts, written_step
from avgzsl.methods._base import fitted
from avgzsl.methods._networks import Setup, summed
from avgzsl.methods._projections import AttendedMethod, Encoders, ProjectionMethod
from avgzsl.types import Modality

Term = Literal["rec", "cta", "ctv", "ta", "at", "tv", "vt"]
ALL_TERMS: tuple[Term, ...] = ("rec", "cta", "ctv", "ta", "at", "tv", "vt")


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Networks(Encoders):
    """F_A, F_V, F_T, the shared decoder and the attention; a modality that no training clip has gets no network."""

    def __init__(self, sizes: Mapping[str, int], method: "AVGZSLNet", generator: Generator) -> None:
        super().__init__(sizes, method, generator)
        self.decoder = method.decoder(sizes["text"], generator)
        self.add_attention(method, generator)


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class AVGZSLNet(AttendedMethod, name="avgzslnet"):
    """Triplets in a common space, and a decoder from it back to the text vectors."""

    terms: Annotated[tuple[Term, ...], BeforeValidator(_as_tuple)] = ALL_TERMS
    """Loss terms in use: rec (eq. 3), cta, ctv (eqs. 4, 5), ta, at, tv, vt (eqs. 7-10)."""
    symmetric: bool = True
    """Use ta, at, tv, vt with positive and negative clip exchanged, too (official code)."""
    decoder_hidden: int = Field(default=128, ge=1)
    """Hidden units of the decoder."""
    decoder_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout in the decoder; it needs `body=batchnorm`."""
    decoded_unit: bool = False
    """Scale what the decoder gives to length 1."""
    rec_distance: Distance = "mse"
    """Distance in rec: the mean squared difference, or euclidean (the AVCA benchmark)."""

    citation: ClassVar[str] = "avgzslnet"
    default: ClassVar[bool] = True
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # Tables 3 and 4 of the paper leave out one term each
        f"without-{term}": {"attention": "none", "terms": tuple(other for other in ALL_TERMS if other != term)}
        for term in ALL_TERMS
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "official": {},
        "paper": {"distance": "mse", "symmetric": False},
        **ProjectionMethod.presets,
        "avca": {
            **AttendedMethod.avca,
            "dropout": 0.8,
            "decoder_hidden": 64,
            "decoder_dropout": 0.5,
            "decoded_unit": True,
            "rec_distance": "euclidean",
            "symmetric": False,
            "attention": "none",
        },
    }

    def build(self, sizes: Mapping[str, int], generator: Generator) -> Networks:
        """The method's networks, with weights from the generator."""
        return Networks(sizes, self, generator)

    def decoder(self, n_out: int, generator: Generator) -> nn.Module:
        """D, of the same kind of hidden layer as the projections. Raises ConfigError for dropout in a plain one."""
        if self.body == "batchnorm":
            return NormedProjection(self.embedding, self.decoder_hidden, n_out, self.decoder_dropout, generator)
        if self.decoder_dropout:
            raise ConfigError(
                f"decoder_dropout={self.decoder_dropout} is of the decoder with batch normalisation; set it to 0, or "
                "body=batchnorm"
            )
        return Decoder(self.embedding, self.decoder_hidden, n_out, generator)

    def decode(self, z: Float[Tensor, "n e"], generator: Generator | None) -> Float[Tensor, "n t"]:
        """D(z), of length 1 if asked for; with a generator in training."""
        net = fitted(self.networks_, self).decoder
        out: Tensor = (net(z) if isinstance(net, Decoder) else net(z, generator=generator)).float()
        return normalize(out, dim=1) if self.decoded_unit else out

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Train on seen clips and seen text. Raises DataError, ConfigError."""
        setup = self.prepare(train, classes, job)
        data = setup.data
        if not any(term in self.terms for modality in data.feature for term in (*TERMS[modality], "rec")):
            raise ConfigError(f"terms={','.join(self.terms)} teach nothing about {', '.join(data.feature)} features")
        self.fit_networks(setup, self.trained(setup.networks))
        self.fit_attention(setup)

    def written(self, setup: Setup[Encoders]) -> Callable[[Int[Tensor, "2 b"]], tuple[Terms, Gradients]] | None:
        """The official loss on complete clips, with its gradients; None for all else, where `loss` alone is defined."""
        data, text, decoder = setup.data, setup.networks.text, setup.networks.decoder
        nets = setup.networks.project
        project = {modality: net for modality in data.feature if isinstance(net := nets[modality], Projection)}
        if not (isinstance(text, nn.Linear) and isinstance(decoder, Decoder) and project.keys() == data.feature.keys()):
            return None
        official = (self.distance, self.rec_distance, self.decoded_unit) == ("euclidean", "mse", False)
        whole = set(self.terms) == set(ALL_TERMS) and self.attention != "joint" and all(data.complete.values())
        if not (official and whole and type(self).loss is AVGZSLNet.loss):
            return None
        parts = Parts(project, text, decoder)
        return lambda pairs: written_step(parts, data, pairs, setup.generator, self.margin, self.symmetric)

    def loss(self, data: TrainSet, pairs: Int[Tensor, "2 b"], generator: Generator | None) -> dict[str, Tensor]:
        """The terms of eq. 12 by name, each the mean over the tuples (p, q) where it is defined; plus L_attn if joint.

        Distinct clips meet the first layer once, and text is encoded once a class, not once a tuple.
        """
        networks: Networks = fitted(self.networks_, self)
        texts = self.texts(data, pairs, generator)
        decoded_text = self.decode(texts.embedded[: len(texts.raw)], generator)
        embedded = self.embed_pairs(data, pairs, generator)
        weights: dict[str, Tensor] = {}
        parts: list[tuple[str, Tensor]] = []
        if self.attention == "joint" and networks.attention is not None:
            z = (embedded["audio"].flatten(0, 1), embedded["video"].flatten(0, 1))
            classes = self.class_text(data, texts, generator)
            alpha, penalty = joint_weights(networks.attention, z, classes, pairs.reshape(-1), data, self)
            weights = {"audio": 2 * (1 - alpha).view_as(pairs), "video": 2 * alpha.view_as(pairs)}
            parts.append(("attention", penalty))
        if "rec" in self.terms:
            parts.append(("rec", reconstruction(decoded_text, texts.raw, self.rec_distance)[texts.p].mean()))
        for modality in data.feature:
            z_m, presence = embedded[modality], data.presence(modality, pairs)
            t = take_rows(texts.embedded, texts.p), take_rows(texts.embedded, texts.q)
            parts += self._triplets(modality, z_m, t, presence, weights.get(modality))
            decoded_p, text_p = take_rows(decoded_text, texts.p), take_rows(texts.raw, texts.p)
            parts += self._decoding(modality, z_m, decoded_p, text_p, presence, generator)
        return summed(parts)

    def _triplets(
        self,
        modality: Modality,
        z: Float[Tensor, "2 b e"],
        t: tuple[Float[Tensor, "b e"], Float[Tensor, "b e"]],
        presence: tuple[Tensor | None, Tensor | None],
        weight: Float[Tensor, "2 b"] | None,
    ) -> list[tuple[str, Tensor]]:
        """Eqs. 7-10 for one modality, also with p and q (0 and 1 in z and t) exchanged if `symmetric`."""
        by_text, by_clip, _ = TERMS[modality]
        if by_text not in self.terms and by_clip not in self.terms:
            return []
        d = DISTANCES[self.distance]
        distances = PairDistances(d(z[0], t[0]), d(z[0], t[1]), d(z[1], t[0]), d(z[1], t[1]))
        has_p, has_q = presence
        has_both = None if has_p is None or has_q is None else has_p & has_q
        parts: list[tuple[str, Tensor]] = []
        for i, (way, has) in enumerate([(distances, has_p), (distances.mirrored(), has_q)][: 1 + self.symmetric]):
            w = None if weight is None else weight[i]
            if by_text in self.terms:
                parts.append((by_text, mean_where(text_anchored(way, self.margin), has_both, w)))
            if by_clip in self.terms:
                parts.append((by_clip, mean_where(clip_anchored(way, self.margin), has, w)))
        return parts

    def _decoding(
        self,
        modality: Modality,
        z: Float[Tensor, "2 b e"],
        decoded_text: Float[Tensor, "b t"],
        text: Float[Tensor, "b t"],
        presence: tuple[Tensor | None, Tensor | None],
        generator: Generator | None,
    ) -> list[tuple[str, Tensor]]:
        """A modality's part of L_REC (eq. 3), and L_CTA or L_CTV (eqs. 4, 5)."""
        triplet = TERMS[modality][2]
        has_p, has_q = presence
        has_both = None if has_p is None or has_q is None else has_p & has_q
        parts: list[tuple[str, Tensor]] = []
        if "rec" in self.terms or triplet in self.terms:
            decoded_p = self.decode(z[0], generator)
        if "rec" in self.terms:
            parts.append(("rec", mean_where(reconstruction(decoded_p, text, self.rec_distance), has_p)))
        if triplet in self.terms:
            decoded_q = self.decode(z[1], generator)
            values = decoded_triplet(decoded_text, decoded_p, decoded_q, self.distance, self.margin)
            parts.append((triplet, mean_where(values, has_both)))
        return parts
