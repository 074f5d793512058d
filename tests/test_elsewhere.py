"""What would fail on a GPU, or wait for it, shown on a machine without one, by tensors that say they lie elsewhere."""

from dataclasses import replace

import pytest
import torch
from benchmarks.gpu import numbers
from benchmarks.gpu.part import Where
from torch import nn

from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.numbers import choose_numbers, validate
from avgzsl.learning.train_set import load_train_set
from avgzsl.learning.training import Job
from avgzsl.methods import build, dimensions, method_class, methods
from tests.elsewhere import DEVICE, Elsewhere, stand_in
from tests.worlds import world

FOLLOWING = [name for name in methods() if method_class(name).follows_clips]


def moved(module):
    """Its weights elsewhere; `Module.to` would make them anew, without numbers."""
    for part in module.modules():
        for name, value in part.named_parameters(recurse=False):
            setattr(part, name, nn.Parameter(value.detach().to(DEVICE)))
        for name, value in part.named_buffers(recurse=False):
            setattr(part, name, value.to(DEVICE))
    return module


def evaluated(method, clips, data):
    """HM of classification and retrieval in every mode, with all that a calibration chooses."""
    gallery = gallery_of(method, clips, data.classes)
    measured = gallery.measure(gallery.modes, choose_numbers([gallery], gallery.modes))
    return [value for one in measured for value in (one.classification.HM, one.retrieval.HM, one.corrected.HM)]


def test_the_stand_in_refuses_what_a_gpu_would():
    with stand_in() as device:
        here, there = torch.ones(3), torch.ones(3).to(DEVICE)
        assert torch.equal((there + there * 2).cpu(), torch.full((3,), 3.0))
        for mixed in (lambda: here + there, lambda: torch.cat([here, there]), lambda: here[there.long()]):
            with pytest.raises(RuntimeError, match="another device"):
                mixed()
        before = device.reads
        assert float(there[0]) == 1.0 and device.reads == before + 1


@pytest.mark.parametrize("name", FOLLOWING)
def test_a_look_at_validation_stays_where_the_clips_lie(name):
    """Clips, embeddings, scores and figures: what comes back are numbers, those of the CPU, as many for any classes."""
    reads = []
    settings = {"epochs": 2, "batch_size": 64, **({"attention": "joint"} if name in ("avgzslnet", "cjme") else {})}
    for classes in (6, 18):
        data = world(missing=0.2, seen=classes)
        method = build(name, settings=settings).fit(*data.training(), Job())
        expected = validate(method, data.split("val"), data.classes)
        kept, sizes = method.state(), dimensions(*data.training())
        with stand_in() as device:
            moved(method.networks_)
            clips = data.split("val").to(DEVICE)
            assert isinstance(method.embed_clips(clips).has_audio, Elsewhere)
            device.reads = 0
            found = validate(method, clips, data.classes)
            reads.append(device.reads)
            measured = evaluated(method, clips, data)
        for figure in ("S", "U", "HM", "ZSL", "AUSUC"):
            assert getattr(found, figure) == pytest.approx(getattr(expected, figure)), figure
        assert measured == pytest.approx(evaluated(method.restore(kept, sizes), data.split("val"), data))
    assert reads[0] == reads[1] > 0  # a GPU waits each time


@pytest.mark.parametrize(("name", "attention"), [("avgzslnet", "none"), ("avgzslnet", "joint"), ("cjme", "joint")])
def test_a_loss_mixes_no_devices(name, attention):
    data = world(missing=0.2)
    train, classes = data.training()
    found = []
    with stand_in():
        for at in (torch.device("cpu"), DEVICE):
            method = build(name, settings={"attention": attention})
            networks = method.build(dimensions(train, classes), torch.Generator().manual_seed(0))
            method.networks_ = networks if at.type == "cpu" else moved(networks)
            pairs = torch.tensor([[0, 5, 9, 40], [20, 30, 60, 80]]).to(at)
            terms = method.loss(load_train_set(train, classes, True, at), pairs, None)
            torch.stack(list(terms.values())).sum().backward()
            found.append({key: float(value.detach()) for key, value in terms.items()})
    assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_written_step_reads_nothing_back(precision):
    """So a GPU never waits in it, and it can be recorded."""
    train, classes = world().training()
    found = []
    with stand_in() as device:
        for at in (torch.device("cpu"), DEVICE):
            method = build("avgzslnet", settings={"attention": "none", "dropout": 0.0, "precision": precision})
            setup = method.prepare(train, classes, Job())
            if at == DEVICE:
                data = load_train_set(train, classes, True, at, method.feature_type)
                setup = replace(setup, networks=moved(setup.networks), data=data)
            method.networks_ = setup.networks
            step = method.written(setup)
            pairs = torch.tensor([[0, 5, 9, 40], [20, 30, 60, 80]]).to(at)
            device.reads = 0
            terms, gradients = step(pairs)
            assert device.reads == 0
            found.append({key: float(value) for key, value in terms.items()})
            assert {value.device for _, value in gradients} == {at}
    assert found[0] == pytest.approx(found[1], rel=1e-3 if precision == "bf16" else 1e-6)


def test_numbers_of_make_gpu_run_there():
    with stand_in():
        rows = numbers.rows(Where(str(DEVICE), True))
    assert rows and all(row.holds for row in rows), [row for row in rows if not row.holds]
