"""AVGZSLNet (Mazumder, Singh, Parida, Namboodiri, WACV 2021): reconstructing label features from embeddings.

Three projections F_A, F_V, F_T meet in one space, where triplets draw clips to the text of their class (eqs. 7-11),
and a shared decoder D has to give the text vector back from each of them (eqs. 3-6); L is the plain sum (eq. 12).
Defaults are the official script's: Euclidean distance in the triplets where the paper says MSE, and every triplet of
eq. 11 also with p and q exchanged (`symmetric`); the preset `paper` takes the text at its word.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn

from avgzsl.attention import AttentionSettings, both_present, joint_weights, train_posthoc, video_weight
from avgzsl.data import ClassTable, ClipSet
from avgzsl.errors import ConfigError
from avgzsl.losses import (
    DISTANCES,
    Distance,
    PairDistances,
    clip_anchored,
    decoded_triplet,
    mean_where,
    reconstruction,
    text_anchored,
)
from avgzsl.methods.base import Embeddings, Method, check_training, clip_features, dimensions, fitted
from avgzsl.nets import Attention, Decoder, Projection, linear_layer, unit_rows
from avgzsl.sampling import PairSampler
from avgzsl.similarity import Name
from avgzsl.training import SETTINGS, Job, Schedule, pick_device, train
from avgzsl.trainset import TrainSet, load_train_set
from avgzsl.types import MODALITIES, Fusion, Modality

Term = Literal["rec", "cta", "ctv", "ta", "at", "tv", "vt"]
ALL_TERMS: tuple[Term, ...] = ("rec", "cta", "ctv", "ta", "at", "tv", "vt")

# names of a modality's terms: text-anchored, clip-anchored, decoded
_TERMS: dict[Modality, tuple[str, str, str]] = {"audio": ("ta", "at", "cta"), "video": ("tv", "vt", "ctv")}


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _embed(net: nn.Module, feature: Float[Tensor, "n d"], rows: Int[Tensor, " k"]) -> Float[Tensor, "k e"]:
    return torch.cat([net(feature[part].float()) for part in rows.split(8192)])


class Networks(nn.Module):
    """All that is learned; a modality that no training clip has gets no network."""

    def __init__(self, sizes: Mapping[str, int], method: "AVGZSLNet", generator: Generator) -> None:
        super().__init__()
        self.sizes = dict(sizes)
        self.project = nn.ModuleDict(
            {
                modality: Projection(sizes[modality], method.hidden, method.embedding, method.dropout, generator)
                for modality in MODALITIES
                if modality in sizes
            }
        )
        self.text = linear_layer(sizes["text"], method.embedding, generator)
        self.decoder = Decoder(method.embedding, method.decoder_hidden, sizes["text"], generator)
        self.attention: Attention | None = None
        if method.attention != "none" and len(self.project) == 2:
            self.attention = Attention(sizes["audio"] + sizes["video"], generator)

    def projections(self) -> dict[Modality, nn.Module]:
        """F_A and F_V, those there are."""
        return {modality: self.project[modality] for modality in MODALITIES if modality in self.project}

    def without_attention(self) -> nn.Module:
        """What eq. 12 trains."""
        return nn.ModuleList([self.project, self.text, self.decoder])


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class AVGZSLNet(AttentionSettings, Schedule, Method, name="avgzslnet"):
    """Triplets in a common space, and a decoder from it back to the text vectors."""

    terms: Annotated[tuple[Term, ...], BeforeValidator(_as_tuple)] = ALL_TERMS
    """Loss terms in use: rec (eq. 3), cta, ctv (eqs. 4, 5), ta, at, tv, vt (eqs. 7-10)."""
    distance: Distance = "euclidean"
    """Distance in the triplets and at test time: euclidean (official code) or mse (the paper's text)."""
    symmetric: bool = True
    """Use ta, at, tv, vt with positive and negative clip exchanged, too (official code)."""
    margin: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The delta of every triplet."""
    normalise: bool = True
    """Scale audio, video and text features to length 1 before anything else."""
    embedding: int = Field(default=64, ge=1)
    """Dimension of the common space."""
    hidden: int = Field(default=256, ge=1)
    """Hidden units of F_A and F_V."""
    decoder_hidden: int = Field(default=128, ge=1)
    """Hidden units of the decoder."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout in F_A and F_V."""

    modalities = ("audio", "video", "both")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "official": {},
        "paper": {"distance": "mse", "symmetric": False},
        # for about a thousand clips of strong features: by validation HM over five class splits, see benchmarks/
        "realset": {
            "optimiser": "adam",
            "lr": 0.003,
            "weight_decay": 0.001,
            "batch_size": 128,
            "epochs": 50,
            "milestones": (18, 31, 43),
            "embedding": 128,
            "dropout": 0.2,
        },
    }

    def __post_init__(self) -> None:
        self.networks_: Networks | None = None

    @property
    def similarity(self) -> Name:
        """The distance of the triplets, negated."""
        return self.distance

    @property
    def fusions(self) -> tuple[Fusion, ...]:  # type: ignore[override]
        """Equal weights, and attention where it was trained (it needs clips with both modalities)."""
        with_attention = self.attention != "none" if self.networks_ is None else self.networks_.attention is not None
        return ("equal", "attention") if with_attention else ("equal",)

    def fit(self, train_clips: ClipSet, classes: ClassTable, job: Job | None = None) -> "AVGZSLNet":
        """Train on seen clips and seen text. Raises DataError, ConfigError."""
        check_training(train_clips, classes)
        job = job or Job()
        device = pick_device(job.device)
        # weights are drawn on the CPU, so that every device starts from the same
        sizes = dimensions(train_clips, classes)
        networks = Networks(sizes, self, Generator().manual_seed(job.seed)).to(device)
        generator = Generator(device).manual_seed(job.seed)
        data = load_train_set(train_clips, classes, self.normalise, device, self.feature_type)
        if not any(term in self.terms for modality in data.feature for term in (*_TERMS[modality], "rec")):
            raise ConfigError(f"terms={','.join(self.terms)} teach nothing about {', '.join(data.feature)} features")
        self.networks_ = networks
        sampler = PairSampler(data.labels, len(classes), self.batch_size, self.class_prior)

        def loss(pairs: Tensor) -> dict[str, Tensor]:
            return self.loss(data, pairs, generator)

        trained = networks if self.attention == "joint" else networks.without_attention()
        train(0, "networks", networks, trained, sampler, loss, self, generator, job)
        if self.attention == "posthoc" and networks.attention is not None:
            with torch.no_grad():
                text, rows = networks.text(data.text), both_present(data)
                audio, video = (_embed(net, data.feature[m], rows) for m, net in networks.projections().items())
            train_posthoc(networks, networks.attention, (audio, video), text, data, self, generator, job)
        return self

    def loss(self, data: TrainSet, pairs: Int[Tensor, "2 b"], generator: Generator | None) -> dict[str, Tensor]:
        """The terms of eq. 12 by name, each the mean over the tuples (p, q) where it is defined; plus L_attn if joint.

        Distinct clips meet the first layer once, and text is encoded once a class, not once a tuple.
        """
        networks: Networks = fitted(self.networks_, self)
        clips, inverse = torch.unique(pairs.reshape(-1), return_inverse=True)
        label_p, label_q = data.labels[pairs[0]], data.labels[pairs[1]]
        text = networks.text(data.text).float()
        decoded_text = networks.decoder(text).float()
        fetched = {m: data.feature[m].index_select(0, clips) for m in data.feature}
        embedded = {m: net(fetched[m], inverse, generator).float() for m, net in networks.projections().items()}
        weights: dict[Modality, Tensor] = {}
        parts: list[tuple[str, Tensor]] = []
        if self.attention == "joint" and networks.attention is not None:
            z = (embedded["audio"], embedded["video"])
            alpha, penalty = joint_weights(networks.attention, z, text, pairs.reshape(-1), data, self)
            weights = {"audio": 2 * (1 - alpha).view_as(pairs), "video": 2 * alpha.view_as(pairs)}
            parts.append(("attention", penalty))
        if "rec" in self.terms:
            parts.append(("rec", reconstruction(decoded_text, data.text)[label_p].mean()))
        for modality, both in embedded.items():
            z_p, z_q = both.view(2, pairs.shape[1], -1)
            presence = data.presence(modality, pairs)
            parts += self._triplets(
                modality,
                z_p,
                z_q,
                text.index_select(0, label_p),
                text.index_select(0, label_q),
                presence,
                weights.get(modality),
            )
            parts += self._decoding(
                modality, z_p, z_q, decoded_text.index_select(0, label_p), data.text.index_select(0, label_p), presence
            )
        names = dict.fromkeys(name for name, _ in parts)
        return {name: torch.stack([value for other, value in parts if other == name]).sum() for name in names}

    def _triplets(
        self,
        modality: Modality,
        z_p: Float[Tensor, "b e"],
        z_q: Float[Tensor, "b e"],
        t_p: Float[Tensor, "b e"],
        t_q: Float[Tensor, "b e"],
        presence: tuple[Tensor | None, Tensor | None],
        weight: Float[Tensor, "2 b"] | None,
    ) -> list[tuple[str, Tensor]]:
        """Eqs. 7-10 for one modality, also with p and q exchanged if `symmetric`."""
        by_text, by_clip, _ = _TERMS[modality]
        if by_text not in self.terms and by_clip not in self.terms:
            return []
        d = DISTANCES[self.distance]
        distances = PairDistances(d(z_p, t_p), d(z_p, t_q), d(z_q, t_p), d(z_q, t_q))
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
        z_p: Float[Tensor, "b e"],
        z_q: Float[Tensor, "b e"],
        decoded_text: Float[Tensor, "b t"],
        text: Float[Tensor, "b t"],
        presence: tuple[Tensor | None, Tensor | None],
    ) -> list[tuple[str, Tensor]]:
        """A modality's part of L_REC (eq. 3), and L_CTA or L_CTV (eqs. 4, 5)."""
        networks: Networks = fitted(self.networks_, self)
        triplet = _TERMS[modality][2]
        has_p, has_q = presence
        has_both = None if has_p is None or has_q is None else has_p & has_q
        parts: list[tuple[str, Tensor]] = []
        if "rec" in self.terms or triplet in self.terms:
            decoded_p = networks.decoder(z_p).float()
        if "rec" in self.terms:
            parts.append(("rec", mean_where(reconstruction(decoded_p, text), has_p)))
        if triplet in self.terms:
            values = decoded_triplet(decoded_text, decoded_p, networks.decoder(z_q).float(), self.distance, self.margin)
            parts.append((triplet, mean_where(values, has_both)))
        return parts

    @torch.no_grad()
    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        """F_A, F_V and the attention's weight."""
        networks: Networks = fitted(self.networks_, self)
        device = networks.text.weight.device
        features = clip_features(clips, networks.sizes, self.normalise, device)
        z = {m: net(features[m]).cpu() for m, net in networks.projections().items() if m in features}
        weight = None
        if networks.attention is not None and len(features) == 2:
            weight = video_weight(networks.attention, features["audio"], features["video"], self).cpu()
        absent = torch.zeros(len(clips), dtype=torch.bool)
        return Embeddings(
            audio=z.get("audio"),
            video=z.get("video"),
            joint=None,
            has_audio=clips.has_audio if "audio" in z else absent,
            has_video=clips.has_video if "video" in z else absent,
            video_weight=weight,
        )

    @torch.no_grad()
    def embed_text(self, text: Float[Tensor, "c t"]) -> Float[Tensor, "c d"]:
        """F_T."""
        networks: Networks = fitted(self.networks_, self)
        text = text.to(networks.text.weight.device, torch.float32)
        out: Tensor = networks.text(unit_rows(text) if self.normalise else text)
        return out.cpu()

    def state(self) -> dict[str, Tensor]:
        """Weights of all networks."""
        networks: Networks = fitted(self.networks_, self)
        return {name: value.detach().cpu() for name, value in networks.state_dict().items()}

    def restore(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> "AVGZSLNet":
        """Weights of all networks, from `state`."""
        networks = Networks(sizes, self, Generator())
        networks.load_state_dict(dict(state))
        self.networks_ = networks
        return self
