"""Methods class by class: the accuracy of each on every class, and what one gains over another."""

import csv
import io
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from avgzsl.data.clips import Dataset
from avgzsl.experiments.cells import Result
from avgzsl.reports.significance import compare_methods
from avgzsl.support.spreadsheet import escaped

TESTED = ("classification", "both", "equal", None)  # task, modality, fusion, stretch of the rows that are compared


class PerClass(NamedTuple):
    """The accuracy of m methods on n classes, in %; a class that is seen in one class split and unseen in another is
    there once as each. Means over class splits and seeds, of the mode both with equal weights, calibrated."""

    classes: tuple[str, ...]
    seen: tuple[bool, ...]
    methods: tuple[str, ...]
    percent: Float64[Tensor, "n m"]
    left_out: tuple[str, ...]
    """Methods that are not tested in that mode."""

    def column(self, method: str) -> Float64[Tensor, " n"]:
        """The accuracies of one method."""
        return self.percent[:, self.methods.index(method)]


def per_class(results: Sequence[Result], datasets: Mapping[str, Dataset]) -> PerClass:
    """Every class that every compared method has been tested on, in the order of the class lists."""
    values: dict[str, dict[tuple[str, bool], list[float]]] = {}
    for result in results:
        classes = datasets[result.cell.class_split].classes
        seen = dict(zip(classes.names, classes.seen.tolist(), strict=True))
        for row in result.rows:
            if (row["task"], row["modality"], row["fusion"] or "equal", row["stretch"]) == TESTED:
                own = values.setdefault(result.label, {})
                for name, value in row["per_class"].items():
                    if value is not None:
                        own.setdefault((name, seen[name]), []).append(100 * value)
    labels = list(dict.fromkeys(result.label for result in results))
    order = list(dict.fromkeys(key for own in values.values() for key in own))
    keys = [key for key in order if all(key in own for own in values.values())]
    table = [[fmean(own[key]) for own in values.values()] for key in keys]
    return PerClass(
        tuple(name for name, _ in keys),
        tuple(seen for _, seen in keys),
        tuple(values),
        torch.tensor(table, dtype=torch.float64).reshape(len(keys), len(values)),
        tuple(label for label in labels if label not in values),
    )


def per_class_csv(table: PerClass, against: str) -> str:
    """One row a class: whether it was seen, each method's accuracy, and what it gains over `against`, in points."""
    others = [name for name in table.methods if name != against] if against in table.methods else []
    header = ["class", "role", *table.methods, *(f"{name} over {against}" for name in others)]
    rows = []
    for place, name in enumerate(table.classes):
        gains = [table.column(other)[place] - table.column(against)[place] for other in others]
        figures = [f"{float(value):.2f}" for value in (*table.percent[place], *gains)]
        rows.append([escaped(name), "seen" if table.seen[place] else "unseen", *figures])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([[*map(escaped, header)], *rows])
    return out.getvalue()


def best_but(table: PerClass, against: str) -> str | None:
    """The method with the best mean accuracy of seen and unseen classes together, other than `against`."""
    seen = torch.tensor(table.seen)
    if against not in table.methods or len(table.methods) < 2 or len(table.classes) < 2:
        return None

    def balance(name: str) -> float:
        groups = [table.column(name)[part] for part in (seen, ~seen) if bool(part.any())]
        return fmean(float(group.mean()) for group in groups)

    return max((name for name in table.methods if name != against), key=balance)


def gain_sentence(table: PerClass, method: str, against: str) -> str:
    """On how many classes a method gains and loses against another, and where most."""
    gain = table.column(method) - table.column(against)
    pair = compare_methods(torch.stack([table.column(method), table.column(against)], 1), [method, against]).pairs[0]
    most, least = int(gain.argmax()), int(gain.argmin())
    by_role = [
        f"{gain[part].mean():+.1f} points on {'seen' if seen else 'unseen'} classes"
        for seen in (True, False)
        if bool((part := torch.tensor(table.seen) == seen).any())
    ]
    return (
        f"{method} gains on {pair.wins} classes over {against}, loses on {pair.losses}, and is equal on {pair.ties} "
        f"(Wilcoxon p = {pair.wilcoxon_p:.2g}); in the mean {' and '.join(by_role)}. Most: {table.classes[most]} "
        f"({gain[most]:+.1f}); least: {table.classes[least]} ({gain[least]:+.1f}). Unseen classes are in italics."
    )
