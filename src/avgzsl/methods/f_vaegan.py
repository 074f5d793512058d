"""f-VAEGAN-D2 (Xian et al., CVPR 2019), as its port in the code of AVCA has it for clips.

A generator learns to make features of clips from the text of their class. For a list of names it makes features of each
class that was not trained on, and a softmax classifier is trained on these and on real features of the others: its
weights are the embeddings of the names, x -> w_c x + b_c the scores. So names are embedded as a list, not one by one,
and no index can be made, for an index meets names that come later.
"""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.learning.nets import unit_rows
from avgzsl.learning.sampling import ClassPrior, ClipSampler, PairSampler
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS, Job, Schedule, Stage, train
from avgzsl.learning.turns import Turn
from avgzsl.methods._base import fitted
from avgzsl.methods._inputs import usable
from avgzsl.methods._joint import JointMethod
from avgzsl.methods._networks import Setup
from avgzsl.methods._text import TextScale
from avgzsl.methods._vaegan import (
    Networks,
    Sizes,
    divergence,
    drawn,
    gradient_penalty,
    normal_layer,
    reconstruction,
)
from avgzsl.scores.similarity import Name
from avgzsl.types import MODALITIES, Modality

_SAME = 1e-5  # of the largest number of a text: as near are two texts of one class, made in lists of different length
_PREFIX = "kept."


