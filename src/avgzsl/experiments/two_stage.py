"""The two-stage protocol of the AVCA benchmark, on any class split that has a first stage.

Stage 1 trains on `train` and is looked at after every epoch on the validation clips of seen and unseen classes: the
epoch with the best HM (exact penalty; equal weights, or what hard attention picks) is kept, and the penalty of each
test mode is found there. Stage 2 trains anew on train and validation together, for as many epochs, and is tested with
those penalties. No test clip is looked at on the way. Where a method lowers its rate at a plateau, stage 2 looks at the
validation clips of stage 1, as the published code does, though it now trains on them.

`per-modality` takes the exact best-HM penalty of each mode. `avca-published` is the published choice: for audio, for
video and for both the best of 16 penalties from 0 to 3, on distances (of both: the sum of audio's and video's, or the
one that hard attention picks), and then the mean of the three for all of them, 1e-10 in the place of 0.
`clipclap-published` is the same with ClipClap's grid, 76 penalties from 0 to 5, and 1e-10 / 3 more.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet, Dataset
from avgzsl.data.layouts import as_dataset, class_splits, place_of
from avgzsl.data.relabelling import RelabelledClips
from avgzsl.errors import ConfigError, RunError, UnknownNameError
from avgzsl.experiments import run as runs
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.jobs import has_plateau
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import Mode, ModeNumbers, Numbers, choose_modes, main_fusion
from avgzsl.experiments.relabelled import look_up
from avgzsl.experiments.train_evaluate import Evaluation, evaluation_of, save_results, train
from avgzsl.learning.training import Schedule
from avgzsl.methods import Method, MethodChoice, build
from avgzsl.scores.metrics import class_accuracy, harmonic_mean
from avgzsl.scores.scoring import predict
from avgzsl.support.arguments import check_arguments
from avgzsl.support.progress import Progress
from avgzsl.support.registry import unknown
from avgzsl.support.trust import parse_json, read_regular
from avgzsl.types import DataChoice

Penalty = Literal["per-modality", "avca-published", "clipclap-published"]
PENALTIES: tuple[Penalty, ...] = get_args(Penalty)
GRIDS: Mapping[str, Float64[Tensor, " _k"]] = {
    "avca-published": torch.linspace(0, 3, 16, dtype=torch.float64),
    "clipclap-published": torch.linspace(0, 5, 76, dtype=torch.float64),
}
_TRACE = 1e-10  # what the published codes add to a penalty: to the sum of the three, or to a mean of 0
FIRST = "stage-1"


def two_stage(
    data: str | Path | Dataset,
    method: MethodChoice | None = None,
    *,
    out: str | Path,
    choice: DataChoice | None = None,
    penalty: Penalty | str = "per-modality",
    preset: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    relabelled: str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Train both stages into `out/stage-1` and `out/stage-2`, and test the second.

    Parameters are those of `train`, of which this is two, the `penalty`, and `relabelled` as in `evaluate`. Raises
    ConfigError for a class split without a first stage, and what `train` raises.
    """
    check_arguments(choice=choice, settings=settings, seed=seed, progress=progress)
    if penalty not in PENALTIES:
        raise UnknownNameError(unknown("penalty", penalty, PENALTIES))
    path, choice = place_of(data, choice)
    second = _with_first_stage(path, choice)
    first = replace(second, class_split=f"{second.class_split}/{FIRST}")
    asked = dict(settings or {})
    stopping = {**asked, **_keep_the_best(build(method, preset, asked))}
    # looked up before hours of training, not after
    found = None if relabelled is None else look_up(relabelled, as_dataset(path, second), "test")
    folder = Path(out)
    how: dict[str, Any] = {"preset": preset, "seed": seed, "device": device, "resume": resume, "progress": progress}
    run = train(path, method, out=folder / FIRST, choice=first, settings=stopping, validate_every=1, **how)
    epochs = best_epoch(folder / FIRST)
    stage_1 = as_dataset(path, first)
    numbers = find_numbers(run.method, stage_1.split("val"), stage_1.classes, penalty)
    again = {**asked, "epochs": epochs, "patience": 0} if epochs else asked
    looks: dict[str, Any] = {"validate_every": int(has_plateau(run.method)), "validate_on": stage_1}
    run = train(path, method, out=folder / "stage-2", choice=second, settings=again, **looks, **how)
    evaluation = _test(run, as_dataset(path, second), numbers, penalty, epochs, found)
    save_results(folder, evaluation)
    return evaluation


