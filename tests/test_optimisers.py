"""SGD and Adam against those of PyTorch, bit for bit, and what checkpoints keep of them."""

import subprocess
import sys

import pytest
import torch

from avgzsl.learning.optimisers import SGD, Adam

SHAPES = [(37, 19), (19,), (5, 7), (1,), (3,)]
SGDS = [{}, {"momentum": 0.9}, {"momentum": 0.9, "weight_decay": 1e-3}, {"weight_decay": 0.1}]
ADAMS = [{"momentum": 0.9}, {"momentum": 0.5, "weight_decay": 1e-3}]
CASES = [*((SGD, settings) for settings in SGDS), *((Adam, settings) for settings in ADAMS)]
EACH = pytest.mark.parametrize(("kind", "settings"), CASES)


def both(kind, settings, dtype=torch.float32):
    """The same weights twice, with our optimiser and PyTorch's."""
    draw = torch.Generator().manual_seed(0)
    first = [torch.nn.Parameter(torch.randn(shape, generator=draw, dtype=dtype)) for shape in SHAPES]
    second = [torch.nn.Parameter(weight.detach().clone()) for weight in first]
    momentum, decay = settings.get("momentum", 0.0), settings.get("weight_decay", 0.0)
    ours = kind(first, 0.3, momentum, decay)
    if kind is SGD:
        return ours, torch.optim.SGD(second, 0.3, momentum=momentum, weight_decay=decay)
    return ours, torch.optim.Adam(second, 0.3, (momentum, 0.999), weight_decay=decay, fused=True)


def weights(optimiser):
    return optimiser.weights if hasattr(optimiser, "weights") else optimiser.param_groups[0]["params"]


def move(optimisers, steps, seed=0):
    """By the same gradients; weight 4 has one from the third step on, weight 3 in every second step."""
    draw = torch.Generator().manual_seed(seed)
    for step in range(steps):
        gradients = [torch.randn(shape, generator=draw) for shape in SHAPES]
        for optimiser in optimisers:
            for i, (weight, gradient) in enumerate(zip(weights(optimiser), gradients, strict=True)):
                there = not (i == 4 and step < 2) and not (i == 3 and step % 2)
                weight.grad = gradient.to(weight.dtype) if there else None
            optimiser.step()


def assert_same(ours, theirs):
    for one, other in zip(weights(ours), weights(theirs), strict=True):
        assert torch.equal(one, other)


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_those_of_pytorch(kind, settings, dtype):
    ours, theirs = both(kind, settings, dtype)
    for rate in (0.3, 0.03):
        ours.rate = theirs.param_groups[0]["lr"] = rate
        move([ours, theirs], 6, seed=int(100 * rate))
    assert_same(ours, theirs)


@EACH
def test_it_goes_on_from_what_pytorch_kept(kind, settings):
    """Checkpoints that were written by earlier versions."""
    ours, theirs = both(kind, settings)
    move([ours, theirs], 5)
    state = theirs.state_dict()["state"]
    kept = {
        f"{i}/{name}": value.clone() for i, part in state.items() for name, value in part.items() if value is not None
    }
    assert ours.state().keys() == kept.keys()
    for name, value in ours.state().items():
        assert torch.equal(value, kept[name]) and value.dtype == kept[name].dtype, name
    again, _ = both(kind, settings)
    with torch.no_grad():
        for weight, value in zip(again.weights, weights(theirs), strict=True):
            weight.copy_(value)
    again.restore(kept)
    move([again, theirs], 5, seed=1)
    assert_same(again, theirs)


def test_clear_forgets_gradients():
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.ones(2)
    optimiser = SGD([weight], 1.0, 0.0, 0.0)
    optimiser.clear()
    optimiser.step()
    assert weight.grad is None and torch.equal(weight.detach(), torch.zeros(2))


def test_training_does_not_import_the_compiler():
    script = "import sys; from avgzsl.methods import build; from avgzsl.learning.training import Job\n"
    script += "from tests.worlds import world\n"
    script += "for optimiser in ('sgd', 'adam'):\n"
    script += (
        "    settings = {'epochs': 2, 'batch_size': 16, 'optimiser': optimiser, 'lr': 0.01, 'attention_epochs': 1}\n"
    )
    script += "    build('avgzslnet', settings=settings).fit(*world().training(), Job())\n"
    script += "print([name for name in ('torch._dynamo', 'sympy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
