"""Steps that are recorded and replayed: all but the CUDA graph itself, for which a stand-in repeats the call."""

import pytest
import torch

from avgzsl.learning import training
from avgzsl.learning.optimisers import SGD
from avgzsl.learning.step_graph import WARM_UP, RecordedStep
from avgzsl.learning.training import Job
from avgzsl.methods import build
from tests.worlds import world


class Recorder:
    """Does what a graph does: nothing while it records, then the same call on the same places, at the same rate."""

    def __init__(self, optimiser):
        self.optimiser, self.recorded, self.replayed = optimiser, 0, 0

    def __call__(self, step, generator):
        self.recorded += 1
        rate = self.optimiser.rate

        def replay():
            self.replayed += 1
            now, self.optimiser.rate = self.optimiser.rate, rate
            terms = step()
            self.optimiser.rate = now
            return terms

        return replay


def weight_and_optimiser():
    weight = torch.nn.Parameter(torch.zeros(1))
    return weight, SGD([weight], 1.0, 0.0, 0.0)


def test_it_is_recorded_after_the_warming_up_and_meets_every_batch():
    _, optimiser = weight_and_optimiser()
    record, met = Recorder(optimiser), []

    def step(batch):
        met.append(batch.tolist())
        return {"sum": batch.sum()}

    recorded = RecordedStep(step, optimiser, torch.Generator(), record)
    batches = [torch.tensor([i, i + 1]) for i in range(WARM_UP + 4)]
    sums = [int(recorded(batch)["sum"]) for batch in batches]
    assert met == [batch.tolist() for batch in batches] and sums == [2 * i + 1 for i in range(len(batches))]
    assert (record.recorded, record.replayed) == (1, 4)


def test_it_is_recorded_anew_where_the_rate_changes():
    weight, optimiser = weight_and_optimiser()
    record = Recorder(optimiser)

    def step(batch):
        weight.grad = torch.ones(1)
        optimiser.step()
        return {"weight": weight.detach().clone()}

    recorded = RecordedStep(step, optimiser, torch.Generator(), record)
    for _ in range(WARM_UP + 2):
        recorded(torch.arange(1))
    optimiser.rate = 0.5
    for _ in range(2):
        recorded(torch.arange(1))
    assert record.recorded == 2 and weight.item() == -(WARM_UP + 2) - 2 * 0.5


def test_a_batch_of_another_shape_runs_as_it_is():
    _, optimiser = weight_and_optimiser()
    record = Recorder(optimiser)
    recorded = RecordedStep(lambda batch: {"n": torch.tensor(len(batch))}, optimiser, torch.Generator(), record)
    sizes = [4] * (WARM_UP + 1) + [3, 4, 5, 4]
    assert [int(recorded(torch.arange(size))["n"]) for size in sizes] == sizes
    assert (record.recorded, record.replayed) == (1, 3)


class Ended(Exception):
    """What a kill does, at a known place."""


def fitted(monkeypatch, record_steps=True, stand_in=True, **job):
    """A training with plateaus of the rate; where there is a stand-in, it records as a GPU would."""
    recorders = []

    def record(step, generator):
        recorders.append(Recorder(made[0]))
        return recorders[-1](step, generator)

    made, make = [], training._optimiser
    monkeypatch.setattr(training, "_optimiser", lambda *args: made.append(make(*args)) or made[-1])
    monkeypatch.setattr(training, "_records", lambda device: stand_in)
    monkeypatch.setattr(training, "record_on_cuda", record)
    settings = {"epochs": 6, "batch_size": 16, "milestones": (2, 4), "lr": 0.1, "attention_epochs": 2}
    method = build("avgzslnet", settings=settings)
    try:
        method.fit(*world(clips=6).training(), Job(record_steps=record_steps, **job))
    finally:
        monkeypatch.undo()
    return method.state(), len(recorders)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


def test_a_training_with_recorded_steps_ends_in_the_same_bytes(monkeypatch):
    plain, none = fitted(monkeypatch, stand_in=False)
    recorded, times = fitted(monkeypatch)
    switched_off, off = fitted(monkeypatch, record_steps=False)
    assert same(plain, recorded) and same(plain, switched_off)
    assert (none, times, off) == (0, 3, 0)  # once for each rate; the attention's stage is not written out


def test_it_goes_on_after_a_kill(monkeypatch, tmp_path):
    whole, _ = fitted(monkeypatch)
    steps = []

    def interrupt(*step):
        steps.append(step)
        if len(steps) == 3:
            raise Ended

    checkpoint = {"checkpoint": tmp_path / "checkpoint", "checkpoint_seconds": 0.0}
    with pytest.raises(Ended):
        fitted(monkeypatch, progress=interrupt, **checkpoint)
    assert same(whole, fitted(monkeypatch, **checkpoint)[0])
