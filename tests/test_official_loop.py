"""The plain rendering of the official loop, against which training is timed, computes what the package computes."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from benchmarks.official_loop import OfficialLoop, OfficialNetworks, Tuples, class_pairs, official_loss
from benchmarks.step_time import audioset_size
from benchmarks.training import operations_of_a_step, products_counted

from avgzsl.learning.nets import unit_rows
from avgzsl.learning.train_set import load_train_set
from avgzsl.methods import build, dimensions


@pytest.fixture(scope="module")
def small():
    return audioset_size(0.01)


def test_its_loss_is_the_package_s_own_on_the_same_tuples(small):
    train, classes = small
    method = build("avgzslnet", settings={"attention": "none", "dropout": 0.0})
    networks = method.build(dimensions(train, classes), torch.Generator().manual_seed(3))
    method.networks_ = networks
    official = OfficialNetworks(dropout=0.0)
    for mine, theirs in (
        (official.audio[0], networks.project["audio"].first),
        (official.audio[3], networks.project["audio"].second),
        (official.video[0], networks.project["video"].first),
        (official.video[3], networks.project["video"].second),
        (official.text, networks.text),
        (official.decoder[0], networks.decoder.first),
        (official.decoder[2], networks.decoder.second),
    ):
        mine.load_state_dict(theirs.state_dict())
    p, q = torch.tensor([[0, 5, 80, 300], [200, 100, 1, 2]])
    assert bool((train.labels[p] != train.labels[q]).all())
    sample = (train.audio[p], train.video[p], classes.text[train.labels[p]])
    sample += (train.audio[q], train.video[q], classes.text[train.labels[q]])
    theirs = official_loss(official, sample)
    data = load_train_set(train, classes, True, torch.device("cpu"))
    object.__setattr__(data, "text", unit_rows(classes.text))
    mine = sum(method.loss(data, torch.stack([p, q]), None).values())
    assert float(mine.detach()) == pytest.approx(float(theirs.detach()), rel=1e-4)
    mine.backward()
    theirs.backward()
    slope = networks.project["audio"].first.weight.grad
    assert torch.allclose(slope, official.audio[0].weight.grad, rtol=1e-3, atol=1e-6)


def test_a_sample_has_the_next_clip_of_its_class_and_one_of_another(small):
    train, classes = small
    pairs = np.array([[2, 5], [2, 5], [7, 2]])
    tuples = Tuples(train, classes, pairs)
    of_2 = train.audio[train.labels == 2]
    assert torch.equal(tuples[0][0], of_2[0]) and torch.equal(tuples[1][0], of_2[1])
    assert any(torch.equal(tuples[2][3], row) for row in of_2)
    assert torch.equal(tuples[0][2], classes.text[2]) and torch.equal(tuples[0][5], classes.text[5])
    drawn = class_pairs(1000, 23)
    assert bool((drawn[:, 0] != drawn[:, 1]).all()) and set(drawn.ravel()) == set(range(23))


def test_it_learns(small):
    loop = OfficialLoop(*small, batch=64, steps=40)
    losses = []
    for _ in range(40):
        batch = loop.fetch()
        with torch.no_grad():
            losses.append(float(official_loss(loop.networks, batch)))
        loop.learn(batch)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_every_way_of_a_product_is_counted():
    left, right, into = torch.ones(2, 3), torch.ones(3, 5), torch.ones(2, 5)
    with products_counted() as counter:
        left @ right
        torch.addmm(into, left, right)
        into.addmm_(left, right, beta=2.0)
        torch.bmm(left[None], right[None])
        torch.nn.functional.linear(left, right.T)
    assert counter.get_total_flops() == 5 * 2 * 2 * 3 * 5


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_operations_are_counted_from_the_step_that_runs(small, precision):
    """More than the first layers of every clip forward and backward to the weights, less than the official step's."""
    train, classes = small
    loop = OfficialLoop(train, classes, batch=4096, steps=1)
    with products_counted() as counter:
        loop.learn(loop.fetch())
    assert counter.get_total_flops() / 4096 == pytest.approx(6.14e6, rel=0.05)
    own = operations_of_a_step(train, classes, precision)
    second_layers = 2 * 3 * 2 * 2 * 4096 * 256 * 64  # a modality and a role, forward and twice backward
    assert second_layers < own < counter.get_total_flops()


@pytest.mark.parametrize("command", ["--help"])
def test_the_command_runs(command):
    """All of it takes a minute: `python -m benchmarks.training --small`."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.training", command], capture_output=True, text=True)
    assert done.returncode == 0 and "--old" in done.stdout, done.stderr
