"""The one training loop: schedule, history, checkpoint, resume, device.

A method hands over what is trained (`modules`), where batches come from (`sampler`) and what is minimised (`loss`);
the loop knows no method. Stages follow one another in one checkpoint, so that a fit of several (a network, then its
attention) resumes as a whole.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as settings
from torch import Generator, Tensor, nn

from avgzsl.errors import ConfigError
from avgzsl.learning.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from avgzsl.learning.sampling import ClassPrior

SETTINGS = ConfigDict(extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True)
Record = dict[str, Any]


@settings(config=SETTINGS, kw_only=True)
class Schedule:
    """Hyper-parameters of the loop; the defaults are the official AVGZSLNet script's."""

    optimiser: Literal["sgd", "adam"] = "sgd"
    """Stochastic gradient descent with momentum, or Adam."""
    lr: float = Field(default=0.3, gt=0, allow_inf_nan=False)
    """Learning rate of the first epoch."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of sgd; adam keeps its own (0.9, 0.999)."""
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """L2 penalty of the optimiser."""
    batch_size: int = Field(default=4096, ge=1)
    """Tuples in a step."""
    epochs: int = Field(default=200, ge=1)
    """An epoch is ceil(training clips / batch_size) steps."""
    milestones: tuple[int, ...] = (75, 125, 175)
    """Epochs (counted from 0) from which the learning rate is multiplied by `decay` once more."""
    decay: float = Field(default=0.1, gt=0, le=1)
    """Factor at each milestone."""
    class_prior: ClassPrior = "uniform"
    """How often a class is drawn: each alike, or in proportion to its clips."""
    precision: Literal["float32", "bf16"] = "float32"
    """bf16 runs matrix products in bfloat16 (autocast); weights stay float32."""
    patience: int = Field(default=0, ge=0)
    """Early stopping: end when the monitor's HM has not risen for so many monitored epochs, keep the best; 0 is off."""

    @property
    def feature_type(self) -> torch.dtype:
        """Type in which training features are kept: half the memory traffic where products are bfloat16 anyway."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32


# told once an epoch: stage, epochs done, epochs in all, the record of the epoch, seconds left
Progress = Callable[[str, int, int, Record, float], None]


@dataclass(frozen=True)
class Job:
    """How a fit is run, as opposed to what is fitted: none of it but the seed changes the result on one device.

    `monitor` is called with no argument after every `monitor_every` epochs and at the last, and its numbers enter the
    history; it must not change the method. `checkpoint` is a file to resume from if it is there, written at most every
    `checkpoint_seconds`. With `overwrite` the caller gives its clips away: training may scale them where they stand,
    which spares a copy.
    """

    seed: int = 0
    device: str = "auto"
    monitor: Callable[[], Mapping[str, float]] | None = None
    monitor_every: int = 10
    progress: Progress | None = None
    checkpoint: Path | None = None
    checkpoint_seconds: float = 10.0
    overwrite: bool = False
    history: list[Record] = field(default_factory=list)


@runtime_checkable
class Sampler(Protocol):
    """Where an epoch's batches come from, with a state that a checkpoint keeps."""

    def epoch(self, generator: Generator) -> Iterable[Any]: ...
    def state(self) -> dict[str, Tensor]: ...
    def restore(self, state: dict[str, Tensor]) -> None: ...


def train(
    stage: int,
    name: str,
    whole: nn.Module,
    trained: nn.Module,
    sampler: Sampler,
    loss: Callable[[Any], Mapping[str, Tensor]],
    schedule: Schedule,
    generator: Generator,
    job: Job,
) -> None:
    """Minimise the sum of the terms of `loss` over the weights of `trained`, a part of `whole`.

    Appends one record an epoch (stage, epoch, lr, mean of each term, the monitor's numbers) to `job.history`. With a
    checkpoint of this stage it goes on from there, with one of a later stage it restores `whole` and returns: either
    way the end is the same, byte for byte, as without interruption. Raises ConfigError when early stopping has no
    monitor to go by.
    """
    if schedule.patience and job.monitor is None:
        raise ConfigError(
            f"patience={schedule.patience} stops by validation HM, but there is no validation; set it to 0"
        )
    optimiser = _optimiser(schedule, trained)
    state = _Loop(stage, name, whole, optimiser, sampler, generator, job)
    state.resume()
    if state.finished:
        return
    started, first = time.monotonic(), state.epoch
    while state.epoch < schedule.epochs and not _out_of_patience(state.records(), schedule.patience):
        rate = learning_rate(schedule, state.epoch)
        for group in optimiser.param_groups:
            group["lr"] = rate
        terms = _run_epoch(trained, optimiser, sampler.epoch(generator), loss, schedule, generator.device)
        state.epoch += 1
        record: Record = {"stage": name, "epoch": state.epoch, "lr": rate, "loss": sum(terms.values()), **terms}
        last = state.epoch == schedule.epochs
        if job.monitor is not None and (last or state.epoch % job.monitor_every == 0):
            record |= dict(job.monitor())
            if schedule.patience and record["val_HM"] > state.best_hm():
                state.best = {key: value.clone() for key, value in whole.state_dict().items()}
        job.history.append(record)
        if job.progress is not None:
            pace = (time.monotonic() - started) / (state.epoch - first)
            job.progress(name, state.epoch, schedule.epochs, record, pace * (schedule.epochs - state.epoch))
        state.save(force=last)
    if schedule.patience and state.best:
        whole.load_state_dict(state.best)
    state.finished = True
    state.save(force=True)


