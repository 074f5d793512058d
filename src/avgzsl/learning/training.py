"""The one training loop: schedule, history, checkpoint, resume, device.

A method hands over what is trained (`modules`), where batches come from (`sampler`) and what is minimised (`loss`);
the loop knows no method. Stages follow one another in one checkpoint, so that a fit of several (a network, then its
attention) resumes as a whole.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as settings
from torch import Generator, Tensor, nn

from avgzsl.errors import ConfigError
from avgzsl.learning.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from avgzsl.learning.optimisers import SGD, Adam, Optimiser
from avgzsl.learning.sampling import ClassPrior
from avgzsl.learning.step_graph import RecordedStep, record_on_cuda
from avgzsl.learning.turns import Gradients, Terms, Turn, optimiser_tensors, restore_optimisers, step_of, step_through
from avgzsl.support.progress import Progress, Step
from avgzsl.support.weights import Encoder

SETTINGS = ConfigDict(extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True)
Record = dict[str, Any]
_THRESHOLD = 1e-4  # of the best HM, which a look has to exceed


@settings(config=SETTINGS, kw_only=True)
class Schedule:
    """Hyper-parameters of the loop; the defaults are the official AVGZSLNet script's."""

    optimiser: Literal["sgd", "adam"] = "sgd"
    """Stochastic gradient descent with momentum, or Adam."""
    lr: float = Field(default=0.3, gt=0, allow_inf_nan=False)
    """Learning rate of the first epoch."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of sgd, and the first beta of adam (the second is 0.999)."""
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """L2 penalty of the optimiser."""
    batch_size: int = Field(default=4096, ge=1)
    """Tuples in a step."""
    epochs: int = Field(default=200, ge=1)
    """An epoch is `steps` steps."""
    steps: int = Field(default=0, ge=0)
    """Steps of an epoch, however many clips there are; 0 is ceil(training clips / batch_size)."""
    milestones: tuple[int, ...] = (75, 125, 175)
    """Epochs (counted from 0) from which the learning rate is multiplied by `decay` once more."""
    plateau: int = Field(default=0, ge=0)
    """Multiply the rate by `decay` when validation HM has not risen for more than so many looks at it; 0 is off.

    Without validation the rate stays."""
    decay: float = Field(default=0.1, gt=0, le=1)
    """Factor at each milestone and plateau."""
    class_prior: ClassPrior = "uniform"
    """How often a class is drawn: each alike, or in proportion to its clips."""
    replacement: bool = False
    """Draw each clip of a class anew (AVCA's batches), instead of every clip once before any comes again."""
    precision: Literal["float32", "bf16"] = "float32"
    """bf16 runs matrix products in bfloat16 (autocast); weights stay float32."""
    patience: int = Field(default=0, ge=0)
    """Early stopping: end when the monitor's HM has not risen for so many monitored epochs, keep the best; 0 is off."""

    @property
    def feature_type(self) -> torch.dtype:
        """Type in which training features are kept: half the memory traffic where products are bfloat16 anyway."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32


@dataclass(frozen=True)
class Job:
    """How a fit is run, as opposed to what is fitted: none of it but the seed changes the result on one device.

    `monitor` is called with no argument after every `monitor_every` epochs and at the last, and its numbers enter the
    history; it must not change the method. `progress` hears of every epoch: its task is the name of the stage, its
    figures are the numbers that enter the history. `checkpoint` is a file to resume from if it is there, written at
    most every `checkpoint_seconds`. With `overwrite` the caller gives its clips away: training may scale them where
    they stand, which spares a copy. `encoders` are those of `audio`, `video` and `text`, where the data knows them, and
    `models` the folder of their weights: a method that learns little looks at what the features are. `all_text` is the
    text of all classes that the data names, unseen ones included, one row each: for `text_prepare=ez-all-names` alone.
    With `record_steps`, written-out steps on a GPU are recorded once and replayed (`learning/step_graph.py`).
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
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    models: Path | None = None
    all_text: Tensor | None = field(default=None, compare=False)
    record_steps: bool = True