def best_epoch(run: Path) -> int | None:
    """The first epoch with the best validation HM; None for a method that has no epochs."""
    path = run / runs.HISTORY
    try:
        records = [parse_json(line) for line in read_regular(path, RunError).splitlines()]
        looked = [record for record in records if "val_HM" in record]
        return int(max(looked, key=lambda record: record["val_HM"])["epoch"]) if looked else None
    except (OSError, ValueError, TypeError, LookupError) as problem:
        raise RunError(f"{path}: not the history of a training ({problem}); train again") from problem


def find_numbers(method: Method, val: ClipSet, classes: ClassTable, penalty: Penalty | str) -> dict[Mode, Numbers]:
    """The numbers of each test mode, from the validation clips of stage 1; `penalty` says how gamma is chosen."""
    gallery = gallery_of(method, val, classes)
    modes = gallery.modes
    numbers = choose_numbers([gallery], modes)
    if penalty == "per-modality":
        return numbers
    apart = gallery.embeddings.joint is None  # then our `both` is the mean of two distances, theirs the sum
    scale = {mode: 2.0 if apart and mode == Mode("both", "equal") else 1.0 for mode in modes}
    both = main_fusion(method)
    penalties = []
    for mode in modes:
        if mode.fusion == ("equal" if mode.modality != "both" else both):
            scored = gallery.score(mode, {})
            penalties.append(grid_penalty(scale[mode] * scored.scores, scored.labels, classes.seen, GRIDS[penalty]))
    mean = sum(penalties) / len(penalties)
    mean = mean + _TRACE / 3 if penalty == "clipclap-published" else mean or _TRACE
    return {mode: replace(numbers.get(mode, Numbers()), gamma=mean / scale[mode]) for mode in modes}


def grid_penalty(
    scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"], seen: Bool[Tensor, " c"], grid: Float64[Tensor, " _k"]
) -> float:
    """The first penalty of a grid with the best HM."""

    def hm(gamma: float) -> float:
        right = class_accuracy(predict(scores, seen, gamma), labels, len(seen))
        return harmonic_mean(float(right[seen].nanmean()), float(right[~seen].nanmean()))

    return float(max(grid.tolist(), key=hm))


def _with_first_stage(path: Path, choice: DataChoice) -> DataChoice:
    """The choice, with the first class split that has a first stage where it names none. Raises ConfigError."""
    names = class_splits(path, choice.layout)
    served = [name for name in names if f"{name}/{FIRST}" in names]
    if not served:
        raise ConfigError(
            f"{path}: no class split has a first stage ({', '.join(names)}); two-stage training is for data of layout "
            "avca, use `avgzsl train`"
        )
    if choice.class_split is None:
        return replace(choice, class_split=served[0])
    if choice.class_split not in served:
        raise UnknownNameError(f"{path}: {unknown('class split with two stages', choice.class_split, served)}")
    return choice


def _keep_the_best(method: Method) -> dict[str, Any]:
    """Settings that make a training end with the weights of its best epoch, without ending early unless asked to."""
    return {"patience": method.patience or method.epochs} if isinstance(method, Schedule) else {}


def _test(
    run: runs.Run,
    dataset: Dataset,
    numbers: ModeNumbers,
    penalty: Penalty | str,
    epochs: int | None,
    found: RelabelledClips | None,
) -> Evaluation:
    gallery = gallery_of(run.method, dataset.split("test"), dataset.classes)
    modes = choose_modes(run.method, gallery.modes, None, None, f"{dataset.source} (test)")
    measured = gallery.measure(modes, numbers)
    evaluation = evaluation_of(run, dataset, "test", measured, numbers, f"stage 1, {penalty}", dataset.notes, found)
    return replace(evaluation, provenance=evaluation.provenance | {"epochs": epochs})
