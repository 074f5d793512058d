"""A step that is recorded once and then replayed, so that a GPU waits for no Python between its four hundred kernels.

A CUDA graph holds the kernels of one call with the addresses that they read and write. So a step that is recorded takes
its batch from a place of its own, has the same shapes each time, reads no number back, and draws from a generator that
the graph moves on as the calls themselves would: a replay has the bytes of the call.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from avgzsl.learning.optimisers import Optimiser

WARM_UP = 3  # steps before: they leave what is made once, as momentum and the library's own memory

Step = Callable[[], Mapping[str, Tensor]]
# makes a call into one that repeats its work on the same places; what it returns is the place of the results
Recorder = Callable[[Step, Generator], Step]


def record_on_cuda(step: Step, generator: Generator) -> Step:
    """By a CUDA graph. What is recorded is not yet done: that is what each replay does."""
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        terms = step()

    def replay() -> Mapping[str, Tensor]:
        graph.replay()
        return terms

    return replay


class RecordedStep:
    """`step` of a batch: called for the first batches, recorded, and replayed for all others of the same shape.

    It is recorded anew where the rate of the optimiser has changed, which is a number in the recorded kernels. A batch
    of another shape than the first runs as it is. What a call returns holds until the next.
    """

    def __init__(
        self,
        step: Callable[[Any], Mapping[str, Tensor]],
        optimiser: Optimiser,
        generator: Generator,
        record: Recorder,
    ) -> None:
        self.step, self.optimiser, self.generator, self.record = step, optimiser, generator, record
        self.batch: Tensor | None = None
        self.called = 0
        self.rate = optimiser.rate
        self.replay: Step | None = None

    def __call__(self, batch: Int[Tensor, "..."]) -> Mapping[str, Tensor]:
        if self.batch is None:
            self.batch = batch.clone()
        place = self.batch
        if batch.shape != place.shape or self.called < WARM_UP:
            self.called += 1
            return self.step(batch)
        place.copy_(batch)
        if self.replay is None or self.rate != self.optimiser.rate:
            self.replay = None  # its memory is free before there is another
            self.replay, self.rate = self.record(lambda: self.step(place), self.generator), self.optimiser.rate
        return self.replay()