@runtime_checkable
class Sampler(Protocol):
    """Where an epoch's batches come from, with a state that a checkpoint keeps."""

    def epoch(self, generator: Generator) -> Iterable[Any]: ...
    def state(self) -> dict[str, Tensor]: ...
    def restore(self, state: dict[str, Tensor]) -> None: ...


@dataclass(frozen=True)
class Stage:
    """A part of a fit: `loss` is minimised over the weights of `trained`, a part of `whole`, on batches of `sampler`.

    `loss` gives its terms by name, which are added; `further` turns of a step have weights and a loss of their own, and
    an optimiser each. Stages of a fit share a checkpoint, in the order of their `number`; `generator` is all the
    randomness that sampler and losses have. `written` is that of the first turn (`learning.turns.Turn`).
    """

    number: int
    name: str
    whole: nn.Module
    trained: nn.Module
    sampler: Sampler
    loss: Callable[[Any], Mapping[str, Tensor]]
    schedule: Schedule
    generator: Generator
    further: tuple[Turn, ...] = ()
    written: Callable[[Any], tuple[Terms, Gradients]] | None = None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All turns of a step, in their order."""
        return Turn(self.trained, self.loss, written=self.written), *self.further


def train(stage: Stage, job: Job) -> None:
    """Run a stage to its end.

    Appends one record an epoch (stage, epoch, lr, mean of each term, the monitor's numbers) to `job.history`. With a
    checkpoint of this stage it goes on from there, with one of a later stage it restores `whole` and returns: either
    way the end is the same, byte for byte, as without interruption. Raises ConfigError when early stopping has no
    monitor to go by.
    """
    schedule = stage.schedule
    if schedule.patience and job.monitor is None:
        raise ConfigError(
            f"patience={schedule.patience} stops by validation HM, but there is no validation; set it to 0"
        )
    optimisers = [_optimiser(schedule, turn) for turn in stage.turns]
    loop = _Loop(stage, job, optimisers, _steps(stage, job, optimisers))
    loop.resume()
    if loop.finished:
        return
    started, first = time.monotonic(), loop.epoch
    while loop.epoch < schedule.epochs and not _out_of_patience(loop.records(), schedule.patience):
        record = loop.run_epoch()
        if job.progress is not None:
            pace = (time.monotonic() - started) / (loop.epoch - first)
            figures = {key: value for key, value in record.items() if key not in ("stage", "epoch")}
            left = pace * (schedule.epochs - loop.epoch)
            job.progress(Step(stage.name, loop.epoch, schedule.epochs, left, figures=figures))
        loop.save(force=loop.epoch == schedule.epochs)
    if schedule.patience and loop.best:
        stage.whole.load_state_dict(loop.best)
    loop.finished = True
    loop.save(force=True)


def learning_rate(schedule: Schedule, epoch: int, looks: Sequence[float] = ()) -> float:
    """The rate of an epoch counted from 0, after these looks at validation HM."""
    drops = sum(epoch >= milestone for milestone in schedule.milestones) + plateaus(looks, schedule.plateau)
    return schedule.lr * schedule.decay**drops


def plateaus(looks: Sequence[float], patience: int) -> int:
    """How often a rate was lowered: each time that more than `patience` looks in a row were none above the best.

    As PyTorch's ReduceLROnPlateau in mode max with its threshold of 1e-4 of the best; from the history alone, so that
    a training that goes on needs no state of a scheduler. A patience of 0 is never.
    """
    best, bad, drops = float("-inf"), 0, 0
    for value in looks if patience else ():
        if value > best * (1 + _THRESHOLD):
            best, bad = value, 0
        else:
            bad += 1
        if bad > patience:
            bad, drops = 0, drops + 1
    return drops


def _optimiser(schedule: Schedule, turn: Turn) -> Optimiser:
    make = Adam if schedule.optimiser == "adam" else SGD
    return make(turn.trained.parameters(), schedule.lr, schedule.momentum, schedule.weight_decay)


def _steps(stage: Stage, job: Job, optimisers: Sequence[Optimiser]) -> list[Callable[[Any], Terms]]:
    """The step of each turn; recorded on a GPU where it is written out, for its course then hangs on no value."""
    device, bf16 = stage.generator.device, stage.schedule.precision == "bf16"
    precision = partial(torch.autocast, device.type, torch.bfloat16) if bf16 else nullcontext
    steps: list[Callable[[Any], Terms]] = []
    for turn, optimiser in zip(stage.turns, optimisers, strict=True):
        step = step_of(turn, optimiser, precision)
        recorded = _records(device) and job.record_steps and turn.written is not None
        steps.append(RecordedStep(step, optimiser, stage.generator, record_on_cuda) if recorded else step)
    return steps


def _records(device: torch.device) -> bool:
    return device.type == "cuda"


def _check_finite(stage: Stage, means: Mapping[str, float]) -> None:
    """Raises ConfigError when the loss diverges."""
    bad = [key for key, value in means.items() if not isfinite(value)]
    finite = [torch.isfinite(weight).all() for turn in stage.turns for weight in turn.trained.parameters()]
    if bad or not bool(torch.stack(finite).all()):
        what, lr = ", ".join(bad) or "weights", stage.schedule.lr
        raise ConfigError(f"the loss is no longer finite ({what}); lr={lr} is too high here, lower it")


def _out_of_patience(records: list[Record], patience: int) -> bool:
    """Whether the last `patience` monitored epochs brought no HM above what came before."""
    scores = [record["val_HM"] for record in records if "val_HM" in record]
    return bool(patience) and len(scores) > patience and max(scores[-patience:]) <= max(scores[:-patience])


@dataclass
class _Loop:
    """Where a stage stands, and how that is saved and restored."""

    stage: Stage
    job: Job
    optimisers: list[Optimiser]
    steps: list[Callable[[Any], Terms]]
    epoch: int = 0
    finished: bool = False
    best: dict[str, Tensor] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)

    def records(self) -> list[Record]:
        return [record for record in self.job.history if record["stage"] == self.stage.name]

    def looks(self) -> list[float]:
        return [record["val_HM"] for record in self.records() if "val_HM" in record]

    def best_hm(self) -> float:
        return max(self.looks(), default=float("-inf"))

    def run_epoch(self) -> Record:
        """Train for an epoch and look at validation where it is time; the record, which is in the history."""
        stage, job, schedule = self.stage, self.job, self.stage.schedule
        rate = learning_rate(schedule, self.epoch, self.looks())
        for optimiser in self.optimisers:
            optimiser.rate = rate
        terms = step_through(stage.turns, self.steps, stage.sampler.epoch(stage.generator))
        _check_finite(stage, terms)
        self.epoch += 1
        record: Record = {"stage": stage.name, "epoch": self.epoch, "lr": rate, "loss": sum(terms.values()), **terms}
        if job.monitor is not None and (self.epoch == schedule.epochs or self.epoch % job.monitor_every == 0):
            record |= dict(job.monitor())
            if schedule.patience and record["val_HM"] > self.best_hm():
                self.best = {key: value.clone() for key, value in stage.whole.state_dict().items()}
        job.history.append(record)
        return record

    def save(self, force: bool) -> None:
        path = self.job.checkpoint
        if path is None or not (force or time.monotonic() - self.saved_at >= self.job.checkpoint_seconds):
            return
        tensors = {
            "module": self.stage.whole.state_dict(),
            "best": self.best,
            "sampler": self.stage.sampler.state(),
            "generator": {"state": self.stage.generator.get_state()},
            **optimiser_tensors(self.optimisers),
        }
        write_checkpoint(path, Checkpoint(self.stage.number, self.epoch, self.finished, self.job.history, tensors))
        self.saved_at = time.monotonic()

    def resume(self) -> None:
        path, stage = self.job.checkpoint, self.stage
        if path is None or not path.exists():
            return
        saved = read_checkpoint(path)
        if saved.stage < stage.number:
            return
        stage.whole.load_state_dict(saved.tensors["module"])
        self.job.history[:] = saved.history
        stage.generator.set_state(saved.tensors["generator"]["state"])
        self.finished = saved.stage > stage.number or saved.finished
        if saved.stage == stage.number:
            self.epoch, self.best = saved.epoch, saved.tensors["best"]
            stage.sampler.restore(saved.tensors["sampler"])
            restore_optimisers(self.optimisers, saved.tensors)
