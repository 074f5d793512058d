"""The search of `benchmarks.tuning`, in a module of its own, so that other processes can import it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml

from avgzsl.data.layouts import as_dataset
from avgzsl.errors import AvgzslError
from avgzsl.experiments.trial import Judge
from avgzsl.experiments.tuning import TRIALS, tune
from avgzsl.methods import Method, method_class, settings_of
from avgzsl.types import DataChoice

PRESET = "realset"
# of a method that has the preset, only these are searched: the schedule and sizes are the preset's
SEARCHED = (
    "dropout",
    "encoder_dropout",
    "projection_dropout",
    "decoder_dropout",
    "margin",
    "weight_decay",
    "temperature",
    "text_scale",
)
Tuned = dict[str, dict[str, dict[str, Any]]]  # method -> class split -> settings that are not those of its start


def ranges_of(kind: type[Method]) -> dict[str, tuple[Any, ...]]:
    """What is searched: of every method the scale of the text, too."""
    own = {"text_scale": ("unit", "centred"), **kind.ranges}
    return {key: values for key, values in own.items() if PRESET not in kind.presets or key in SEARCHED}


def start_of(kind: type[Method]) -> dict[str, Any]:
    """The preset for a thousand clips where the method has it, else its defaults; every setting."""
    return settings_of(kind(**kind.presets.get(PRESET, {})))


def tune_split(
    data: Path, choice: DataChoice, names: list[str], judge: Judge, work: Path, trials: int, folds: int
) -> dict[str, dict[str, Any]]:
    """The best settings of methods on a class split, as far as they differ from their start; one thread.

    A method that cannot be tuned here is left out: it stands in the tables as it starts.
    """
    import torch

    torch.set_num_threads(1)
    dataset, found = as_dataset(data, choice), {}
    for name in names:
        kind = method_class(name)
        preset = PRESET if PRESET in kind.presets else None
        search = {"trials": trials, "folds": None if judge == "val" else folds, "preset": preset}
        try:
            best = tune(dataset, name, work / name / dataset.class_split, judge=judge, ranges=ranges_of(kind), **search)
        except AvgzslError as problem:
            print(f"{judge}, {dataset.class_split}, {name}: {problem}", flush=True)
            continue
        found[name] = _differing(kind, best.settings)
        print(f"{judge}, {dataset.class_split}, {name}: HM {100 * best.hm:.1f}: {found[name]}", flush=True)
    return found


def _differing(kind: type[Method], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as the method has them (a list of a file is a tuple again) that are not those of its start."""
    start = start_of(kind)
    return {key: value for key, value in settings_of(kind(**settings)).items() if value != start[key]}


def gathered(work: Path, names: list[str], trials: int) -> tuple[dict[str, Tuned], dict[str, int]]:
    """Of each search that was begun in `work` the best of its first `trials`, by judge, and nothing is tried.

    Also how many trials the shortest search of a method had, where those were fewer.
    """
    found: dict[str, Tuned] = {judge: {} for judge in get_args(Judge)}
    fewer: dict[str, int] = {}
    for judge, name in ((judge, name) for judge in found for name in names):
        for file in sorted((work / judge / name).glob(f"*/{TRIALS}")):
            tried = [json.loads(line) for line in file.read_text().splitlines()][:trials]
            if len(tried) < trials:
                fewer[name] = min(len(tried), fewer.get(name, trials))
            if done := [trial for trial in tried if trial["hm"] is not None]:
                best = max(done, key=lambda trial: float(trial["hm"]))
                found[judge].setdefault(name, {})[file.parent.name] = _differing(method_class(name), best["settings"])
    return found, fewer


def read_tuned(path: Path) -> Mapping[str, Any]:
    """The settings by judge, and how they came to be, as `benchmarks.tuning` writes them."""
    found: Mapping[str, Any] = yaml.safe_load(path.read_text())
    return found
