"""What an actor of a cluster holds: backbones, processes that decode, and the device that embeds."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Lock, Semaphore
from typing import NamedTuple

from avgzsl.errors import WeightsError
from avgzsl.features.embedding import Backbones, Outcome, Task, embed_batch, page_locked, requests, with_hashes
from avgzsl.features.engines import BackboneSetup, load_backbones
from avgzsl.support.device import one_thread
from avgzsl.support.lacking import lacking_files
from avgzsl.support.registry import require
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality


class Job(NamedTuple):
    """What every worker of an extraction is told: the backbones, the weights that these must be of.

    Paths are those of `folder`, where the extraction was started; `decoders` clips are decoded at once.
    """

    setup: BackboneSetup
    weights: Mapping[Modality, tuple[WeightFile, ...]]
    folder: Path
    decoders: int

    @property
    def decoding(self) -> int:
        """Batches that are decoded at once: two where else processes would wait for the last clip of one."""
        return 1 if self.decoders == 1 else 2


class Worker:
    """One actor: while a batch is embedded, the next one is decoded."""

    def __init__(self, job: Job) -> None:
        from avgzsl.media.workers import Decoders

        self.job, self.address, self.decoders = job, node_address(), Decoders(job.decoders)
        self.decoding, self.embedding = Semaphore(job.decoding), Lock()
        _enter(job.folder)

    @cached_property
    def backbones(self) -> Backbones:
        """Loaded with the first call: of what goes wrong in `__init__`, Ray keeps no exception."""
        try:
            return load_backbones(self.job.setup, self.job.weights)
        except WeightsError as problem:
            raise WeightsError(f"node {self.address}: {problem}") from problem

    def ready(self, files: Sequence[Path]) -> tuple[str, list[Path]]:
        """The node of this worker, and which of these files it lacks; when it lacks none, its backbones are loaded."""
        lacking = lacking_files(files)
        with self.embedding:
            if not lacking:
                _ = self.backbones
        return self.address, lacking

    def embed(self, batch: list[Task]) -> list[Outcome]:
        """The outcomes of a batch. Several threads may call: others decode while one embeds."""
        with self.decoding:
            clips = self.decoders.map(requests(batch, self.backbones))
            decoded = [page_locked(clip, self.backbones) for clip in clips]
        with self.embedding, one_thread():
            outcomes = embed_batch(decoded, self.backbones, self.job.setup.keep_sequence)
        return with_hashes(batch, outcomes)


def node_address() -> str:
    """The address of the node that this process runs on."""
    return str(require("ray", "cluster").util.get_node_ip_address())


def _enter(folder: Path) -> None:
    """Relative paths mean here what they do where the extraction was started, if that folder is here, too."""
    with suppress(OSError):
        os.chdir(folder)
