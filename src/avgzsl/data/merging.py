"""Classes of a data set that are one class written differently, made one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

import torch
from jaxtyping import Int64
from torch import Tensor

from avgzsl.data.clips import ClipSet, Dataset
from avgzsl.text.spellings import class_key, usual_spellings


def merged(dataset: Dataset) -> Dataset:
    """The data set with one class for all spellings of it; the very same one where no class has several.

    The class has the name and the text vector of its most usual spelling, and is seen if one of its spellings is: a
    test clip of a spelling that was unseen is then one of a seen class.
    """
    classes = dataset.classes
    if len({class_key(name) for name in classes.names}) == len(classes):
        return dataset
    labels = [classes.names[label] for clips in dataset.splits.values() for label in clips.labels.tolist()]
    usual = usual_spellings([*classes.names, *labels])
    names = [name for name in classes.names if usual[name] == name]
    number = torch.tensor([names.index(usual[name]) for name in classes.names])
    seen = torch.zeros(len(names), dtype=torch.bool)
    seen[number[classes.seen]] = True
    name = sha256(f"merged {dataset.fingerprint} {number.tolist()}".encode()).hexdigest()
    one_each = classes.take(torch.tensor([classes.names.index(name) for name in names]))
    return replace(
        dataset, classes=replace(one_each, seen=seen), splits=_Relabelled(dataset.splits, number), fingerprint=name
    )


@dataclass(frozen=True, eq=False)
class _Relabelled(Mapping[str, ClipSet]):
    """Splits whose label c becomes `number[c]`, each when it is asked for."""

    splits: Mapping[str, ClipSet]
    number: Int64[Tensor, " c"]

    def __getitem__(self, split: str) -> ClipSet:
        clips = self.splits[split]
        return replace(clips, labels=self.number[clips.labels])

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        return len(self.splits)
