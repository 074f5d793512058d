"""The methods of a grid ranked over classes and over class splits, where there are enough to tell them apart."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from avgzsl.experiments.cells import Result
from avgzsl.reports.per_class import TESTED, PerClass
from avgzsl.reports.significance import RankComparison, cannot_compare, compare_methods


class Ranking(NamedTuple):
    """Methods ranked over `units` by their scores (%, units x methods): the comparison, or why there can be none."""

    units: str
    percent: torch.Tensor
    comparison: RankComparison | None
    why_not: str | None


def rankings(results: Sequence[Result], table: PerClass) -> list[Ranking]:
    """By the accuracy of each class, and by the HM of each class split, in the mode that `per_class` compares."""
    splits, methods, harmonic = _by_split(results)
    return [
        _rank("classes", table.percent, table.methods),
        _rank(
            "class splits",
            100 * torch.tensor(harmonic, dtype=torch.float64).reshape(len(splits), len(methods)),
            methods,
        ),
    ]


def _rank(units: str, percent: torch.Tensor, methods: Sequence[str]) -> Ranking:
    n, k = percent.shape
    why_not = cannot_compare(n, k, units)
    return Ranking(units, percent, None if why_not else compare_methods(percent, methods, units=units), why_not)


def _by_split(results: Sequence[Result]) -> tuple[list[str], list[str], list[list[float]]]:
    """Class splits that all methods have, the methods, and the HM of each, mean over seeds, as splits x methods."""
    values: dict[str, dict[str, list[float]]] = {}
    for result in results:
        for row in result.rows:
            tested = row["task"], row["modality"], row["fusion"] or "equal", row["stretch"]
            if tested == TESTED and row["HM"] is not None:
                values.setdefault(result.label, {}).setdefault(result.cell.class_split, []).append(row["HM"])
    every = list(dict.fromkeys(split for own in values.values() for split in own))
    splits = [split for split in every if all(split in own for own in values.values())]
    return splits, list(values), [[sum(own[s]) / len(own[s]) for own in values.values()] for s in splits]
