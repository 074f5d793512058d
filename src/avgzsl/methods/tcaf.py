"""TCaF (Mercea, Hummel, Koepke, Akata, ECCV 2022, arXiv 2207.09966): attention across sound and picture over time.

The steps of a clip are encoded one by one, told what they are and when, and read by a transformer in which sound sees
picture alone, and picture sound. Its class token is projected beside the text of the class into one space, where they
are compared by Euclidean distance. As in the public code, with its settings for UCF (VGGish and C3D features).
"""

from collections.abc import Mapping
from math import pi
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from avgzsl.data.clips import ClassTable, ClipSet, Sequences
from avgzsl.data.sequences import by_size
from avgzsl.errors import ConfigError
from avgzsl.learning.blocks import Block
from avgzsl.learning.cross_attention import CrossAttention, open_pairs
from avgzsl.learning.nets import dropout, linear_layer
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods import _networks
from avgzsl.methods._base import fitted
from avgzsl.methods._inputs import check_widths, dimensions
from avgzsl.methods._joint import JointMethod
from avgzsl.methods._networks import Setup
from avgzsl.methods._steps import Crop, Scaling, Steps, steps_of
from avgzsl.methods._tcaf_presets import PRESETS
from avgzsl.methods._text import TextScale
from avgzsl.support.device import pick_device
from avgzsl.types import MODALITIES, Modality

_FASTEST = 10.0  # deviation of the random frequencies, in 1/s
_AT_ONCE = 8192  # steps of clips that are embedded together, padding counted


