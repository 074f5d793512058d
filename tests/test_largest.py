"""The largest of numbers in blocks are those that sorting finds."""

import numpy as np
import pytest
import torch

from avgzsl.scores import largest as module
from avgzsl.scores.largest import largest


def of(numbers, n, least=None):
    numbers = torch.as_tensor(numbers)
    asked = []

    def write(start, end, room):
        asked.append((start, end))
        room.copy_(numbers[start:end])

    found = largest(write, len(numbers), n, least or [-np.inf] * len(n), numbers.dtype)
    assert [row for start, end in asked for row in range(start, end)] == list(range(len(numbers)))  # each row once
    assert all(end - start == module.block_rows(len(n)) for start, end in asked[:-1])
    return found


def require_right(numbers, n, least=None):
    for i, (rows, values) in enumerate(of(numbers, n, least)):
        column = numbers[:, i].float().numpy()
        wanted = np.sort(column[(column >= (least or [-np.inf] * len(n))[i]) & (column > -np.inf)])[::-1][: n[i]]
        assert np.array_equal(values, wanted)
        assert np.array_equal(column[rows], values)
        assert len(set(rows.tolist())) == len(rows)


@pytest.fixture(params=[0, 1 << 15], autouse=True)
def few(request, monkeypatch):
    monkeypatch.setattr(module, "_FEW", request.param)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 2048, 5000, 70_001])
def test_they_are_those_that_sorting_finds(rows, dtype, monkeypatch):
    monkeypatch.setattr(module, "_CELLS", 1 << 12)
    monkeypatch.setattr(module, "_KEPT", 1 << 14)
    g = torch.Generator().manual_seed(rows)
    numbers = torch.randn(rows, 5, generator=g).to(dtype)
    numbers[torch.rand(rows, 5, generator=g) < 0.1] = -torch.inf
    require_right(numbers, [1, 7, 64, 300, 100_000])
    require_right(numbers, [1, 7, 64, 300, 100_000], [2.0, 1.0, -np.inf, 0.5, 1.5])
    require_right(numbers[:, :1], [10])


@pytest.mark.parametrize("same", ["all", "groups", "ascending"])
def test_equal_and_ascending_numbers(same, monkeypatch):
    monkeypatch.setattr(module, "_CELLS", 1 << 12)
    monkeypatch.setattr(module, "_KEPT", 1 << 12)
    rows = torch.arange(50_000.0)[:, None]
    numbers = {"all": rows * 0 + 3, "groups": (rows // 64) % 7, "ascending": rows}[same].repeat(1, 3)
    require_right(numbers, [5, 1000, 64])


@pytest.mark.parametrize("wrong", [np.nan, -np.nan, np.inf])
@pytest.mark.parametrize("row", [0, 3000, 9999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_no_number_is_an_error(wrong, row, dtype):
    numbers = torch.randn(10_000, 3).to(dtype)
    numbers[row, 1] = wrong
    with pytest.raises(ValueError, match=r"NaN or \+inf"):
        of(numbers, [4, 4, 4])
