"""The optimisers do what PyTorch's do, byte for byte, without the import of its compiler."""

import subprocess
import sys

import pytest
import torch

from avgzsl.learning import optimisers


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "fused": True}),
        ("Adam", {"lr": 0.1, "weight_decay": 0.01, "fused": True}),
        ("Adam", {"lr": 0.1}),
    ],
)
def test_steps_and_states_are_those_of_pytorch(name, settings):
    made = []
    for kind in (getattr(torch.optim, name), getattr(optimisers, name)):
        generator = torch.Generator().manual_seed(0)
        weights = [torch.randn(7, 3, generator=generator).requires_grad_(), torch.zeros(3, requires_grad=True)]
        optimiser = kind(weights, **settings)
        for step in range(4):
            optimiser.zero_grad(set_to_none=True)
            x = torch.randn(5, 7, generator=generator)
            ((x @ weights[0] + weights[1]) ** 2).mean().backward()
            optimiser.step()
            if step == 1:  # as a training that goes on
                optimiser.load_state_dict(optimiser.state_dict())
        made.append((weights, optimiser.state_dict()))
    (theirs, their_state), (ours, our_state) = made
    assert all(torch.equal(a, b) for a, b in zip(theirs, ours, strict=True))
    assert str(their_state) == str(our_state)


def test_they_import_no_compiler():
    code = (
        "import sys, torch; from avgzsl.learning.optimisers import SGD; w = torch.ones(2, requires_grad=True); "
        "o = SGD([w], 0.1); w.sum().backward(); o.step(); o.zero_grad(); o.load_state_dict(o.state_dict()); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