class Networks(_networks.Networks):
    """Encoders of steps, what a step is told, the transformer, the projections and the decoders to text."""

    frequencies: Tensor

    def __init__(self, sizes: Mapping[str, int], method: "TCaF", generator: Generator) -> None:
        super().__init__()
        self.sizes = dict(sizes)
        m, g, width, place = method, generator, method.width, method.place
        self.encode = nn.ModuleDict(
            {mod: Block(sizes[mod], width, m.encoder_dropout, g, m.hidden) for mod in MODALITIES}
        )
        self.kind = nn.ParameterDict({mod: _normal(place, g) for mod in MODALITIES})
        self.padding = _normal(place, g)
        self.register_buffer("frequencies", _FASTEST * _normal((2, place // 2), g).data)
        self.time = linear_layer(place, place, g)
        self.join = nn.ModuleDict({mod: linear_layer(width + place, width, g) for mod in MODALITIES})
        self.place_dropout = m.place_dropout
        self.token = _normal(width, g)
        self.attend = CrossAttention(width, m.depth, m.heads, m.per_head, m.inner, m.attention_dropout, g)
        self.o_proj = Block(width, m.embedding, m.decoder_dropout, g, m.decoder_hidden)
        self.d_o = Block(m.embedding, sizes["text"], m.decoder_dropout, g, m.decoder_hidden)
        self.w_proj = Block(sizes["text"], m.embedding, m.text_dropout, g)
        self.d_w = Block(m.embedding, sizes["text"], m.text_dropout, g)

    def clips(self, steps: Mapping[Modality, Steps], generator: Generator | None) -> Float[Tensor, "b e"]:
        """theta_o: the class token in the common space; with a generator in training."""
        placed = [self.placed(m, steps[m], generator) for m in MODALITIES]
        token = self.token.to(placed[0].dtype).expand(len(placed[0]), 1, -1)
        sees = open_pairs(*(steps[m].there for m in MODALITIES))
        c = self.attend(torch.cat([token, *placed], 1), sees, generator)
        out: Tensor = self.o_proj(c, generator).float()
        return out

    def placed(self, modality: Modality, steps: Steps, generator: Generator | None) -> Float[Tensor, "b t w"]:
        """Encoded steps that were told their modality, their time, and whether they are padding.

        Padding goes through the encoder like any step, and counts in its statistics.
        """
        x: Tensor = self.encode[modality](steps.x.flatten(0, 1), generator)
        angle = 2 * pi * steps.time[..., None] * self.frequencies.sum(0)  # (t, t) R
        told = self.time(torch.cat([angle.sin(), angle.cos()], -1)) + self.kind[modality]
        told = told + self.padding * ~steps.there[..., None]
        joined = self.join[modality](torch.cat([x.view(*told.shape[:2], -1), told.to(x.dtype)], -1))
        return dropout(joined, self.place_dropout, generator)


def _normal(size: int | tuple[int, int], generator: Generator) -> nn.Parameter:
    return nn.Parameter(torch.empty(size).normal_(generator=generator))


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class TCaF(JointMethod[Networks], name="tcaf"):
    """Attention across the steps of sound and picture, drawn to the text of the class.

    L = CE(theta_o . theta_w of all seen classes, y) + L_reg + L_rec, all weights 1.
    """

    text_scale: TextScale = "raw"
    """Scaling of each part of the text of classes: raw, unit, or centred on the seen classes and then unit."""
    normalise: bool = False
    """Scale every step of audio and video to length 1, in place of the two scalings below."""
    audio_divisor: float = Field(default=255.0, gt=0, allow_inf_nan=False)
    """Sound is divided by it: VGGish features are whole numbers up to 255."""
    over_time: bool = True
    """As in the public code, scale each number of the picture to length 1 over the steps of a clip."""
    padding: Literal["longest", "fixed"] = "longest"
    """Pad a batch to the longest of its clips, or always to as many steps as are cropped to."""
    longest_training: int = Field(default=300, ge=1)
    """Most steps of picture of a clip in training; of a longer one as many are taken, from anywhere."""
    longest_test: int = Field(default=300, ge=1)
    """The same at test, from the middle."""
    audio_seconds: float = Field(default=0.96, gt=0, allow_inf_nan=False)
    """Seconds of a step of sound, by which its crop follows that of the picture."""
    video_seconds: float = Field(default=0.64, gt=0, allow_inf_nan=False)
    """Seconds of a step of picture."""
    test_times: Literal["number", "seconds"] = "number"
    """When a step is, at test: its number, as in the public code, or its seconds, as in training."""
    hidden: int = Field(default=512, ge=1)
    """Hidden units of the encoders."""
    width: int = Field(default=300, ge=1)
    """Numbers of an encoded step."""
    place: int = Field(default=64, ge=2)
    """Numbers that tell a step its modality, its time and whether it is padding; an even number."""
    depth: int = Field(default=6, ge=1)
    """Layers of the transformer."""
    heads: int = Field(default=8, ge=1)
    """Heads of its attention."""
    per_head: int = Field(default=64, ge=1)
    """Numbers of a head."""
    inner: int = Field(default=128, ge=1)
    """Hidden units of its perceptrons."""
    decoder_hidden: int = Field(default=512, ge=1)
    """Hidden units of the projection of clips and of its decoder."""
    embedding: int = Field(default=64, ge=1)
    """Dimension of the common space."""
    encoder_dropout: float = Field(default=0.3, ge=0, lt=1)
    """Dropout of the encoders (p_e)."""
    attention_dropout: float = Field(default=0.3, ge=0, lt=1)
    """Dropout in the transformer (p_attn)."""
    place_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout of steps that were told where they are (p_t)."""
    decoder_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of the projection of clips and of its decoder (p_d)."""
    text_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of the projection of text and of its decoder (p_w)."""
    optimiser: Literal["sgd", "adam"] = "adam"
    """Stochastic gradient descent with momentum, or Adam."""
    lr: float = Field(default=7e-5, gt=0, allow_inf_nan=False)
    """Learning rate of the first epoch."""
    weight_decay: float = Field(default=1e-5, ge=0, allow_inf_nan=False)
    """L2 penalty of the optimiser."""
    batch_size: int = Field(default=64, ge=1)
    """Clips in a step."""
    steps: int = Field(default=300, ge=0)
    """Steps of an epoch, however many clips there are; 0 is ceil(training clips / batch_size)."""
    epochs: int = Field(default=50, ge=1)
    """An epoch is `steps` steps."""
    milestones: tuple[int, ...] = ()
    """Epochs (counted from 0) from which the learning rate is multiplied by `decay` once more."""
    plateau: int = Field(default=3, ge=0)
    """Multiply the rate by `decay` when validation HM has not risen for more than so many looks at it; 0 is off."""
    replacement: bool = True
    """Draw each clip of a class anew (AVCA's batches), instead of every clip once before any comes again."""

    sequences = True
    citation: ClassVar[str] = "tcaf"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (7e-5, 3e-4, 1e-3),
        "depth": (1, 2, 4),
        "encoder_dropout": (0.1, 0.3, 0.5),
        "attention_dropout": (0.1, 0.3, 0.5),
        "decoder_dropout": (0.1, 0.3),
        "text_dropout": (0.1, 0.3),
        "text_scale": ("raw", "centred"),
        "over_time": (True, False),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.place % 2:
            raise ConfigError(f"place={self.place}: half of it are sines and half cosines; give an even number")

    def build(self, sizes: Mapping[str, int], generator: Generator) -> Networks:
        """The method's networks, with weights from the generator."""
        return Networks(sizes, self, generator)

    def prepare(self, train: ClipSet, classes: ClassTable, job: Job) -> Setup[Networks]:
        """As any method, but that the steps of clips stay where they are. Raises ConfigError."""
        device = pick_device(job.device)
        networks = self.build(dimensions(train, classes), Generator().manual_seed(job.seed)).to(device)
        labels, text = train.labels.to(device), classes.text.to(device, torch.float32)
        data = TrainSet({}, {}, {}, labels, text, steps=steps_of(train))
        return Setup(networks, data, self.sampler(labels, len(classes)), Generator(device).manual_seed(job.seed), job)

    def read(
        self,
        steps: Mapping[Modality, Sequences],
        rows: Int[Tensor, " b"],
        generator: Generator | None,
        device: torch.device,
    ) -> dict[Modality, Steps]:
        """A batch of clips, cropped, padded and scaled; with a generator as in training."""
        training = generator is not None
        longest = self.longest_training if training else self.longest_test
        crop = Crop.of(longest, self.audio_seconds, self.video_seconds, self.padding == "fixed")
        batch = crop.read(steps, rows, generator, device, training or self.test_times == "seconds")
        scale = Scaling(self.audio_divisor, self.over_time, self.normalise)
        return {m: own._replace(x=scale(m, own.x)) for m, own in batch.items()}

    def loss(self, data: TrainSet, rows: Int[Tensor, " b"], generator: Generator | None) -> dict[str, Tensor]:
        """The cross-entropy, l_reg and l_rec by name, on a batch of clips.

        Batch normalisation sees text twice a step, as in the public code: a row a clip, and a row a class.
        """
        networks: Networks = fitted(self.networks_, self)
        labels = data.labels[rows]
        theta_o = networks.clips(self.read(data.steps, rows, generator, labels.device), generator)
        w = data.text[labels]
        theta_w = self.embed_names(networks, w, generator)
        rho_o, rho_w = networks.d_o(theta_o, generator).float(), networks.d_w(theta_w, generator).float()
        scores = theta_o @ self.embed_names(networks, data.text, generator).T
        return {
            "ce": cross_entropy(scores, labels),
            "reg": mse_loss(theta_o, theta_w),
            "rec": mse_loss(rho_o, w) + mse_loss(rho_w, w),
        }

    def embed_whole(self, networks: Networks, clips: ClipSet) -> Float[Tensor, "n e"]:
        """Clips that have both modalities in the common space, a few of about one length at a time."""
        check_widths(clips, networks.sizes)
        device = networks.token.device
        out = torch.zeros(len(clips), self.embedding, device=device)
        if len(clips) == 0:
            return out
        steps = steps_of(clips)
        for rows in by_size(self._read_at_test(steps), _AT_ONCE):
            out[rows.to(device)] = networks.clips(self.read(steps, rows, None, device), None)
        return out

    def _read_at_test(self, steps: Mapping[Modality, Sequences]) -> Int[Tensor, " n"]:
        """How many steps of each clip, of both modalities, are left of it at test."""
        return torch.stack([own.length.clamp(max=self.longest_test) for own in steps.values()]).sum(0)

    def embed_joint(
        self, networks: Networks, features: Mapping[Modality, Float[Tensor, "n _d"]], generator: Generator | None = None
    ) -> Float[Tensor, "n e"]:
        """theta_o of clips of one step each."""
        scale = Scaling(self.audio_divisor, self.over_time, self.normalise)

        def one(m: Modality) -> Steps:
            x = scale(m, features[m][:, None])
            return Steps(x, x.new_ones(len(x), 1, dtype=torch.bool), x.new_zeros(len(x), 1))

        return networks.clips({m: one(m) for m in MODALITIES}, generator)

    def embed_names(
        self, networks: Networks, text: Float[Tensor, "c t"], generator: Generator | None = None
    ) -> Float[Tensor, "c e"]:
        """theta_w."""
        out: Tensor = networks.w_proj(text, generator).float()
        return out
