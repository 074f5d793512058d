"""Networks: shapes, explicit randomness, dropout by its definition."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from avgzsl.learning.nets import Attention, Decoder, Projection, dropout_relu, linear_layer, unit_rows


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_parameter_counts_of_the_official_sizes():
    count = lambda net: sum(p.numel() for p in net.parameters())  # noqa: E731
    assert count(Projection(1024, 256, 64, 0.5, generator())) == 1024 * 256 + 256 + 256 * 64 + 64
    assert count(Decoder(64, 128, 300, generator())) == 64 * 128 + 128 + 128 * 300 + 300
    assert count(Attention(2048, generator())) == 2 * 2048 + 2048 + 1


def test_weights_are_those_of_a_layer_that_pytorch_leaves_undrawn():
    """`skip_init` does the same, and imports sympy for it, a third of a second in every command."""
    before = torch.get_rng_state()
    found = linear_layer(7, 5, generator(3))
    assert torch.equal(torch.get_rng_state(), before)
    layer, drawn = nn.utils.skip_init(nn.Linear, 7, 5), generator(3)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.uniform_(-(7**-0.5), 7**-0.5, generator=drawn)
    assert torch.equal(found.weight, layer.weight) and torch.equal(found.bias, layer.bias)
    assert linear_layer(7, 5, generator(3), bias=False).bias is None


def test_no_layer_imports_sympy():
    script = "import sys, torch; from avgzsl.methods import build\n"
    script += "for name in ('avgzslnet', 'f-vaegan', 'apn', 'ale', 'avca'):\n"
    script += "    method = build(name)\n"
    script += "    if hasattr(method, 'build'): method.build({'audio': 4, 'video': 5, 'text': 3}, torch.Generator())\n"
    script += "    if hasattr(method, 'layer'): method.layer(4, 3, torch.Generator())\n"
    script += "print('sympy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_init_is_pytorchs_default_distribution_and_hangs_on_the_generator():
    torch.manual_seed(0)
    layer = linear_layer(100, 4000, generator())
    torch.manual_seed(1)
    again = linear_layer(100, 4000, generator())
    assert torch.equal(layer.weight, again.weight) and torch.equal(layer.bias, again.bias)
    default = nn.Linear(100, 4000)
    assert layer.weight.abs().max() <= 0.1 and abs(layer.weight.std() - default.weight.std()) < 1e-3


@pytest.mark.parametrize("p", [0.5, 0.3])
def test_dropout_relu_by_definition(p):
    x = torch.randn(400, 256, generator=generator(1)).requires_grad_()
    out = dropout_relu(x, p, generator(2))
    kept = out > 0
    assert torch.allclose(out[kept], x[kept] / (1 - p))
    positive = x > 0
    assert abs(kept[positive].float().mean() - (1 - p)) < 0.005 and not kept[~positive].any()
    (out * out).sum().backward()
    reference = x.detach().clone().requires_grad_()
    ((reference * (kept / (1 - p))) ** 2).sum().backward()
    assert torch.allclose(x.grad, reference.grad)


def test_dropout_bits_are_independent_of_place():
    out = dropout_relu(torch.ones(3000, 16), 0.5, generator()) > 0
    assert (out.float().mean(0) - 0.5).abs().max() < 0.04
    neighbours = (out[:, 1:] == out[:, :-1]).float().mean(0)
    assert (neighbours - 0.5).abs().max() < 0.04


def test_without_generator_dropout_is_off():
    x = torch.randn(3, 7, generator=generator())
    assert torch.equal(dropout_relu(x, 0.5, None), x.relu())
    net = Projection(7, 5, 2, 0.5, generator())
    expected = x @ net.first.weight.T + net.first.bias
    expected = expected.relu() @ net.second.weight.T + net.second.bias
    assert torch.allclose(net(x), expected, atol=1e-6)


def test_rows_give_the_same_as_repeating_the_clips():
    net, x, rows = (
        Projection(7, 5, 2, 0.5, generator()),
        torch.randn(4, 7, generator=generator()),
        torch.tensor([2, 0, 2, 3, 1]),
    )
    assert torch.allclose(net(x, rows), net(x[rows]), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_unit_rows_for_any_finite_input(dtype):
    info = torch.finfo(dtype)
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0], [info.max, info.max], [info.tiny, 0.0], [-1e-30, 1e-30]], dtype=dtype)
    lengths = torch.linalg.vector_norm(unit_rows(x), dim=1)
    assert torch.allclose(lengths, torch.tensor([1, 0, 1, 1, 1], dtype=dtype), atol=1e-6)


def test_attention_at_rest_does_not_hang_on_the_batch():
    net = Attention(6, generator())
    a, v = torch.randn(8, 2, generator=generator()), torch.randn(8, 4, generator=generator())
    net(a, v, training=True)
    assert torch.allclose(net(a, v)[:3], net(a[:3], v[:3]), atol=1e-6)
    assert not torch.allclose(net(a, v, training=True)[:3], net(a[:3], v[:3], training=True), atol=1e-3)
