"""A Ray cluster: each actor decodes and embeds whole batches, with backbones of its own.

The cluster is the one that RAY_ADDRESS names or that runs on this machine, else one is started here. Clips and weights
lie under the same paths on every machine. A batch whose actor ends is done by another one.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from avgzsl.features.embedding import Backbones, Outcome, Task
from avgzsl.features.engines import BackboneSetup
from avgzsl.features.engines._crew import Crew, Size
from avgzsl.features.engines._nodes import check_nodes, check_reachable, living, reason, signals_heeded, unreachable
from avgzsl.features.engines._pieces import Pieces
from avgzsl.features.engines._worker import Job
from avgzsl.support.registry import require
from avgzsl.support.weights import models_folder, models_folders

DESCRIPTION = "a Ray cluster (extra `cluster`): decoding and embedding on every machine, from files that all can read"
_AHEAD = 6  # batches an actor that are taken, and not yet given back: what memory holds while a slow one is waited for


def run(batches: Iterable[list[Task]], setup: BackboneSetup, backbones: Backbones) -> Iterator[list[Outcome]]:
    """The outcomes of each batch, in order. A batch whose actor ended is done by another one.

    Raises ConfigError when Ray is not installed, DataError when a node lacks the files, WeightsError when its weights
    differ, AvgzslError when the cluster cannot be reached, has no room, or does not answer for too long.
    """
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        return
    ray = require("ray", "cluster")
    started_here = _connect(ray)
    try:
        with signals_heeded():
            yield from _mapped(ray, first, batches, setup, backbones)
    finally:
        if started_here:
            ray.shutdown()


def _connect(ray: Any) -> bool:
    """Whether it had to be connected here, and is to be left again."""
    if ray.is_initialized():
        return False
    check_reachable()
    before = signal.getsignal(signal.SIGTERM)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here tells nobody of its use
    try:
        with signals_heeded():
            ray.init(log_to_driver=False, include_dashboard=False, logging_level="error")
    except Exception as problem:  # it has many: of the network, of tokens, of versions
        raise unreachable(reason(problem)) from problem
    with suppress(ValueError, TypeError):  # only the main thread may
        signal.signal(signal.SIGTERM, before)  # which Ray takes for its own
    return True


def _mapped(
    ray: Any, first: list[Task], others: Iterator[list[Task]], setup: BackboneSetup, backbones: Backbones
) -> Iterator[list[Outcome]]:
    cluster = ray.cluster_resources()
    gpu = setup.device.startswith("cuda") or (setup.device == "auto" and cluster.get("GPU", 0) >= 1)
    resource, folder = "GPU" if gpu else "CPU", Path.cwd()
    files = _to_look_for(first, setup, backbones)
    check_nodes(ray, files, resource)
    count = setup.workers or max(1, int(cluster.get(resource, 1)))
    weights = {modality: backbone.weights for modality, backbone in backbones.items()}
    setup = replace(setup, models=models_folder(setup.models))  # also where the environment of this machine names it
    pieces = Pieces(chain([first], others), _AHEAD * count)
    crew = Crew(ray, Job(setup, weights, folder, _decoders(ray) if gpu else 1), files, Size(count, int(gpu)))
    try:
        crew.give(pieces)
        while not pieces.finished:
            crew.hear(pieces)
            yield from pieces.in_order()
            crew.give(pieces)
    finally:
        crew.end()


def _decoders(ray: Any) -> int:
    """Clips that an actor with a GPU decodes at once: as many as there are CPUs for each GPU, on the poorest node."""
    with_gpu = [node["Resources"] for node in living(ray) if node["Resources"].get("GPU", 0) >= 1]
    return max(1, min((int(has.get("CPU", 1) // has["GPU"]) for has in with_gpu), default=1))


def _to_look_for(batch: list[Task], setup: BackboneSetup, backbones: Backbones) -> list[Path]:
    """A clip and the weights, as far as these are files that are named: what every node must have."""
    clips = [task.file for task in batch if task.file.exists()][:1]
    names = [spec.partition(":")[2] for spec in setup.specs.values()]
    names += [file.name for backbone in backbones.values() for file in backbone.weights]
    places = [(Path(name), *(folder / name for folder in models_folders(setup.models))) for name in names if name]
    weights = [next((place for place in tried if place.exists()), None) for tried in places]
    return list(dict.fromkeys(file.absolute() for file in (*clips, *weights) if file is not None))
