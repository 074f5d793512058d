"""ClipClap's blocks and losses written out in loops, for the tests of the methods that are made of them."""

import math

import numpy as np
import torch
from torch import Generator, Tensor, nn

from avgzsl.data.clips import Dataset
from avgzsl.learning.train_set import TrainSet, load_train_set
from avgzsl.methods import build, dimensions
from avgzsl.methods._clipclap import ClipClapMethod

Rows = list[list[float]]
SMALL = {"hidden": 6, "embedding": 4, "epochs": 2, "steps": 3, "batch_size": 8, "plateau": 0}


class Oracle:
    """The blocks as loops over numbers, with the weights of a network and the statistics of what they are given."""

    def __init__(self, networks: nn.Module) -> None:
        self.networks = networks

    def block(self, name: str, rows: Rows) -> Rows:
        for layer in getattr(self.networks, name).layers:
            rows = self._layer(layer, rows)
        return rows

    def _layer(self, layer: nn.Module, rows: Rows) -> Rows:
        weight, bias = layer.linear.weight.tolist(), layer.linear.bias.tolist()
        out = [[product + b for product, b in zip(products, bias, strict=True)] for products in dots(rows, weight)]
        gain, shift = layer.norm.weight.tolist(), layer.norm.bias.tolist()
        for j in range(len(weight)):
            column = [row[j] for row in out]
            mean = sum(column) / len(column)
            variance = sum((x - mean) ** 2 for x in column) / len(column)
            for row in out:
                row[j] = max(0.0, gain[j] * (row[j] - mean) / math.sqrt(variance + 1e-5) + shift[j])
        return out


def mean_square(x: Rows, y: Rows) -> float:
    return float(np.mean([(a - b) ** 2 for p, q in zip(x, y, strict=True) for a, b in zip(p, q, strict=True)]))


def cross_entropy(scores: Rows, labels: list[int]) -> float:
    return float(np.mean([math.log(sum(map(math.exp, row))) - row[y] for row, y in zip(scores, labels, strict=True)]))


def dots(x: Rows, y: Rows) -> Rows:
    return [[sum(a * b for a, b in zip(p, q, strict=True)) for q in y] for p in x]


def case(name: str, dataset: Dataset) -> tuple[ClipClapMethod, TrainSet, Tensor]:
    """A method with networks of random normalisations, its data, and rows of a batch: one class comes twice."""
    train, classes = dataset.training()
    method = build(name, settings={**SMALL, "dropout": 0.0})
    assert isinstance(method, ClipClapMethod)
    data = load_train_set(train, classes, True, torch.device("cpu"))
    method.networks_ = method.build(dimensions(train, classes), Generator().manual_seed(0))
    g = Generator().manual_seed(1)
    for module in method.networks_.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 2, generator=g)
            nn.init.uniform_(module.bias, -0.5, 1, generator=g)
    return method, data, torch.tensor([0, 3, 7, 9, 14])
