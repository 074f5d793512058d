"""Hyper-parameters chosen on validation: the ranges a method declares, searched at random, every trial kept.

By default a trial is judged on pseudo-unseen folds: some seen classes are held out as if unseen, so that no label of
an unseen class is used. `val` judges on the validation clips of all classes, as the field's papers probably do.
"""

import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from avgzsl.data.clips import Dataset
from avgzsl.errors import AvgzslError, ConfigError, RunError
from avgzsl.experiments.code_version import code_version
from avgzsl.experiments.trial import Judge, validation_hm
from avgzsl.methods import build, method_class
from avgzsl.support.files import write_json, write_text
from avgzsl.support.trust import parse_json, read_json, read_regular

FOLDS = 3
TRIALS, PRESET, SEARCH = "trials.jsonl", "preset.yaml", "search.json"


@dataclass(frozen=True)
class Trial:
    """Settings that were tried and their mean validation HM (a fraction), or why they failed; by which code."""

    settings: dict[str, Any]
    hm: float | None
    error: str | None = None
    code: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Two trials of one key are the same."""
        return self.code, json.dumps(self.settings, sort_keys=True)


def tune(
    dataset: Dataset,
    method: str,
    out: Path,
    *,
    judge: Judge = "pseudo-unseen",
    trials: int = 20,
    folds: int | None = None,
    seed: int = 0,
    preset: str | Path | None = None,
    fixed: Mapping[str, Any] | None = None,
    told: Callable[[int, int, Trial], None] | None = None,
) -> dict[str, Any]:
    """Search the method's ranges and give the best settings, also written to `out/preset.yaml`.

    The first trial is the method's defaults, or the `preset`, from which the others then differ by what they draw;
    `fixed` settings hold in every trial. Trials that `out/trials.jsonl` has already are not run again, unless they were
    made by other code (`left_aside`). `told` hears trials done and in all. `folds` (3 if None) are those of
    pseudo-unseen classes. Raises ConfigError for a method without ranges, for folds with judge `val`, when every trial
    failed; RunError for a folder of another search, or one that is damaged.
    """
    if judge == "val" and folds is not None:
        raise ConfigError(f"{folds} folds with judge val, which has none; leave them out, or judge by pseudo-unseen")
    folds = folds or FOLDS
    fixed = dict(fixed or {})
    base = {**method_class(method).preset(preset), **fixed}
    build(method, settings=base)
    candidates = list(itertools.islice(_candidates(method, base, fixed, seed), trials))
    search = {"method": method, "judge": judge, "folds": folds, "seed": seed, "base": base, "fixed": fixed}
    _claim(out, {**search, "data": dataset.fingerprint})
    kept = _read(out / TRIALS)
    code = code_version(method)
    tried = []
    for settings in candidates:
        trial = kept.get(Trial(settings, None, code=code).key)
        if trial is None:
            trial = _try(dataset, method, settings, judge, folds, seed, code)
            kept[trial.key] = trial
            write_text(out / TRIALS, "".join(json.dumps(vars(trial)) + "\n" for trial in kept.values()))
        tried.append(trial)
        if told is not None:
            told(len(tried), len(candidates), trial)
    best = max(tried, key=lambda trial: -1.0 if trial.hm is None else trial.hm)
    if best.hm is None:
        raise ConfigError(f"{method}: every trial failed, the first with: {best.error}")
    write_text(out / PRESET, yaml.safe_dump(best.settings, sort_keys=True))
    return best.settings


def _candidates(method: str, base: Mapping[str, Any], fixed: Mapping[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    """The base, then distinct draws from the ranges; the whole grid, shuffled, where it is small."""
    ranges = {key: values for key, values in method_class(method).ranges.items() if key not in fixed}
    if not ranges:
        raise ConfigError(f"{method} declares no ranges to search" + (" beside what is fixed" if fixed else ""))
    yield dict(base)
    draw = random.Random(seed)
    size = 1
    for values in ranges.values():
        size *= len(values)
    order = draw.sample(range(size), size) if size <= 100_000 else iter(lambda: draw.randrange(size), -1)
    seen: set[int] = set()
    for number in order:
        if number in seen:
            continue
        seen.add(number)
        settings = dict(base)
        for key, values in ranges.items():
            number, place = divmod(number, len(values))
            settings[key] = values[place]
        yield settings


def _try(
    dataset: Dataset, method: str, settings: dict[str, Any], judge: Judge, folds: int, seed: int, code: str
) -> Trial:
    try:
        return Trial(settings, validation_hm(dataset, method, settings, judge, folds, seed), code=code)
    except AvgzslError as problem:
        return Trial(settings, None, str(problem), code)


def _claim(out: Path, search: dict[str, Any]) -> None:
    """Write down which search a folder holds, or refuse another's."""
    path = out / SEARCH
    if not path.exists():
        write_json(path, search)
        return
    try:
        there = dict(read_json(path, RunError))
    except (OSError, ValueError, TypeError) as problem:
        raise RunError(f"{path}: not the record of a search ({problem}); choose another folder") from problem
    differ = [key for key in search if search[key] != there.get(key)]
    if differ:
        raise RunError(f"{out}: holds a search with other {', '.join(differ)}; choose another folder")


def left_aside(out: Path, method: str) -> int:
    """How many trials the folder holds that other code made: they stay in the file, and are made anew."""
    code = code_version(method)
    return sum(trial.code != code for trial in _read(out / TRIALS).values())


def _read(path: Path) -> dict[tuple[str, str], Trial]:
    if not path.exists():
        return {}
    try:
        trials = [Trial(**parse_json(line)) for line in read_regular(path, RunError).splitlines()]
    except (OSError, ValueError, TypeError) as problem:
        raise RunError(f"{path}: not a list of trials ({problem}); remove it, and they are made anew") from problem
    return {trial.key: trial for trial in trials}