def learning_rate(schedule: Schedule, epoch: int) -> float:
    """The rate of an epoch counted from 0."""
    return schedule.lr * schedule.decay ** sum(epoch >= milestone for milestone in schedule.milestones)


def _optimiser(schedule: Schedule, module: nn.Module) -> torch.optim.Optimizer:
    if schedule.optimiser == "adam":
        return torch.optim.Adam(module.parameters(), schedule.lr, weight_decay=schedule.weight_decay)
    return torch.optim.SGD(
        module.parameters(), schedule.lr, momentum=schedule.momentum, weight_decay=schedule.weight_decay
    )


def _run_epoch(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: Iterable[Any],
    loss: Callable[[Any], Mapping[str, Tensor]],
    schedule: Schedule,
    device: torch.device,
) -> dict[str, float]:
    """One pass over the batches; the mean of each term over the steps. Raises ConfigError when the loss diverges."""
    sums: dict[str, Tensor] = {}
    steps = 0
    bf16 = schedule.precision == "bf16"
    for batch in batches:
        with torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext():
            terms = loss(batch)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
        steps += 1
        for key, value in terms.items():
            sums[key] = sums.get(key, torch.zeros((), device=device)) + value.detach()
    means = {key: float(value) / steps for key, value in sums.items()}
    bad = [key for key, value in means.items() if not isfinite(value)]
    if bad or not all(bool(torch.isfinite(weight).all()) for weight in module.parameters()):
        what = ", ".join(bad) or "weights"
        raise ConfigError(f"the loss is no longer finite ({what}); lr={schedule.lr} is too high here, lower it")
    return means


def _out_of_patience(records: list[Record], patience: int) -> bool:
    """Whether the last `patience` monitored epochs brought no HM above what came before."""
    scores = [record["val_HM"] for record in records if "val_HM" in record]
    return bool(patience) and len(scores) > patience and max(scores[-patience:]) <= max(scores[:-patience])


@dataclass
class _Loop:
    """Where the loop stands, and how that is saved and restored."""

    stage: int
    name: str
    whole: nn.Module
    optimiser: torch.optim.Optimizer
    sampler: Sampler
    generator: Generator
    job: Job
    epoch: int = 0
    finished: bool = False
    best: dict[str, Tensor] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)

    def records(self) -> list[Record]:
        return [record for record in self.job.history if record["stage"] == self.name]

    def best_hm(self) -> float:
        return max((record["val_HM"] for record in self.records() if "val_HM" in record), default=float("-inf"))

    def save(self, force: bool) -> None:
        path = self.job.checkpoint
        if path is None or not (force or time.monotonic() - self.saved_at >= self.job.checkpoint_seconds):
            return
        tensors = {
            "module": self.whole.state_dict(),
            "best": self.best,
            "sampler": self.sampler.state(),
            "generator": {"state": self.generator.get_state()},
        }
        optimiser = self.optimiser.state_dict()["state"]
        slots = ((f"{i}/{key}", value) for i, part in optimiser.items() for key, value in part.items())
        tensors["optimiser"] = {key: value for key, value in slots if value is not None}
        write_checkpoint(path, Checkpoint(self.stage, self.epoch, self.finished, self.job.history, tensors))
        self.saved_at = time.monotonic()

    def resume(self) -> None:
        path = self.job.checkpoint
        if path is None or not path.exists():
            return
        saved = read_checkpoint(path)
        if saved.stage < self.stage:
            return
        self.whole.load_state_dict(saved.tensors["module"])
        self.job.history[:] = saved.history
        self.generator.set_state(saved.tensors["generator"]["state"])
        self.finished = saved.stage > self.stage or saved.finished
        if saved.stage == self.stage:
            self.epoch, self.best = saved.epoch, saved.tensors["best"]
            self.sampler.restore(saved.tensors["sampler"])
            slots: dict[int, dict[str, Tensor]] = {}
            for key, value in saved.tensors["optimiser"].items():
                index, slot = key.split("/")
                slots.setdefault(int(index), {})[slot] = value
            self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": slots})
