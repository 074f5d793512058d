"""The two calls behind `avgzsl train` and `avgzsl evaluate`: from a data folder to a run, from a run to its figures."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import as_dataset
from avgzsl.errors import ConfigError, ModalityError, UnknownNameError
from avgzsl.experiments import run as runs
from avgzsl.experiments.calibration import RECOGNITION, calibrate_recognition, write_recognition
from avgzsl.experiments.protocol import Measured, Mode, measure, modes, penalties
from avgzsl.experiments.trial import Told, find_penalties, result_rows
from avgzsl.learning.training import Job, Record
from avgzsl.methods import Method, MethodChoice, build
from avgzsl.support.device import pick_device
from avgzsl.support.files import write_json
from avgzsl.support.progress import Progress, Step
from avgzsl.support.registry import unknown
from avgzsl.support.showing import Shown
from avgzsl.types import CALIBRATIONS, TEST_MODALITIES, Calibration, DataChoice, Fusion, TestModality

LOG = logging.getLogger("avgzsl")


@dataclass(frozen=True, eq=False)
class Evaluation(Shown):
    """What a run is worth: `results` rows and their `provenance` as in the JSON, and the measurements behind them."""

    results: list[dict[str, Any]]
    provenance: dict[str, Any]
    measured: list[Measured]
    dataset: Dataset
    split: str

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row a task and test mode, figures as fractions; those of single classes are left to `results`."""
        return [{name: value for name, value in row.items() if name != "per_class"} for row in self.results]

    def json(self) -> dict[str, Any]:
        """The object that `--json` writes."""
        return {"results": self.results, "provenance": self.provenance}


def train(
    data: str | Path | Dataset,
    method: MethodChoice | None = None,
    *,
    out: str | Path,
    choice: DataChoice | None = None,
    preset: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    validate_every: int = 10,
    checkpoint_seconds: float = 10.0,
    progress: Progress | None = None,
) -> runs.Run:
    """Fit a method on the seen training clips of a data set and write the run to `out`.

    `data` is a folder, read by `choice`, or an opened data set. `method` is a name, `path/to/file.py:Class`, a class or
    an object whose settings are taken (it stays unfitted); None is the default method. With `resume`, goes on where a
    killed training stood and ends in the same bytes. Validation HM (best penalty, equal weights) enters the history
    every `validate_every` epochs (0: never) and changes no weight unless the method's `patience` asks for early
    stopping. Validation clips also give the run the penalties and thresholds with which it recognises clips. What the
    reader should know of the data goes to the log `avgzsl` before training begins. `progress` hears of every epoch of a
    stage, with its numbers.

    Parameters are many since each changes one thing, most callers name none but `out`, and a value that held some of
    them would be one more thing to know. Raises DataError, ConfigError, RunError.
    """
    folder = Path(out)
    unfitted = build(method, preset, settings)
    pick_device(device)
    dataset = as_dataset(data, choice)
    for remark in dataset.notes:
        LOG.warning("note: %s", remark)
    config = runs.describe(unfitted, dataset, seed, device)
    runs.start(folder, config, resume)
    runs.write_classes(folder, dataset.classes)
    if resume and (folder / runs.MODEL).exists():
        run = runs.load_run(folder, type(unfitted))
        _calibrate(run.method, dataset, folder)
        return run
    history: list[Record] = []
    saved = time.monotonic()

    def after_epoch(step: Step, /) -> None:
        nonlocal saved
        if time.monotonic() - saved >= checkpoint_seconds:
            runs.write_history(folder, history)
            saved = time.monotonic()
        if progress is not None:
            progress(step)

    job = Job(
        seed=seed,
        device=device,
        monitor=validation_monitor(unfitted, dataset) if validate_every else None,
        monitor_every=max(validate_every, 1),
        progress=after_epoch,
        checkpoint=folder / runs.CHECKPOINT,
        checkpoint_seconds=checkpoint_seconds,
        # of a data set opened here, `training()` gives what nobody else has; another may be its caller's own arrays
        overwrite=not isinstance(data, Dataset),
        history=history,
    )
    fitted = unfitted.fit(*dataset.training(), job)
    runs.write_history(folder, history)
    _calibrate(fitted, dataset, folder)
    runs.finish(folder, fitted)
    return runs.Run(folder, config, fitted)


