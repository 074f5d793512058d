"""Attention over the modalities: how much a clip's video counts against its audio (CJME; AVGZSLNet w/ attn).

The weight alpha of video is read off the raw features of a clip, and taught, without labels, to favour the modality
whose embedding is the more certain of its class. A clip that lacks a modality teaches nothing and is not weighted.
"""

from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn

from avgzsl.learning.losses import attention_loss, attention_target
from avgzsl.learning.nets import Attention
from avgzsl.learning.sampling import ClipSampler
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS, Job, Schedule, Stage, train

_BATCH = 256


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class AttentionSettings:
    """Hyper-parameters of the attention."""

    attention: Literal["none", "posthoc", "joint"] = "posthoc"
    """Weights of the modalities per clip: none, fitted to the finished networks, or trained with them."""
    attention_mode: Literal["soft", "hard"] = "soft"
    """At test time use the weight as it is, or the one modality that it favours (video at 1/2)."""
    attention_loss: Literal["mse", "bce"] = "mse"
    """Penalty on the weight's distance from its target."""
    attention_threshold: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    """Entropies (nats) must differ by more than this for one modality to be the target."""
    attention_epochs: int = Field(default=20, ge=1)
    """Epochs of the post-hoc fit."""
    attention_lr: float = Field(default=0.001, gt=0, allow_inf_nan=False)
    """Its learning rate (Adam, batches of 256 clips)."""


def train_posthoc(
    whole: nn.Module,
    attention: Attention,
    embedded: tuple[Float[Tensor, "k e"], Float[Tensor, "k e"]],
    text: Float[Tensor, "c e"],
    data: TrainSet,
    settings: AttentionSettings,
    generator: Generator,
    job: Job,
) -> None:
    """Fit the attention alone, by L_attn on the k training clips that have both modalities.

    `embedded` holds these clips' audio and video embeddings from the finished networks, `text` the embedded classes.
    """
    rows = both_present(data)
    target = torch.zeros(len(data.labels), device=rows.device)
    target[rows] = attention_target(*embedded, text, settings.attention_threshold)
    schedule = Schedule(
        optimiser="adam", lr=settings.attention_lr, epochs=settings.attention_epochs, milestones=(), batch_size=_BATCH
    )

    def loss(batch: Tensor) -> dict[str, Tensor]:
        alpha = attention(data.feature["audio"][batch], data.feature["video"][batch], training=len(batch) > 1)
        return {"attention": attention_loss(alpha, target[batch], settings.attention_loss).mean()}

    sampler = ClipSampler(rows, _BATCH)
    train(Stage(1, "attention", whole, attention, sampler, loss, schedule, generator), replace(job, monitor=None))


def joint_weights(
    attention: Attention,
    embedded: tuple[Float[Tensor, "m e"], Float[Tensor, "m e"]],
    text: Float[Tensor, "c e"],
    rows: Int[Tensor, " m"],
    data: TrainSet,
    settings: AttentionSettings,
) -> tuple[Float[Tensor, " m"], Float[Tensor, ""]]:
    """alpha for each of the clips `rows` of a step, 1/2 for those that lack a modality, and L_attn over the others.

    The target is made from the step's own embeddings, detached.
    """
    alpha = embedded[0].new_full((len(rows),), 0.5)
    if data.complete["audio"] and data.complete["video"]:  # a search for those that have both would be waited for
        full = torch.arange(len(rows), device=rows.device)
    else:
        full = (data.has["audio"][rows] & data.has["video"][rows]).nonzero().squeeze(1)
    if len(full) < 2:  # batch statistics need two clips
        return alpha, alpha.new_zeros(())
    audio, video = (z.detach()[full] for z in embedded)
    target = attention_target(audio, video, text.detach(), settings.attention_threshold)
    weight = attention(data.feature["audio"][rows[full]], data.feature["video"][rows[full]], training=True)
    penalty = attention_loss(weight, target, settings.attention_loss).mean()
    return alpha.index_copy(0, full, weight), penalty


def video_weight(
    attention: Attention, audio: Float[Tensor, "n a"], video: Float[Tensor, "n v"], settings: AttentionSettings
) -> Float[Tensor, " n"]:
    """The weight of video at test time."""
    alpha: Tensor = attention(audio, video)
    return (alpha >= 0.5).to(alpha.dtype) if settings.attention_mode == "hard" else alpha


def both_present(data: TrainSet) -> Int[Tensor, " k"]:
    """Rows of the clips that have both modalities."""
    return (data.has["audio"] & data.has["video"]).nonzero().squeeze(1)
