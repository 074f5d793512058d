"""Where batches of clips are decoded and embedded: one engine a file, found by listing this folder.

An engine module has DESCRIPTION and run(batches, setup, backbones), which gives the outcomes of each batch, in the
order of the batches; it takes a batch when it has room for one. `backbones` are the ones of `setup`, loaded here.
Every engine passes a batch as a whole to `embedding.embed_batch`, so that all give the same bytes.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from avgzsl.backbones import load as load_backbone
from avgzsl.errors import WeightsError
from avgzsl.features.embedding import Backbones, Outcome, Task
from avgzsl.support.registry import Plugins, keeps
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality, Precision

Run = Callable[[Iterable[list[Task]], "BackboneSetup", Backbones], Iterator[list[Outcome]]]


@dataclass(frozen=True)
class BackboneSetup:
    """Which backbones to load and where to run them; `workers` clips are decoded, and on CPUs embedded, at once.

    With `keep_sequence` the steps of clips are kept, too.
    """

    specs: Mapping[Modality, str]
    models: Path | None = None
    device: str = "auto"
    workers: int | None = None
    precision: Precision = "float32"
    unit: bool = True
    keep_sequence: bool = False

    @property
    def processes(self) -> int:
        """Workers, by default as many as there are cores for this process."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.workers or cores


class BatchEngine(Protocol):
    """The contract of a module in this folder."""

    DESCRIPTION: str
    run: Run


_PLUGINS = Plugins[BatchEngine](__name__, "engine", keeps(BatchEngine))


def engines() -> dict[str, str]:
    """Names of the engines, each with one line about it."""
    return {name: _PLUGINS.load(name).DESCRIPTION for name in _PLUGINS.names()}


def engine(name: str) -> Run:
    """The `run` of an engine. Raises UnknownNameError."""
    return _PLUGINS.load(name).run


def load_backbones(setup: BackboneSetup, weights: Mapping[Modality, tuple[WeightFile, ...]] | None = None) -> Backbones:
    """The backbones of a setup. Raises WeightsError when they are not of the `weights` that are expected."""
    backbones = {
        modality: load_backbone(
            spec,
            modality,
            device=setup.device,
            models=setup.models,
            precision=setup.precision,
            unit=setup.unit,
        )
        for modality, spec in setup.specs.items()
    }
    for modality, backbone in backbones.items():
        if weights is not None and backbone.weights != weights[modality]:
            raise WeightsError(
                f"{backbone.spec}: loaded here from other weights than where the extraction was started; "
                "bring the same files to every machine"
            )
    return backbones
