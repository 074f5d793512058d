"""What the methods of the AVGZSLNet family share: projections into one space, text encoded there too, and distances.

A method of the family says which networks it has, what its loss on a batch is, and calls `training.train`; how clips
and text are embedded, kept and restored is written here once.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn

from avgzsl.data.clips import ClipSet
from avgzsl.learning.attention import AttentionSettings, both_present, train_posthoc, video_weight
from avgzsl.learning.blocks import NormedProjection
from avgzsl.learning.losses import Distance
from avgzsl.learning.nets import Attention, Projection, distinct, linear_layer
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS
from avgzsl.methods._base import fitted
from avgzsl.methods._embeddings import Embeddings, late
from avgzsl.methods._inputs import clip_features
from avgzsl.methods._networks import NetworkMethod, Networks, Setup
from avgzsl.scores.similarity import Name
from avgzsl.types import MODALITIES, Fusion, Modality

_CHUNK = 8192


class Encoders(Networks):
    """One projection for each of the method's inputs, by name, and F_T; `sizes` are those of what it learns from.

    What a method adds is drawn from the same generator afterwards: these here come first, in this order.
    """

    def __init__(self, sizes: Mapping[str, int], method: "ProjectionMethod", generator: Generator) -> None:
        super().__init__()
        self.sizes = {name: size for name, size in sizes.items() if name in (*method.learns_from, "text")}
        self.project = nn.ModuleDict(
            {
                name: method.projection(size, method.hidden, generator)
                for name, size in method.input_sizes(self.sizes).items()
            }
        )
        self.text = method.text_projection(sizes["text"], generator)
        self.attention: Attention | None = None

    def embed_text(self, text: Float[Tensor, "c t"], generator: Generator | None = None) -> Float[Tensor, "c e"]:
        """F_T; with a generator in training."""
        plain = isinstance(self.text, nn.Linear)
        out: Tensor = self.text(text) if plain else self.text(text, generator=generator)
        return out

    def projections(self) -> dict[str, nn.Module]:
        """The projections there are: F_A and F_V, or what the method has in their place."""
        return dict(self.project.items())

    def add_attention(self, settings: AttentionSettings, generator: Generator) -> None:
        """Add the attention, if it is asked for and there are two modalities to weigh."""
        if settings.attention != "none" and len(self.project) == 2:
            self.attention = Attention(self.sizes["audio"] + self.sizes["video"], generator)

    def without_attention(self) -> nn.Module:
        """All the rest."""
        return nn.ModuleList([module for name, module in self.named_children() if name != "attention"])


class Texts(NamedTuple):
    """Text vectors in the loss: embedded, in which rows those of the classes of clips p and of clips q stand.

    `raw` are the first of them before the projection, those of clips p among them; `classes` all training classes,
    embedded, where they are at hand.
    """

    raw: Float[Tensor, "r t"]
    embedded: Float[Tensor, "m e"]
    p: Int[Tensor, " b"]
    q: Int[Tensor, " b"]
    classes: Float[Tensor, "c e"] | None


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class ProjectionMethod(NetworkMethod[Encoders]):
    """Hyper-parameters, embeddings and state of a method that projects features and text into one space."""

    distance: Distance = "euclidean"
    """Distance in the triplets and at test time: euclidean (official code) or mse (the paper's text)."""
    margin: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The delta of every triplet."""
    embedding: int = Field(default=64, ge=1)
    """Dimension of the common space."""
    hidden: int = Field(default=256, ge=1)
    """Hidden units of each projection of features."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout in the projections of features."""

    follows_clips: ClassVar[bool] = True
    # modalities whose features the method reads; it is handed the others in vain
    learns_from: ClassVar[tuple[Modality, ...]] = MODALITIES
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # for about a thousand clips of strong features: AVGZSLNet's best validation HM over five class splits
        "realset": {
            "optimiser": "adam",
            "lr": 0.003,
            "weight_decay": 0.001,
            "batch_size": 128,
            "epochs": 50,
            "milestones": (18, 31, 43),
            "embedding": 128,
            "dropout": 0.2,
        }
    }
    # around the official script's values; the class prior and the milestones are left to the user
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (0.03, 0.1, 0.3, 1.0),
        "batch_size": (256, 1024, 4096),
        "epochs": (50, 100, 200),
        "weight_decay": (0.0, 1e-5, 1e-4),
        "dropout": (0.2, 0.5, 0.8),
        "margin": (0.2, 0.5, 1.0, 2.0),
        "embedding": (64, 128, 256),
    }

    @property
    def similarity(self) -> Name:
        """The distance of the triplets, negated."""
        return self.distance

    def build(self, sizes: Mapping[str, int], generator: Generator) -> Encoders:
        """The method's networks, with weights from the generator."""
        return Encoders(sizes, self, generator)

    def projection(self, n_in: int, hidden: int, generator: Generator) -> nn.Module:
        """F_A or F_V, or what the method has in their place."""
        return Projection(n_in, hidden, self.embedding, self.dropout, generator)

    def text_projection(self, n_in: int, generator: Generator) -> nn.Module:
        """F_T."""
        return linear_layer(n_in, self.embedding, generator)

    def input_sizes(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Dimension of each projection's input; a modality that no training clip has gets no projection."""
        return {modality: sizes[modality] for modality in self.learns_from if modality in sizes}

    def inputs(self, features: Mapping[Modality, Float[Tensor, "n _d"]]) -> dict[str, Float[Tensor, "n _e"]]:
        """What each projection is fed, from the features of the modalities."""
        return {modality: features[modality] for modality in self.learns_from if modality in features}

    def embed_pairs(
        self, data: TrainSet, pairs: Int[Tensor, "2 b"], generator: Generator | None
    ) -> dict[str, Float[Tensor, "2 b e"]]:
        """Embeddings of the clips p (row 0) and q (row 1) by each projection; the first layer meets each clip once."""
        clips, places = distinct(pairs.reshape(-1))
        inputs = self.inputs({modality: data.fetch(modality, clips) for modality in data.feature})
        nets = fitted(self.networks_, self).projections()
        z = {name: net(inputs[name], places, generator).float() for name, net in nets.items()}
        return {name: rows.view(*pairs.shape, -1) for name, rows in z.items()}

    @torch.no_grad()
    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        """Each projection's embedding, and the attention's weight where there is one."""
        networks: Encoders = fitted(self.networks_, self)
        features = clip_features(clips, networks.sizes, self.normalise, next(networks.parameters()).device)
        inputs = self.inputs(features)
        at, weight = clips.labels.device, self.weigh(features)
        z = {name: net(inputs[name]).to(at) for name, net in networks.projections().items() if name in inputs}
        return late(z, clips, None if weight is None else weight.to(at))

    def weigh(self, features: Mapping[Modality, Float[Tensor, "n _d"]]) -> Float[Tensor, " n"] | None:
        """The attention's weight of video per clip; None without attention."""
        return None

    @torch.no_grad()
    def embed_prepared(self, text: Float[Tensor, "c t"]) -> Float[Tensor, "c d"]:
        """F_T."""
        networks: Encoders = fitted(self.networks_, self)
        text = text.to(next(networks.parameters()).device, torch.float32)
        return networks.embed_text(text).cpu()


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class AttendedMethod(AttentionSettings, ProjectionMethod):
    """A method of the family with one projection a modality, whose fusion may be learned."""

    body: Literal["plain", "batchnorm"] = "plain"
    """Hidden layers: dropout and ReLU, or, as in the AVCA benchmark, batch normalisation, ReLU and dropout."""
    text_hidden: int = Field(default=0, ge=0)
    """Hidden units of F_T; 0 is a linear layer alone."""

    modalities = ("audio", "video", "both")
    # what the AVCA benchmark's CJME and AVGZSLNet have in common
    avca: ClassVar[Mapping[str, Any]] = {
        "text_scale": "raw",
        "normalise": False,
        "body": "batchnorm",
        "hidden": 1024,
        "text_hidden": 300,
        "optimiser": "adam",
        "lr": 0.001,
        "batch_size": 256,
        "steps": 500,
        "epochs": 50,
        "milestones": (),
        "plateau": 3,
        "replacement": True,
    }

    def projection(self, n_in: int, hidden: int, generator: Generator) -> nn.Module:
        """F_A, F_V, and F_T where it has a hidden layer."""
        plain = self.body == "plain"
        make = Projection if plain else NormedProjection
        return make(n_in, hidden, self.embedding, self.dropout, generator)

    def text_projection(self, n_in: int, generator: Generator) -> nn.Module:
        """F_T."""
        if self.text_hidden:
            return self.projection(n_in, self.text_hidden, generator)
        return super().text_projection(n_in, generator)

    def texts(self, data: TrainSet, pairs: Int[Tensor, "2 b"], generator: Generator | None) -> Texts:
        """The text of the classes of clips p and q: encoded once a class, or with a hidden layer once a clip.

        For a hidden layer has dropout, and perhaps statistics, which are those of the clips.
        """
        networks: Encoders = fitted(self.networks_, self)
        p, q = data.labels[pairs[0]], data.labels[pairs[1]]
        if not self.text_hidden:
            embedded = networks.embed_text(data.text).float()
            return Texts(data.text, embedded, p, q, embedded)
        embedded = torch.cat([networks.embed_text(data.text[of], generator).float() for of in (p, q)])
        p_rows, q_rows = torch.arange(len(embedded), device=p.device).chunk(2)
        return Texts(data.text[p], embedded, p_rows, q_rows, None)

    def class_text(self, data: TrainSet, texts: Texts, generator: Generator | None) -> Float[Tensor, "c e"]:
        """The embedded text of all training classes."""
        if texts.classes is not None:
            return texts.classes
        networks: Encoders = fitted(self.networks_, self)
        return networks.embed_text(data.text, generator).float()

    @property
    def fusions(self) -> tuple[Fusion, ...]:
        """Equal weights, and attention where it was trained (it needs clips with both modalities)."""
        with_attention = self.attention != "none" if self.networks_ is None else self.networks_.attention is not None
        return ("equal", "attention") if with_attention else ("equal",)

    def trained(self, networks: Encoders) -> nn.Module:
        """What the networks' stage trains: the attention along with the rest only if it is `joint`."""
        return networks if self.attention == "joint" else networks.without_attention()

    def fit_attention(self, setup: Setup[Encoders]) -> None:
        """The post-hoc stage, where it is asked for: the finished networks stay as they are."""
        networks, data = setup.networks, setup.data
        if self.attention != "posthoc" or networks.attention is None:
            return
        rows = both_present(data)
        with torch.no_grad():
            text = networks.embed_text(data.text)
            audio, video = (_embed(networks.project[m], data.feature[m], rows) for m in MODALITIES)
        train_posthoc(networks, networks.attention, (audio, video), text, data, self, setup.generator, setup.job)

    def weigh(self, features: Mapping[Modality, Float[Tensor, "n _d"]]) -> Float[Tensor, " n"] | None:
        """The attention's weight of video per clip; None without attention, or without features of both modalities."""
        networks: Encoders = fitted(self.networks_, self)
        if networks.attention is None or len(features) < 2:
            return None
        return video_weight(networks.attention, features["audio"], features["video"], self)


def _embed(net: nn.Module, feature: Float[Tensor, "n d"], rows: Int[Tensor, " k"]) -> Float[Tensor, "k e"]:
    return torch.cat([net(feature[part].float()) for part in rows.split(_CHUNK)])