def _calibrate(method: Method, dataset: Dataset, folder: Path) -> None:
    """Write what recognition takes from the validation clips, unless it is there or they give nothing."""
    if not (folder / RECOGNITION).exists():
        recognition = calibrate_recognition(method, dataset)
        if recognition is not None:
            write_recognition(folder, recognition)


def validation_monitor(method: Method, dataset: Dataset) -> Callable[[], Mapping[str, float]] | None:
    """Validation S, U and HM of the method's last equal-weight mode at its best penalty; None without unseen clips."""
    val, classes = dataset.splits.get("val"), dataset.classes
    if val is None or not 0 < int(classes.seen[val.labels].sum()) < len(val):
        return None

    def look() -> Mapping[str, float]:
        mode = [mode for mode in modes(method, val) if mode.fusion == "equal"][-1]
        result = measure(method, val, classes, [mode], penalties(method, val, classes, [mode]))[0].classification
        return {"val_S": result.S, "val_U": result.U, "val_HM": result.HM}

    return look


def evaluate(
    run: str | Path | runs.Run,
    data: str | Path | Dataset | None = None,
    *,
    split: str = "test",
    modality: TestModality | str = "all",
    fusion: Fusion | None = None,
    calibration: Calibration = "val",
    told: Told | None = None,
) -> Evaluation:
    """Classification and retrieval of a run on a split of its data, in every test mode or in those asked for.

    `data` says where the data lies now, if it moved, or is the opened set; its fingerprint must be the run's. `told`
    hears of the folds of pseudo-unseen calibration. Raises RunError, ModalityError, UnknownNameError, DataError.
    """
    if calibration not in CALIBRATIONS:
        raise ConfigError(unknown("calibration", calibration, CALIBRATIONS))
    run = runs.load_run(run)
    trained_on = run.config.data
    dataset = data if isinstance(data, Dataset) else as_dataset(data or trained_on.path, trained_on.choice)
    runs.require_same_data(run, dataset)
    clips = dataset.split(split)
    wanted = choose_modes(run.method, modes(run.method, clips), modality, fusion)
    notes = list(dataset.notes)
    if bool(dataset.classes.seen.all()):
        notes.append("no class is unseen, so there is no U, HM, ZSL or AUSUC, and nothing to calibrate")
        calibration = "none"
    gammas = find_penalties(run.method, dataset, split, wanted, calibration, run.config.seed, run.config.device, told)
    measured = measure(run.method, clips, dataset.classes, wanted, gammas)
    provenance = {
        "run": runs.run_id(run.method),
        **run.config.model_dump(mode="json"),
        "split": split,
        "calibration": calibration,
        "gammas": {str(mode): gamma for mode, gamma in gammas.items()},
        "tie_rule": "classification: unseen before seen, then class order; retrieval: a seeded random order (seed 0)",
        "notes": notes,
    }
    rows = [row for one in measured for row in result_rows(one, dataset, calibration)]
    return Evaluation(rows, provenance, measured, dataset, split)


def choose_modes(method: Method, there: list[Mode], modality: str, fusion: Fusion | None) -> list[Mode]:
    """The modes of `there` that were asked for.

    Raises UnknownNameError, ConfigError for a fusion of one modality, or ModalityError when the method or the clips
    cannot serve them.
    """
    if modality not in ("all", *TEST_MODALITIES):
        raise UnknownNameError(unknown("modality", modality, ("all", *TEST_MODALITIES)))
    if fusion is not None and modality not in ("all", "both"):
        raise ConfigError(f"fusion={fusion} weighs audio against video; leave it out, or test modality both")
    chosen = [
        mode
        for mode in there
        if modality in ("all", mode.modality) and (fusion is None or mode.modality != "both" or mode.fusion == fusion)
    ]
    if not chosen:
        if modality != "all":
            method.check_serves(modality, fusion or "equal")  # type: ignore[arg-type]
        raise ModalityError(f"no clip can be tested on {modality}; there is: {', '.join(map(str, there)) or 'nothing'}")
    if fusion is not None and modality in ("all", "both"):
        method.check_serves("both", fusion)
    return chosen


def save_results(folder: Path, evaluation: Evaluation) -> None:
    """Write `results.json`."""
    write_json(folder / runs.RESULTS, evaluation.json())
