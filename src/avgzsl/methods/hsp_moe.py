"""HSP-MoE (XPX-LQL, public code of 2026, no paper): ClipClap on the unit sphere, with experts and raw distances.

Clips and classes are scaled to length 1 and compared by cosine at a temperature; three experts say where a clip lies
beside ClipClap's own embedding; three small losses hold the new space near the old one. Where features and text stand
in one pre-trained space, distances there are averaged with those that were learned. Defaults are the command of the
code's README, not those of its scripts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy, normalize

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import ConfigError
from avgzsl.learning.nets import unit_rows
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import fitted
from avgzsl.methods._clipclap import ORDER, ClipClapMethod, ClipClapNetworks, reconstruction, regression
from avgzsl.methods._experts import Experts
from avgzsl.methods._networks import Setup
from avgzsl.methods._sphere_losses import distribution, relation, uniformity
from avgzsl.scores.similarity import euclidean
from avgzsl.types import Modality

_CHUNK = 8192


class Networks(ClipClapNetworks):
    """ClipClap's, the experts, and `ratio`, learned distances over raw ones, by which the raw ones are scaled."""

    ratio: Tensor

    def __init__(self, sizes: Mapping[str, int], method: "HSPMoE", generator: Generator) -> None:
        super().__init__(sizes, method, generator)
        video, audio = (sizes[modality] for modality in ORDER)
        self.experts = Experts(video, audio, method.embedding, method.dropout, generator) if method.mix else None
        self.register_buffer("ratio", torch.ones(()))


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class HSPMoE(ClipClapMethod[Networks], name="hsp-moe"):
    """Two spaces for one clip: the learned one, and the pre-trained one of features and text."""

    temperature: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    """Cosines are divided by it in the cross-entropy."""
    mix: float = Field(default=0.5, ge=0, le=1)
    """How much the experts count against ClipClap's embedding; 0 leaves them out."""
    space: Literal["auto", "shared", "apart"] = "auto"
    """Features and text in one pre-trained space: shared, apart, or (auto) shared where their widths are the same and
    it is known which part of the text is for which modality."""
    far_weight: float = Field(default=0.5, ge=0, le=1)
    """Weight of distances in the shared space against those that were learned; 1 is the shared space alone."""
    dp_weight: float = Field(default=1e-3, ge=0, allow_inf_nan=False)
    """Weight of L_DP, which keeps the scores of the shared space."""
    dp_temperature: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    """T of L_DP."""
    rp_weight: float = Field(default=2e-4, ge=0, allow_inf_nan=False)
    """Weight of L_RP, which keeps the cosines of clips with one another."""
    hup_weight: float = Field(default=2e-4, ge=0, allow_inf_nan=False)
    """Weight of L_HUP, which spreads clips of different classes."""

    citation: ClassVar[str] = "hsp-moe"
    chosen_on_test: ClassVar[str] = (
        "raw distances are scaled by the mean distance of the tested clips (no labels); here by that of training clips"
    )
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "hsp-moe-raw-alone": {"far_weight": 1.0, "space": "shared"},
        "hsp-moe-without-raw": {"far_weight": 0.0},
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "vggsound": {"lr": 1e-4, "epochs": 15},
        "activitynet": {"lr": 1e-4, "epochs": 15},
        # for about a thousand clips whose features and text share no space: the best of a few by pseudo-unseen folds
        "realset": {
            "lr": 3e-3,
            "epochs": 30,
            "steps": 0,
            "milestones": (15, 25),
            "plateau": 0,
            "temperature": 0.2,
            "space": "apart",
            "dp_weight": 0.0,
        },
    }
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (7e-5, 1e-4, 3e-4, 1e-3),
        "epochs": (5, 10, 15, 20),
        "temperature": (0.05, 0.1, 0.2),
        "dropout": (0.1, 0.3, 0.5),
        "mix": (0.0, 0.5),
        "text_scale": ("raw", "centred"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.shared_: bool | None = None

    def build(self, sizes: Mapping[str, int], generator: Generator) -> Networks:
        """ClipClap's blocks, then the experts, with weights from the generator."""
        return Networks(sizes, self, generator)

    def shares(self, sizes: Mapping[str, int]) -> bool:
        """Whether text and features, [video ; audio] both, stand in one space. Raises ConfigError where they cannot.

        `sizes` are those of audio, video and of the text that is read. Text that was optimised or centred has left its
        encoder's space. Once the method has learned, it is as it was then.
        """
        if self.shared_ is not None:
            return self.shared_
        if moved := self._moved():
            if self.space == "shared":
                setting, still = moved
                raise ConfigError(
                    f"space=shared compares features with the text as its encoder made it, and {setting}="
                    f"{getattr(self, setting)} moves it; set {setting}={still}, or space=apart"
                )
            return False
        parts = self.prepare_text.parts
        video = sum(part.width for part in parts if part.modality == "video")
        fits = sizes["text"] == sizes["video"] + sizes["audio"] and video in (0, sizes["video"])
        if self.space == "shared" and not fits:
            raise ConfigError(
                f"space=shared compares features with the text as it is, and video features have {sizes['video']} "
                f"numbers, audio {sizes['audio']}, the text {sizes['text']}; give text of the encoders' own spaces, "
                "video's first, or set space=apart, which leaves out raw distances and L_DP"
            )
        known = bool(parts) and all(part.modality is not None for part in parts)  # else halves may be crossed
        return fits and (self.space == "shared" or (self.space == "auto" and known))

    def _moved(self) -> tuple[str, str] | None:
        """The setting that takes text out of its encoder's space, and the value that leaves it there."""
        if self.text_prepare != "none":
            return "text_prepare", "none"
        return ("text_scale", "raw") if self.text_scale == "centred" else None

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Train, and scale raw distances by training clips. Raises DataError, ModalityError, ConfigError."""
        setup = self.set_up(train, classes, job)
        self.shared_ = None  # of an earlier training
        self.shared_ = self.shares(setup.networks.sizes)
        if not self.shared_:
            self.fit_networks(setup)
            return
        look = job.monitor

        def scaled_first() -> Mapping[str, float]:  # validation is looked at as it will be tested
            self._scale(setup)
            return look() if look else {}

        self.fit_networks(replace(setup, job=replace(job, monitor=scaled_first if look else None)))
        self._scale(setup)

    def restore_learned(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        """Weights of all networks; where raw distances were scaled, features and text were in one space."""
        super().restore_learned(state, sizes)
        self.shared_ = self.space == "shared" or float(fitted(self.networks_, self).ratio) != 1.0

    @torch.no_grad()
    def _scale(self, setup: Setup[Networks]) -> None:
        """The ratio of mean distances, of all training clips to all seen classes, as the networks are now."""
        networks, data = setup.networks, setup.data
        names = normalize(self.theta_w(networks, data.text), dim=1)
        learned = mean_distance((self.on_sphere(networks, part) for part in _chunks(data)), names)
        raw = mean_distance(map(self.raw, _chunks(data)), unit_rows(data.text))
        networks.ratio.fill_(learned / max(raw, 1e-12))

    def loss(self, data: TrainSet, rows: Int[Tensor, " b"], generator: Generator | None) -> dict[str, Tensor]:
        """ClipClap's terms, the cross-entropy on the sphere; in training also the auxiliary ones."""
        y = data.labels[rows]
        features = {m: data.fetch(m, rows) for m in self.reads}
        p = self.through(features, data, y, generator)
        q, c = self.mixed(p.theta_o, features, generator), normalize(p.classes, dim=1)
        scores = cross_entropy(q @ c.T / self.temperature, y)
        terms = {"ce": scores, "reg": regression(p), "rec": reconstruction(p)}
        if generator is None:
            return terms
        x = self.raw(features)
        if self.dp_weight and self.shares(fitted(self.networks_, self).sizes):
            kept = distribution(q, c, x, unit_rows(data.text), self.dp_temperature)
            terms["dp"] = self.dp_weight * kept
        return terms | {"rp": self.rp_weight * relation(q, x), "hup": self.hup_weight * uniformity(q, y)}

    def mixed(
        self, theta_o: Float[Tensor, "n e"], features: Mapping[Modality, Float[Tensor, "n _d"]], g: Generator | None
    ) -> Float[Tensor, "n e"]:
        """ClipClap's embedding on the sphere, and what the experts say of the clip."""
        z, experts = normalize(theta_o, dim=1), fitted(self.networks_, self).experts
        if experts is None:
            return z
        video, audio = (features[modality].float() for modality in ORDER)
        return normalize((1 - self.mix) * z + self.mix * experts(video, audio, g), dim=1)

    def raw(self, features: Mapping[Modality, Float[Tensor, "n _d"]]) -> Float[Tensor, "n _d"]:
        """Clips in the space of the features: [video ; audio], scaled to length 1 as a whole."""
        return unit_rows(self.side_by_side(features))

    def on_sphere(self, networks: Networks, features: Mapping[Modality, Float[Tensor, "n _d"]]) -> Float[Tensor, "n e"]:
        """Clips in the learned space, at rest."""
        return self.mixed(self.theta_o(networks, features), features, None)

    def embed_joint(
        self, networks: Networks, features: Mapping[Modality, Float[Tensor, "n _d"]], generator: Generator | None = None
    ) -> Float[Tensor, "n _e"]:
        """Clips in the learned space and, where it is shared, in the raw one; each times its weight."""
        q = self.mixed(self.theta_o(networks, features, generator), features, generator)
        return self._weighed(networks, q, lambda: self.raw(features))

    def embed_names(
        self, networks: Networks, text: Float[Tensor, "c t"], generator: Generator | None = None
    ) -> Float[Tensor, "c _e"]:
        """Text likewise."""
        c = normalize(self.theta_w(networks, text, generator), dim=1)
        return self._weighed(networks, c, lambda: unit_rows(text))

    def _weighed(
        self, networks: Networks, learned: Float[Tensor, "n e"], raw: Callable[[], Float[Tensor, "n _d"]]
    ) -> Float[Tensor, "n _e"]:
        if not self.shares(networks.sizes):
            return learned
        return torch.cat([(1 - self.far_weight) * learned, self.far_weight * networks.ratio * raw()], 1)

    def near(self, clips: Float[Tensor, "n d"], text: Float[Tensor, "c d"]) -> Float[Tensor, "n c"]:
        """(1 - far_weight) |q - c| + far_weight ratio |x - w|, negated; the first alone where there is one space."""
        parts = zip(*(z.tensor_split((self.embedding,), 1) for z in (clips, text)), strict=True)
        return sum((euclidean(z, t) for z, t in parts if z.shape[1]), torch.zeros(()))


def mean_distance(clips: Iterable[Float[Tensor, "_n d"]], classes: Float[Tensor, "c d"]) -> float:
    """Mean Euclidean distance of all clips, in chunks, to all classes; rows are of length 1."""
    total, count = 0.0, 0
    for x in clips:
        distances = (2 - 2 * x @ classes.T).clamp(min=0).sqrt()
        total, count = total + float(distances.double().sum()), count + distances.numel()
    return total / count


def _chunks(data: TrainSet) -> Iterator[dict[Modality, Tensor]]:
    """Features of the training clips, some thousand at a time."""
    for rows in torch.arange(len(data.labels)).split(_CHUNK):
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        yield {modality: feature[part] for modality, feature in data.feature.items()}
