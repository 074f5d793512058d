"""The search of `benchmarks.tuning`, in a module of its own, so that other processes can import it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from avgzsl.data.layouts import as_dataset
from avgzsl.errors import AvgzslError
from avgzsl.experiments.trial import Judge
from avgzsl.experiments.tuning import tune
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
        chosen = settings_of(kind(**best.settings))  # as the method has them: a list of a file is a tuple again
        found[name] = {key: value for key, value in chosen.items() if value != start_of(kind)[key]}
        print(f"{judge}, {dataset.class_split}, {name}: HM {100 * best.hm:.1f}: {found[name]}", flush=True)
    return found


def read_tuned(path: Path) -> Mapping[str, Any]:
    """`trials`, `folds`, `text`, and the settings by judge, as written here."""
    found: Mapping[str, Any] = yaml.safe_load(path.read_text())
    return found
