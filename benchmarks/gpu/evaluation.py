"""Calibration, classification and retrieval of a trained method, its clips on the device and on the CPU."""

from typing import Any

import torch

from benchmarks.gpu.data import dataset, fitted
from benchmarks.gpu.part import Row, Where, must

NEEDS = ("pydantic",)
SECONDS = 60


def rows(where: Where) -> list[Row]:
    """The figures twice, and how long they take."""
    from avgzsl.experiments.gallery import gallery_of
    from avgzsl.experiments.numbers import choose_numbers
    from avgzsl.experiments.protocol import Mode

    data = dataset(where)
    method = fitted(data, {"attention": "none", "epochs": where.size(10, 2)}, where.device)
    modes = [Mode(modality, "equal") for modality in ("audio", "video", "both")]  # type: ignore[arg-type]

    def figures(at: str) -> list[Any]:
        val, test = (gallery_of(method, clips[at, split], data.classes) for split in ("val", "test"))
        return test.measure(modes, choose_numbers([val], modes))

    places = {"here": torch.device("cpu"), "there": torch.device(where.device)}
    clips = {(at, split): data.split(split).to(place) for at, place in places.items() for split in ("val", "test")}
    here, there = figures("here"), figures("there")
    gaps = [
        abs(getattr(x.classification, name) - getattr(y.classification, name))
        for x, y in zip(here, there, strict=True)
        for name in ("S", "U", "HM", "ZSL", "AUSUC")
    ]
    gaps += [abs(x.retrieval.HM - y.retrieval.HM) for x, y in zip(here, there, strict=True)]
    again = figures("there")
    same = all(
        x.classification.HM == y.classification.HM and torch.equal(x.retrieval.per_class, y.retrieval.per_class)
        for x, y in zip(there, again, strict=True)
    )
    size = len(data.split("test"))
    return [
        must("figures with clips on the device are those with clips on the CPU, within .005", max(gaps) <= 0.005),
        must("… and the same bytes twice", same),
        *(
            where.timed(f"calibration and evaluation of {size:,} clips on the {name}, three modes, s", f"{s:.2f}")
            for name, s in (
                ("device", where.seconds(lambda: figures("there"), 3, 1)),
                ("CPU", where.seconds(lambda: figures("here"), 1, 0)),
            )
        ),
    ]
