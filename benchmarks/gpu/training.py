"""200 epochs at the size of AudioSetZSL, in float32 and bf16, with the steps replayed as a CUDA graph and called."""

import time
from functools import partial
from typing import Any

import torch

from avgzsl.data.clips import Dataset
from benchmarks.gpu.data import dataset, fitted
from benchmarks.gpu.part import Row, Where, must

NEEDS = ("pydantic",)
SECONDS = 150
BATCH = 4096
TYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


def epochs_alone(data: Dataset, where: Where, settings: dict[str, Any], **job: Any) -> tuple[float, float, list[Any]]:
    """Seconds of all epochs, of the whole fit with what comes before them, and what the epochs told."""
    told: list[Any] = []
    ends: list[float] = []

    def hear(step: Any) -> None:
        told.append(step)
        ends.append(time.perf_counter())

    where.synchronise()
    begun = time.perf_counter()
    fitted(data, {"attention": "none", **settings}, where.device, progress=hear, **job)
    where.synchronise()
    whole = time.perf_counter() - begun
    between = ends[-1] - ends[0]
    return between * len(ends) / max(1, len(ends) - 1), whole, told


def rows(where: Where) -> list[Row]:
    """All four trainings, and one that looks at validation every ten epochs."""
    from avgzsl.experiments.jobs import validation_monitor
    from avgzsl.learning.training import Job
    from avgzsl.methods import build
    from benchmarks.training import operations_of_a_step

    data, epochs, found = dataset(where), where.size(200, 4), []
    operations = partial(operations_of_a_step, *data.training())  # counted on the CPU, as an epoch runs there
    steps = -(-len(data.training()[0]) // BATCH)
    for precision, dtype in TYPES.items():
        own, peak = operations(precision), where.peak(dtype)
        for recorded in (True, False):
            settings = {"precision": precision, "epochs": epochs}
            spent, whole, told = epochs_alone(data, where, settings, record_steps=recorded)
            how = "replayed as a graph" if recorded else "called"
            name = f"{precision}, steps {how}: {epochs} epochs, s"
            wanted = "≤ 10, aim 4" if precision == "bf16" and recorded else ""
            found.append(where.timed(name, f"{spent:.1f} (the whole fit {whole:.1f})", wanted, _within(spent, wanted)))
            rate = epochs * steps * own / spent
            share = f"{rate / peak:.2f} ({rate / 1e12:.1f} of {peak / 1e12:,.0f} TFLOP/s)"
            found.append(where.timed(f"{precision}, steps {how}: own operations over the rate of a product", share))
            first, last = (step.figures["loss"] for step in (told[0], told[-1]))
            found.append(must(f"{precision}, steps {how}: the loss falls", last < first))
    method = build("avgzslnet", settings={"attention": "none", "precision": "bf16", "epochs": epochs})
    monitor, looks = validation_monitor(method, data.split("val"), data.classes, where.device), -(-epochs // 10)
    begun = time.perf_counter()
    method.fit(*data.training(), Job(device=where.device, monitor=monitor, monitor_every=10))
    spent = time.perf_counter() - begun
    name = f"bf16, steps replayed, the whole fit with {looks} looks at {len(data.split('val')):,} validation clips, s"
    return [*found, where.timed(name, f"{spent:.1f}")]


def _within(seconds: float, wanted: str) -> bool | None:
    return seconds <= 10 if wanted else None
