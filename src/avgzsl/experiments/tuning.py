"""Hyper-parameters chosen on validation: the ranges a method declares, searched at random, every trial kept.

By default a trial is judged on pseudo-unseen folds: some seen classes are held out as if unseen, so that no label of
an unseen class is used. `val` judges on the validation clips of all classes, as the field's papers probably do.
"""

import itertools
import json
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import as_dataset
from avgzsl.errors import AvgzslError, ConfigError, RunError
from avgzsl.experiments.code_version import code_version
from avgzsl.experiments.trial import Judge, validation_hm
from avgzsl.methods import Method, MethodChoice, build, find_method, settings_of
from avgzsl.support.arguments import check_arguments
from avgzsl.support.files import write_json, write_text
from avgzsl.support.progress import Progress, Step
from avgzsl.support.showing import Shown
from avgzsl.support.trust import parse_json, read_json, read_regular
from avgzsl.types import DataChoice

FOLDS = 3
_SMALL_GRID = 100_000  # settings
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


@dataclass(frozen=True, eq=False)
class Tuned(Shown):
    """The best settings, their mean validation HM (a fraction), the file that holds them, and all trials in order."""

    settings: dict[str, Any]
    hm: float
    preset: Path
    trials: tuple[Trial, ...]

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row a trial: HM, why it failed, and its settings."""
        return [{"hm": trial.hm, "error": trial.error, **trial.settings} for trial in self.trials]

    def json(self) -> dict[str, Any]:
        """The best settings, and the trials as in `trials.jsonl`."""
        trials = [vars(trial) for trial in self.trials]
        return {"settings": self.settings, "hm": self.hm, "preset": str(self.preset), "trials": trials}


def tune(
    data: str | Path | Dataset,
    method: MethodChoice | None,
    out: str | Path,
    *,
    choice: DataChoice | None = None,
    judge: Judge = "pseudo-unseen",
    trials: int = 20,
    folds: int | None = None,
    seed: int = 0,
    preset: str | Path | None = None,
    fixed: Mapping[str, Any] | None = None,
    ranges: Mapping[str, Sequence[Any]] | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """Search the method's ranges and give the best settings, also written to `out/preset.yaml`.

    The first trial is the method's defaults, or the `preset`, from which the others then differ by what they draw;
    `fixed` settings hold in every trial; `ranges` are searched in place of the method's own. Trials that
    `out/trials.jsonl` has already are not run again, unless they were made by other code (`left_aside`). `folds` (3 if
    None) are those of pseudo-unseen classes. `progress` hears of every trial, with its HM.

    Parameters are many since each is a question of its own about the search: on which data, from where it starts, what
    it may change, how a trial is judged, how many there are. Raises ConfigError for a method without ranges, for folds
    with judge `val`, when every trial failed; RunError for a folder of another search, or one that is damaged.
    """
    check_arguments(choice=choice, trials=trials, folds=folds, seed=seed, fixed=fixed, progress=progress)
    if trials < 1:
        raise ConfigError(f"{trials} trials were asked for; give a number from 1 on")
    if judge == "val" and folds is not None:
        raise ConfigError(f"{folds} folds with judge val, which has none; leave them out, or judge by pseudo-unseen")
    folder, folds = Path(out), folds or FOLDS
    fixed = dict(fixed or {})
    kind = find_method(method)
    own = settings_of(method) if isinstance(method, Method) else {}
    base = {**own, **kind.preset(preset), **fixed}
    searched = {key: tuple(values) for key, values in (kind.ranges if ranges is None else ranges).items()}
    searched = {key: values for key, values in searched.items() if key not in fixed}
    candidates = [_plain(settings) for settings in itertools.islice(_candidates(kind, base, searched, seed), trials)]
    dataset = as_dataset(data, choice)
    search = {"method": kind.name, "judge": judge, "folds": folds, "seed": seed, "base": base, "fixed": fixed}
    search |= {} if ranges is None else {"ranges": searched}
    _claim(folder, _plain({**search, "data": dataset.fingerprint}))
    kept = _read(folder / TRIALS)
    code = code_version(kind)
    tried: list[Trial] = []
    failed, started = 0, time.monotonic()
    for settings in candidates:
        trial = kept.get(Trial(settings, None, code=code).key)
        if trial is None:
            trial = _try(dataset, kind, settings, judge, folds, seed, code)
            kept[trial.key] = trial
            write_text(folder / TRIALS, "".join(json.dumps(vars(trial)) + "\n" for trial in kept.values()))
        tried.append(trial)
        failed += trial.hm is None
        if progress is not None:
            left = (time.monotonic() - started) / len(tried) * (len(candidates) - len(tried))
            figures = {} if trial.hm is None else {"HM": trial.hm}
            progress(Step("trials", len(tried), len(candidates), left, failed, _shown(trial.settings), figures))
    best = max(tried, key=lambda trial: -1.0 if trial.hm is None else trial.hm)
    if best.hm is None:
        raise ConfigError(f"{kind.name}: every trial failed, the first with: {best.error}")
    write_text(folder / PRESET, yaml.safe_dump(best.settings, sort_keys=True))
    return Tuned(best.settings, best.hm, folder / PRESET, tuple(tried))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a file gives them back, where a tuple is a list: else a search would not know itself again."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def _shown(settings: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items()) or "defaults"


def _candidates(
    kind: type[Method], base: Mapping[str, Any], ranges: Mapping[str, tuple[Any, ...]], seed: int
) -> Iterator[dict[str, Any]]:
    """The base, then distinct draws from the ranges; the whole grid, shuffled, where it is small."""
    if not ranges:
        raise ConfigError(
            f"{kind.name} declares no ranges to search" + (" beside what is fixed" if kind.ranges else "")
        )
    start = settings_of(build(kind, settings=base))
    yield dict(base)
    for place in _places(math.prod(len(values) for values in ranges.values()), random.Random(seed)):
        settings = dict(base)
        for key, values in ranges.items():
            place, position = divmod(place, len(values))
            settings[key] = values[position]
        if {**start, **settings} != start:  # which is the first candidate
            yield settings


def _places(size: int, draw: random.Random) -> Iterator[int]:
    """Places in a grid of `size`, each once, at random: all of a small grid; of a large one, draws without end."""
    if size <= _SMALL_GRID:
        yield from draw.sample(range(size), size)
        return
    drawn: set[int] = set()
    while True:
        place = draw.randrange(size)
        if place not in drawn:
            drawn.add(place)
            yield place


def _try(
    dataset: Dataset, kind: type[Method], settings: dict[str, Any], judge: Judge, folds: int, seed: int, code: str
) -> Trial:
    try:
        return Trial(settings, validation_hm(dataset, kind, settings, judge, folds, seed), code=code)
    except AvgzslError as problem:
        return Trial(settings, None, str(problem), code)


def _claim(folder: Path, search: dict[str, Any]) -> None:
    """Write down which search a folder holds, or refuse another's."""
    path = folder / SEARCH
    if not path.exists():
        write_json(path, search)
        return
    try:
        recorded = dict(read_json(path, RunError))
    except (OSError, ValueError, TypeError) as problem:
        raise RunError(f"{path}: not the record of a search ({problem}); choose another folder") from problem
    differ = [key for key in {**search, **recorded} if search.get(key) != recorded.get(key)]
    if differ:
        raise RunError(f"{folder}: holds a search with other {', '.join(differ)}; choose another folder")


def left_aside(out: str | Path, method: MethodChoice | None) -> int:
    """How many trials the folder holds that other code made: they stay in the file, and are made anew."""
    code = code_version(method)
    return sum(trial.code != code for trial in _read(Path(out) / TRIALS).values())


def _read(path: Path) -> dict[tuple[str, str], Trial]:
    if not path.exists():
        return {}
    try:
        trials = [Trial(**parse_json(line)) for line in read_regular(path, RunError).splitlines()]
    except (OSError, ValueError, TypeError) as problem:
        raise RunError(f"{path}: not a list of trials ({problem}); remove it, and they are made anew") from problem
    return {trial.key: trial for trial in trials}
