"""This machine: clips are decoded in processes with limits, and embedded in threads, one a copy of the backbones."""

import math
from collections.abc import Iterable, Iterator
from itertools import takewhile
from queue import SimpleQueue
from threading import Event
from typing import NamedTuple

import torch

from avgzsl.errors import AvgzslError
from avgzsl.features.embedding import Backbones, Outcome, Task, embed_batch, page_locked, requests, with_hashes
from avgzsl.features.engines import BackboneSetup, load_backbones
from avgzsl.media.needs import Decoded
from avgzsl.support.device import one_thread
from avgzsl.support.stages import Stage, in_stages

DESCRIPTION = "this machine: decoding in processes, embedding in threads or on its GPU"


def run(batches: Iterable[list[Task]], setup: BackboneSetup, backbones: Backbones) -> Iterator[list[Outcome]]:
    """The outcomes of each batch, in order; few batches are under way."""
    with one_thread():
        yield from (_on_cores if _on_cpu(setup.device) else _on_a_device)(batches, setup, backbones)


def _on_cores(batches: Iterable[list[Task]], setup: BackboneSetup, backbones: Backbones) -> Iterator[list[Outcome]]:
    """A copy of the backbones a core; one thread more than copies decodes meanwhile."""
    free: SimpleQueue[Backbones] = SimpleQueue()
    free.put(backbones)
    copies = setup.processes
    for _ in range(1, copies):
        free.put(load_backbones(setup))
    decoding = _Decoding(setup, backbones)

    def embedded(batch: list[Task]) -> list[Outcome]:
        decoded = decoding.clips(batch)
        if decoding.stopped.is_set():
            return []  # no outcome is needed
        copy = free.get()
        try:
            outcomes = embed_batch(decoded, copy, setup.keep_sequence)
        finally:
            free.put(copy)
        return with_hashes(batch, outcomes)

    yield from in_stages(batches, [Stage(embedded, copies + 1)], lambda _: copies + 1, decoding.stop)


def _on_a_device(batches: Iterable[list[Task]], setup: BackboneSetup, backbones: Backbones) -> Iterator[list[Outcome]]:
    """Clips are decoded, and made ready for the networks, in processes; one thread feeds the device.

    Another one lays the next batch where the device fetches it from, a third looks at what is done. One batch is for
    the device; of those behind it, so many are decoded that no process waits for the last clip of one.
    """
    decoding = _Decoding(setup, backbones)

    def decoded(batch: list[Task]) -> _Batch:
        return _Batch(batch, decoding.clips(batch))

    def locked(batch: _Batch) -> _Batch:
        return batch._replace(clips=[page_locked(clip, backbones) for clip in batch.clips])

    def embedded(batch: _Batch) -> tuple[list[Task], list[Outcome]]:
        done = [] if decoding.stopped.is_set() else embed_batch(batch.clips, backbones, setup.keep_sequence)
        return batch.tasks[: len(done)], done

    def room(batch: list[Task]) -> int:
        return 1 + math.ceil(2 * setup.processes / len(batch))

    later = [Stage(locked), Stage(embedded), Stage(lambda done: with_hashes(*done))]
    yield from in_stages(batches, [Stage(decoded, 2 * setup.processes + 1), *later], room, decoding.stop)


class _Batch(NamedTuple):
    tasks: list[Task]
    clips: list[Decoded | AvgzslError]


class _Decoding:
    """The processes that decode; when they are stopped, nothing is decoded any more, and what is begun is dropped."""

    def __init__(self, setup: BackboneSetup, backbones: Backbones) -> None:
        from avgzsl.media.workers import Decoders

        self.stopped, self._backbones, self._decoders = Event(), backbones, Decoders(setup.processes)

    def clips(self, batch: list[Task]) -> list[Decoded | AvgzslError]:
        wanted = takewhile(lambda _: not self.stopped.is_set(), requests(batch, self._backbones))
        return list(self._decoders.map(wanted, ahead=len(batch)))  # so that the batch behind it comes behind it

    def stop(self) -> None:
        self.stopped.set()
        self._decoders.stop()


def _on_cpu(device: str) -> bool:
    return torch.device(device).type == "cpu" if device != "auto" else not torch.cuda.is_available()
