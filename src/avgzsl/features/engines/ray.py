"""A Ray cluster: each actor decodes and embeds whole batches, with backbones of its own.

The cluster is the one that RAY_ADDRESS names or that runs on this machine, else one is started here. Clips and weights
lie under the same paths on every machine.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from avgzsl.errors import AvgzslError
from avgzsl.features.embedding import Backbones, Outcome, Task, embed_batch, requests
from avgzsl.features.engines import BackboneSetup, load_backbones
from avgzsl.support.device import one_thread
from avgzsl.support.registry import require
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality

DESCRIPTION = "a Ray cluster (extra `cluster`): decoding and embedding on every machine, from files that all can read"
_QUEUED = 2  # batches an actor, so that none waits for the next
_PATIENCE = 3600.0  # seconds for the oldest batch under way: Ray itself waits for ever for a machine that it lacks


class Worker:
    """What an actor holds: its backbones, and a process that decodes."""

    def __init__(self, setup: BackboneSetup, weights: Mapping[Modality, tuple[WeightFile, ...]]) -> None:
        from avgzsl.media.workers import Decoders

        self.setup, self.weights, self.decoders = setup, weights, Decoders(1)

    @cached_property
    def backbones(self) -> Backbones:
        """Loaded with the first batch: of what goes wrong in `__init__`, Ray keeps no exception."""
        return load_backbones(self.setup, self.weights)

    def embed(self, batch: list[Task]) -> list[Outcome]:
        """The outcomes of a batch."""
        with one_thread():
            decoded = list(self.decoders.map(requests(batch, self.backbones)))
            return embed_batch(decoded, self.backbones, self.setup.keep_sequence)


def run(batches: Iterable[list[Task]], setup: BackboneSetup, backbones: Backbones) -> Iterator[list[Outcome]]:
    """The outcomes of each batch, in order. A batch whose actor died is done by the next one.

    Raises ConfigError when Ray is not installed, AvgzslError when the cluster is lost or cannot run an actor.
    """
    ray = require("ray", "cluster")
    started_here = not ray.is_initialized()
    if started_here:
        ray.init(log_to_driver=False, include_dashboard=False, logging_level="error")
    try:
        yield from _mapped(ray, batches, setup, backbones)
    finally:
        if started_here:
            ray.shutdown()


def _mapped(
    ray: Any, batches: Iterable[list[Task]], setup: BackboneSetup, backbones: Backbones
) -> Iterator[list[Outcome]]:
    cluster = ray.cluster_resources()
    gpu = setup.device.startswith("cuda") or (setup.device == "auto" and cluster.get("GPU", 0) >= 1)
    count = setup.workers or max(1, int(cluster.get("GPU" if gpu else "CPU", 1)))
    options = {"num_cpus": 1, "num_gpus": int(gpu), "max_restarts": -1, "max_task_retries": 3}
    actor = ray.remote(**options)(Worker)
    weights = {modality: backbone.weights for modality, backbone in backbones.items()}
    actors = [actor.remote(setup, weights) for _ in range(count)]
    under_way: deque[Any] = deque()
    for number, batch in enumerate(batches):
        under_way.append(actors[number % count].embed.remote(batch))
        if len(under_way) >= _QUEUED * count:
            yield _outcomes(ray, under_way.popleft())
    while under_way:
        yield _outcomes(ray, under_way.popleft())


def _outcomes(ray: Any, batch: Any) -> list[Outcome]:
    try:
        outcomes: list[Outcome] = ray.get(batch, timeout=_PATIENCE)
    except ray.exceptions.RayError as problem:
        cause = getattr(problem, "cause", None)
        if isinstance(cause, AvgzslError):
            raise cause from None
        lines = str(problem).strip().splitlines()
        raise AvgzslError(
            f"the Ray cluster could not embed a batch ({lines[-1] if lines else type(problem).__name__}); what is "
            "finished is kept: run the same command again when the cluster is well"
        ) from problem
    return outcomes
