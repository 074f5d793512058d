"""This machine: clips are decoded in processes with limits, and embedded in threads, one a copy of the backbones."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import takewhile
from queue import SimpleQueue
from threading import Event

import torch

from avgzsl.features.embedding import Backbones, Outcome, Task, embed_batch, requests, with_hashes
from avgzsl.features.engines import BackboneSetup, load_backbones
from avgzsl.support.device import one_thread

DESCRIPTION = "this machine: decoding in processes, embedding in threads or on its GPU"


def run(batches: Iterable[list[Task]], setup: BackboneSetup, backbones: Backbones) -> Iterator[list[Outcome]]:
    """The outcomes of each batch, in order; at most two batches more than copies of the backbones are under way."""
    from avgzsl.media.workers import Decoders

    free: SimpleQueue[Backbones] = SimpleQueue()
    free.put(backbones)
    copies = setup.processes if _on_cpu(setup.device) else 1  # a GPU works on one batch at a time
    for _ in range(1, copies):
        free.put(load_backbones(setup))

    stopped = Event()

    def embedded(batch: list[Task]) -> list[Outcome]:
        decoded = list(decoders.map(takewhile(lambda _: not stopped.is_set(), requests(batch, backbones))))
        if stopped.is_set():
            return []  # the extraction was stopped: no outcome is needed
        copy = free.get()
        try:
            outcomes = embed_batch(decoded, copy, setup.keep_sequence)
        finally:
            free.put(copy)
        return with_hashes(batch, outcomes)

    # one thread more than copies decodes meanwhile
    with one_thread(), Decoders(setup.processes) as decoders:
        pool = ThreadPoolExecutor(copies + 1)
        try:
            running: deque[Future[list[Outcome]]] = deque()
            for batch in batches:
                running.append(pool.submit(embedded, batch))
                if len(running) > copies + 1:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            stopped.set()
            decoders.stop()  # after an error, what is still decoded is not needed
            pool.shutdown(cancel_futures=True)


def _on_cpu(device: str) -> bool:
    return torch.device(device).type == "cpu" if device != "auto" else not torch.cuda.is_available()
