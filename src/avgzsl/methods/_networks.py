"""What every method shares that trains networks: how they are built, trained, kept and restored.

A method says which networks it has (`build`) and what its loss on a batch is (`loss`), and calls `prepare` and
`fit_networks` from its `learn_from`.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass as plain_dataclass
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Int
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.learning.sampling import PairSampler
from avgzsl.learning.train_set import TrainSet, load_train_set
from avgzsl.learning.training import SETTINGS, Job, Schedule, Stage, train
from avgzsl.learning.turns import Gradients, Terms, Turn
from avgzsl.methods._base import Method, fitted
from avgzsl.methods._inputs import dimensions
from avgzsl.support.device import pick_device


class Networks(nn.Module):
    """Networks that know what they were made for: `sizes` of audio, video and text, of what they read."""

    sizes: dict[str, int]


Nets = TypeVar("Nets", bound=Networks)


@plain_dataclass(frozen=True, eq=False)
class Setup(Generic[Nets]):
    """What a fit starts from."""

    networks: Nets
    data: TrainSet
    sampler: PairSampler
    generator: Generator
    job: Job


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class NetworkMethod(Schedule, Method, Generic[Nets]):
    """Training and state of networks; `networks_` are there from the beginning of a fit, for a monitor to look at."""

    normalise: bool = True
    """Scale audio and video features to length 1 before anything else."""

    def __post_init__(self) -> None:
        self.networks_: Nets | None = None

    @abstractmethod
    def build(self, sizes: Mapping[str, int], generator: Generator) -> Nets:
        """The method's networks, with weights from the generator; `sizes` are those of audio, video and text."""

    @abstractmethod
    def loss(self, data: TrainSet, batch: Int[Tensor, "..."], generator: Generator | None) -> Mapping[str, Tensor]:
        """The terms of the loss by name, on a batch as the sampler gives it; no generator means no dropout."""

    def sampler(self, labels: Int[Tensor, " n"], classes: int) -> PairSampler:
        """Where batches come from: by default tuples of two clips, p in row 0 and q of another class in row 1."""
        return PairSampler(labels, classes, self.batch_size, self.class_prior, self.steps, self.replacement)

    def prepare(self, train: ClipSet, classes: ClassTable, job: Job) -> Setup[Nets]:
        """Networks, data on the device, sampler and generator, all from the job's seed. Raises ConfigError."""
        device = pick_device(job.device)
        # weights are drawn on the CPU, so that every device starts from the same
        sizes = dimensions(train, classes)
        networks = self.build(sizes, Generator().manual_seed(job.seed)).to(device)
        data = load_train_set(train, classes, self.normalise, device, self.feature_type, job.overwrite)
        sampler = self.sampler(data.labels, len(classes))
        return Setup(networks, data, sampler, Generator(device).manual_seed(job.seed), job)

    def further(self, setup: Setup[Nets]) -> tuple[Turn, ...]:
        """Turns of a step after the one of `loss`: other weights, by another loss. By default there are none."""
        return ()

    def written(self, setup: Setup[Nets]) -> Callable[[Int[Tensor, "..."]], tuple[Terms, Gradients]] | None:
        """The terms of `loss` on a batch with the gradient of their sum by each weight, where a method writes it out.

        By default, and where a method's settings or data ask for more than it wrote out, there is none.
        """
        return None

    def fit_networks(self, setup: Setup[Nets], trained: nn.Module | None = None) -> None:
        """The first stage of a fit: the weights of `trained`, some or (None) all of the networks."""
        self.networks_ = setup.networks

        def loss(batch: Tensor) -> Mapping[str, Tensor]:
            return self.loss(setup.data, batch, setup.generator)

        whole, generator = setup.networks, setup.generator
        further, written = self.further(setup), self.written(setup)
        train(
            Stage(0, "networks", whole, trained or whole, setup.sampler, loss, self, generator, further, written),
            setup.job,
        )

    def learned(self) -> dict[str, Tensor]:
        """Weights of all networks."""
        networks: Nets = fitted(self.networks_, self)
        return {name: value.detach().cpu() for name, value in networks.state_dict().items()}

    def restore_learned(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        """Weights of all networks, from `state`: none are made, of whatever size, before those there are fit."""
        with torch.device("meta"):
            networks = self.build(sizes, Generator())
        own = networks.state_dict()
        if strange := [name for name, value in state.items() if name in own and value.dtype != own[name].dtype]:
            raise RuntimeError(f"{strange[0]} has {state[strange[0]].dtype} in place of {own[strange[0]].dtype}")
        given: dict[str, Any] = dict(state)
        networks.load_state_dict(given, assign=True)
        self.networks_ = networks


def summed(parts: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """The terms of a loss by name, in the order in which they first come; parts of one name are added."""
    by_name: dict[str, list[Tensor]] = {}
    for name, value in parts:
        by_name.setdefault(name, []).append(value)
    return {name: torch.stack(values).sum() for name, values in by_name.items()}
