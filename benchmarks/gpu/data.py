"""Clips of the parts: a data set in memory, in the size of AudioSetZSL or a hundredth of it, drawn on the device."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet, Dataset
from avgzsl.generators.audioset_zsl import counts
from benchmarks.gpu.part import Where
from benchmarks.step_time import UNSEEN

WIDTHS = {"audio": 1024, "video": 1024, "text": 300}
SMALL_WIDTHS = {"audio": 64, "video": 48, "text": 32}


def dataset(where: Where, share: float = 1.0) -> Dataset:
    """All classes and splits, so many of the clips; a clip is a fixed linear image of its class's text, and noise."""
    device, scale = where.device, 0.005 if where.small else share
    widths = SMALL_WIDTHS if where.small else WIDTHS
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    text = torch.nn.functional.normalize(normal(len(counts()), widths["text"]), dim=1)
    maps = {m: normal(widths["text"], widths[m]) for m in ("audio", "video")}
    seen = torch.tensor([name not in UNSEEN for name in counts()])
    classes = ClassTable(tuple(counts()), text.cpu(), seen)
    splits = {}
    for number, split in enumerate(("train", "val", "test")):
        sizes = [max(2, round(of_split[number] * scale)) for of_split in counts().values()]
        labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        features = {m: (text[labels.to(device)] @ maps[m]).add_(normal(len(labels), widths[m])).cpu() for m in maps}
        ids = np.char.add(f"{split}-", np.arange(len(labels)).astype(str))
        splits[split] = ClipSet(features["audio"], features["video"], labels, ids)
    return Dataset(classes, splits, fingerprint="random numbers")


def fitted(data: Dataset, settings: Mapping[str, Any], device: str, name: str = "avgzslnet", **job: Any) -> Any:
    """A method that has learned on the device."""
    from avgzsl.learning.training import Job
    from avgzsl.methods import build

    return build(name, settings=settings).fit(*data.training(), Job(device=device, **job))
