"""This machine: clips are decoded in processes with limits, and embedded in threads, one a copy of the backbones."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import takewhile
from queue import SimpleQueue
from threading import Event

import torch

from avgzsl.features.embedding import Backbones, Outcome, Task, embed_batch, requests
from avgzsl.features.engines import Setup, load

DESCRIPTION = "this machine: decoding in processes, embedding in threads or on its GPU"


def run(batches: Iterable[list[Task]], setup: Setup, backbones: Backbones) -> Iterator[list[Outcome]]:
    """The outcomes of each batch, in order; at most two batches more than copies of the backbones are under way."""
    from avgzsl.media.workers import Decoders

    free: SimpleQueue[Backbones] = SimpleQueue()
    free.put(backbones)
    copies = setup.processes if _on_cpu(setup.device) else 1  # a GPU works on one batch at a time
    for _ in range(1, copies):
        free.put(load(setup))

    stopping = Event()

    def embedded(batch: list[Task]) -> list[Outcome]:
        decoded = list(decoders.map(takewhile(lambda _: not stopping.is_set(), requests(batch, backbones))))
        if stopping.is_set():
            return []  # nobody waits for it
        ours = free.get()
        try:
            return embed_batch(decoded, ours)
        finally:
            free.put(ours)

    # one thread more than copies decodes meanwhile
    with one_thread(), Decoders(setup.processes) as decoders:
        pool = ThreadPoolExecutor(copies + 1)
        try:
            under_way: deque[Future[list[Outcome]]] = deque()
            for batch in batches:
                under_way.append(pool.submit(embedded, batch))
                if len(under_way) > copies + 1:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            stopping.set()
            decoders.stop()  # where all is done they do nothing; else nobody waits for what they do
            pool.shutdown(cancel_futures=True)


def _on_cpu(device: str) -> bool:
    return torch.device(device).type == "cpu" if device != "auto" else not torch.cuda.is_available()


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of torch a batch: batches run beside each other, and the bytes do not hang on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