@plain_dataclass(frozen=True, eq=False)
class Kept:
    """What a classifier of names needs besides the generator: clips of the training classes, and their text.

    `features` have length 1, and are float16 to keep a run small; `seed` starts all chance of the classifier.
    """

    features: Float[Tensor, "k n"]
    labels: Int[Tensor, " k"]
    text: Float[Tensor, "c t"]
    seed: Int[Tensor, ""]


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class FVAEGAN(JointMethod[Networks], name="f-vaegan"):
    """Features of clips made from text, and a classifier trained on them for each list of names."""

    text_scale: TextScale = "raw"
    """Scaling of each part of the text of classes: raw, unit, or centred on the seen classes and then unit."""
    normalise: bool = False
    """Scale audio and video features to length 1 by themselves; end to end they are of length 1 in any case."""
    updates: Literal["as-meant", "as-shipped"] = "as-shipped"
    """An epoch: one step of critics and one of the generator (the public code), or all batches."""
    critic_steps: int = Field(default=5, ge=1)
    """Steps of critics to one of the generator, where updates are as meant."""
    output: Literal["sigmoid", "linear"] = "sigmoid"
    """Made features: between 0 and 1, with cross-entropy to real ones, or of any sign, with squared differences."""
    latent: int = Field(default=300, ge=1)
    """Numbers of the noise, and hidden units of the encoder."""
    hidden: int = Field(default=512, ge=1)
    """Hidden units of generator and critics."""
    penalty: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    """Weight of the gradient penalty of the critics."""
    adversarial: float = Field(default=1e5, ge=0, allow_inf_nan=False)
    """Weight of the critic's word in the generator's loss; reconstruction and divergence have 1."""
    synthetic: int = Field(default=1000, ge=1)
    """Features made of a class, and clips in a step of the classifier."""
    classifier_epochs: int = Field(default=30, ge=1)
    """Passes of the classifier over its features."""
    classifier_lr: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Learning rate of the classifier (adam, as the networks)."""
    kept: int = Field(default=100, ge=0)
    """Training clips of a class, at most, that a run keeps for classifiers; 0: its features are made, too."""
    optimiser: Literal["sgd", "adam"] = "adam"
    """Stochastic gradient descent with momentum, or Adam."""
    lr: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Learning rate of the first epoch."""
    momentum: float = Field(default=0.5, ge=0, lt=1)
    """Momentum of sgd, and the first beta of adam (the second is 0.999)."""
    batch_size: int = Field(default=64, ge=1)
    """Clips in a step."""
    epochs: int = Field(default=50, ge=1)
    """An epoch is `steps` steps, or one where `updates` are as shipped."""
    milestones: tuple[int, ...] = ()
    """Epochs (counted from 0) from which the learning rate is multiplied by `decay` once more."""
    class_prior: ClassPrior = "uniform"
    """How often a class is drawn: each alike, or in proportion to its clips."""
    replacement: bool = True
    """Draw each clip of a class anew (AVCA's batches), instead of every clip once before any comes again."""

    citation: ClassVar[str] = "f-vaegan-d2, avca"
    names_together: ClassVar[bool] = True
    searchable: ClassVar[str] = "its classifier is trained for one list of names at a time"
    chosen_on_test: ClassVar[str] = "in the port, the epochs of the generator and of the classifier"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # for about a thousand clips
        "realset": {
            "updates": "as-meant",
            "critic_steps": 1,
            "output": "linear",
            "text_scale": "centred",
            "latent": 16,
            "hidden": 128,
            "adversarial": 10.0,
            "lr": 5e-3,
            "batch_size": 32,
            "epochs": 15,
            "synthetic": 100,
            "classifier_epochs": 10,
            "classifier_lr": 1e-2,
            "class_prior": "empirical",
            "replacement": False,
        },
    }
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (3e-4, 1e-3, 5e-3),
        "updates": ("as-shipped", "as-meant"),
        "output": ("sigmoid", "linear"),
        "adversarial": (1.0, 10.0, 100.0, 1e5),
        "latent": (16, 64, 300),
        "classifier_lr": (1e-3, 3e-3, 1e-2),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.kept_: Kept | None = None

    @property
    def similarity(self) -> Name:
        """Scores of the classifier: clips have a 1 at their end, names their bias."""
        return "dot"

    def build(self, sizes: Mapping[str, int], generator: Generator) -> Networks:
        """The method's networks, with weights from the generator."""
        return Networks(sizes, Sizes(self.latent, self.hidden, self.output), generator)

    def sampler(self, labels: Int[Tensor, " n"], classes: int) -> PairSampler:
        """Batches of clips; one an epoch where updates are as shipped."""
        steps = 1 if self.updates == "as-shipped" else self.steps
        return self.batches(labels, classes, self.batch_size, self.class_prior, steps, self.replacement)

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Train on seen clips that have both modalities. Raises DataError, ModalityError, ConfigError."""
        setup = self.prepare(*usable(self.name, train, classes, self.reads), job)
        self.kept_ = _keep(setup.data, self.kept, job.seed)
        self.fit_networks(setup, setup.networks.critics)

    def further(self, setup: Setup[Networks]) -> tuple[Turn, ...]:
        """The turn of encoder and generator, after the critics'."""

        def loss(rows: Int[Tensor, " b"]) -> dict[str, Tensor]:
            return self.maker_loss(setup.data, rows, setup.generator)

        return (Turn(setup.networks.makers, loss, 1 if self.updates == "as-shipped" else self.critic_steps),)

    def loss(self, data: TrainSet, rows: Int[Tensor, " b"], generator: Generator | None) -> dict[str, Tensor]:
        """Of the critics: made features less real ones, and the gradient penalty. D2 has no text, and seen clips."""
        nets: Networks = fitted(self.networks_, self)
        x, w = _joined(data.feature, rows), data.text[data.labels[rows]]
        with torch.no_grad():
            fake = nets.made(w, generator)

        def judged(features: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
            return nets.judged(features, w)

        terms: dict[str, Tensor] = {}
        for name, critic in (("critic", judged), ("second_critic", nets.second_critic)):
            terms[name] = critic(fake).mean() - critic(x).mean()
            terms[f"{name}_penalty"] = self.penalty * gradient_penalty(critic, x, fake, generator)
        return terms

    def maker_loss(self, data: TrainSet, rows: Int[Tensor, " b"], generator: Generator | None) -> dict[str, Tensor]:
        """Of encoder and generator: D's word on features from z and from noise, reconstruction, and divergence."""
        nets: Networks = fitted(self.networks_, self)
        x, w = _joined(data.feature, rows), data.text[data.labels[rows]]
        mean, log_variance = nets.encoder(x, w)
        again = nets.maker(drawn(mean, log_variance, generator), w)
        word = nets.judged(again, w).mean() + nets.judged(nets.made(w, generator), w).mean()
        return {
            "adversarial": -self.adversarial * word,
            "reconstruction": reconstruction(again, x, self.output == "sigmoid"),
            "divergence": divergence(mean, log_variance),
        }

    def embed_joint(
        self, networks: Networks, features: Mapping[Modality, Float[Tensor, "n _d"]], generator: Generator | None = None
    ) -> Float[Tensor, "n e"]:
        """Both features end to end, of length 1, and a 1."""
        x = unit_rows(torch.cat([features[m] for m in MODALITIES], 1))
        return torch.cat([x, x.new_ones(len(x), 1)], 1)

    def embed_names(
        self, networks: Networks, text: Float[Tensor, "c t"], generator: Generator | None = None
    ) -> Float[Tensor, "c e"]:
        """Weights and bias of each class in a classifier of all of them; the order of the classes plays no part."""
        if not len(text):
            return text.new_zeros(0, networks.maker.second.out_features + 1)
        kept: Kept = fitted(self.kept_, self)
        distinct, place = torch.unique(text, dim=0, return_inverse=True)  # in an order of their own
        chance = Generator(text.device).manual_seed(int(kept.seed))
        x, labels = self._examples(networks, kept, distinct, chance)
        return self._classifier(x, labels, len(distinct), chance)[place]

    def _examples(
        self, networks: Networks, kept: Kept, text: Float[Tensor, "c t"], chance: Generator
    ) -> tuple[Float[Tensor, "m n"], Int[Tensor, " m"]]:
        """Real features of the classes that were trained on, made ones of the others, all of length 1, and labels."""
        features, labels = [], []
        known, clips = kept.text.to(text.device), kept.features.to(text.device, torch.float32)
        clip_labels = kept.labels.to(text.device)
        for c, row in enumerate(text):
            same = (known - row).abs().amax(1) <= _SAME * known.abs().amax()
            real = clips[same[clip_labels]]
            made = real if len(real) else networks.made(row.expand(self.synthetic, -1), chance)
            features.append(unit_rows(made))
            labels.append(torch.full((len(made),), c, device=text.device))
        return torch.cat(features), torch.cat(labels)

    def _classifier(
        self, x: Float[Tensor, "m n"], labels: Int[Tensor, " m"], classes: int, chance: Generator
    ) -> Float[Tensor, "c e"]:
        """[weights; bias] of a softmax classifier, by the one training loop."""
        layer = normal_layer(x.shape[1], classes, Generator().manual_seed(chance.initial_seed())).to(x.device)

        def loss(rows: Int[Tensor, " b"]) -> dict[str, Tensor]:
            return {"entropy": cross_entropy(layer(x[rows]).float(), labels[rows])}

        schedule = Schedule(
            optimiser="adam",
            lr=self.classifier_lr,
            momentum=self.momentum,
            epochs=self.classifier_epochs,
            milestones=(),
        )
        sampler = ClipSampler(torch.arange(len(x), device=x.device), self.synthetic)
        with torch.enable_grad():
            train(Stage(0, "classifier", layer, layer, sampler, loss, schedule, chance), Job())
        return torch.cat([layer.weight, layer.bias[:, None]], 1).detach()

    def learned(self) -> dict[str, Tensor]:
        """Weights of all networks, and what a classifier of names needs besides."""
        networks = super().learned()
        return networks | {f"{_PREFIX}{name}": value for name, value in vars(fitted(self.kept_, self)).items()}

    def restore_learned(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        """From `learned`. Raises LookupError or ValueError for what it did not write."""
        super().restore_learned({k: v for k, v in state.items() if not k.startswith(_PREFIX)}, sizes)
        kept = Kept(*(state[f"{_PREFIX}{name}"] for name in ("features", "labels", "text", "seed")))
        width = (len(kept.labels), sizes["audio"] + sizes["video"])
        inside = kept.labels.dtype == torch.long and bool(((kept.labels >= 0) & (kept.labels < len(kept.text))).all())
        if kept.features.shape != width or kept.text.shape[1:] != (sizes["text"],) or not inside:
            raise ValueError(f"the kept clips are not {width[0]} of {width[1]} numbers, with a text of each class")
        self.kept_ = kept


def _joined(feature: Mapping[Modality, Float[Tensor, "n _d"]], rows: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
    """Both features of clips end to end, of length 1."""
    return unit_rows(torch.cat([feature[m][rows] for m in MODALITIES], 1).float())


def _keep(data: TrainSet, count: int, seed: int) -> Kept:
    """At most so many clips of each class, drawn from the seed."""
    labels = data.labels.cpu()
    shuffled = torch.randperm(len(labels), generator=Generator().manual_seed(seed))
    own = [shuffled[labels[shuffled] == c][:count] for c in range(len(data.text))]
    rows = torch.cat(own).sort().values
    features = _joined(data.feature, rows.to(data.labels.device)).half().cpu()
    return Kept(features, labels[rows], data.text.cpu(), torch.tensor(seed))
