"""The blocks of AVCA and its successors, held against PyTorch's own layers."""

import pytest
import torch
from torch import nn

from avgzsl.errors import ConfigError
from avgzsl.learning.blocks import Block


def theirs(block: Block, momenta: list[float]) -> nn.Sequential:
    """The same layers by PyTorch, with the same weights; no dropout."""
    parts: list[nn.Module] = []
    for layer, momentum in zip(block.layers, momenta, strict=True):
        linear = nn.Linear(layer.linear.in_features, layer.linear.out_features)
        linear.load_state_dict(layer.linear.state_dict())
        parts += [linear, nn.BatchNorm1d(linear.out_features, momentum=momentum), nn.ReLU()]
    return nn.Sequential(*parts)


@pytest.mark.parametrize(("hidden", "momenta"), [(None, [0.1]), (7, [0.1, 0.99])])
def test_blocks_are_linear_norm_relu(hidden: int | None, momenta: list[float]) -> None:
    """The momentum that is asked for holds in the second of two layers alone, as in the public code."""
    block = Block(5, 3, 0.0, torch.Generator().manual_seed(0), hidden, 0.99)
    other = theirs(block, momenta)
    x = torch.randn(11, 5, generator=torch.Generator().manual_seed(1))
    for part in (x, 2 * x + 1):
        assert torch.allclose(block(part, torch.Generator()), other.train()(part), atol=1e-6)
    assert torch.allclose(block(x), other.eval()(x), atol=1e-6)


def test_dropout_comes_from_the_generator_and_only_with_one() -> None:
    block = Block(5, 4000, 0.25, torch.Generator().manual_seed(0))
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    one, again = (block(x, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, again)
    assert 0.6 < float((one == 0).float().mean()) < 0.65  # of the half that ReLU leaves, three quarters stay
    assert torch.equal(block(x), block(x))


def test_one_row_has_no_deviation() -> None:
    block = Block(5, 3, 0.0, torch.Generator().manual_seed(0))
    with pytest.raises(ConfigError, match="batch_size=2"):
        block(torch.ones(1, 5), torch.Generator())
    assert block(torch.ones(1, 5)).shape == (1, 3)
