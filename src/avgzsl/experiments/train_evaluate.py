"""The two calls behind `avgzsl train` and `avgzsl evaluate`: from a data folder to a run, from a run to its figures."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import avgzsl
from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import as_dataset
from avgzsl.data.relabelling import RelabelledClips
from avgzsl.errors import AvgzslError, ConfigError
from avgzsl.experiments import run as runs
from avgzsl.experiments.calibration import RECOGNITION, calibrate_recognition, write_recognition
from avgzsl.experiments.gallery import Measured, gallery_of
from avgzsl.experiments.jobs import job_of, looks_every, validation_monitor
from avgzsl.experiments.protocol import ModeNumbers, choose_modes
from avgzsl.experiments.relabelled import Relabelled, by_labels, look_up
from avgzsl.experiments.run_data import data_of
from avgzsl.experiments.run_record import CONFIG, describe, start
from avgzsl.experiments.trial import calibration_galleries, measured_with, result_rows
from avgzsl.learning.training import Record
from avgzsl.methods import MethodChoice, build
from avgzsl.support.arguments import check_arguments
from avgzsl.support.device import pick_device
from avgzsl.support.files import write_json
from avgzsl.support.progress import Progress, Step
from avgzsl.support.registry import unknown
from avgzsl.support.showing import Shown
from avgzsl.types import CALIBRATIONS, Calibration, DataChoice, Fusion, TestModality

LOG = logging.getLogger("avgzsl")


@dataclass(frozen=True, eq=False)
class Evaluation(Shown):
    """What a run is worth: `results` rows and their `provenance` as in the JSON, and the measurements behind them.

    `relabelled` has the scores by labels of others, where they were given.
    """

    results: list[dict[str, Any]]
    provenance: dict[str, Any]
    measured: list[Measured]
    dataset: Dataset
    split: str
    relabelled: Relabelled | None = None

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row a task and test mode, figures as fractions; those of single classes are left to `results`."""
        return [{name: value for name, value in row.items() if name != "per_class"} for row in self.results]

    def json(self) -> dict[str, Any]:
        """The object that `--json` writes."""
        more = {} if self.relabelled is None else {"relabelled": self.relabelled.json()}
        return {"results": self.results, "provenance": self.provenance, **more}


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
    validate_every: int | None = None,
    validate_on: Dataset | None = None,
    checkpoint_seconds: float = 10.0,
    progress: Progress | None = None,
) -> runs.Run:
    """Fit a method on the seen training clips of a data set and write the run to `out`.

    `data` is a folder, read by `choice`, or an opened data set. `method` is a name, `path/to/file.py:Class`, a class or
    an object whose settings are taken (it stays unfitted); None is the default method. With `resume`, goes on where a
    killed training stood and ends in the same bytes. Validation HM (best penalty, equal weights) enters the history
    every `validate_every` epochs (0: never; by default each where the method has a `plateau`, else every tenth), of the
    data set's own validation clips or those of `validate_on`, and changes no weight unless the method's `patience` or
    `plateau` goes by it. Validation clips also give the run the penalties and thresholds with which it recognises
    clips. What the reader should know of the data goes to the log `avgzsl` before training begins. `progress` hears of
    every epoch of a stage, with its numbers.

    Parameters are many since each changes one thing, most callers name none but `out`, and a value that held some of
    them would be one more thing to know. Raises DataError, ConfigError, RunError.
    """
    check_arguments(choice=choice, settings=settings, seed=seed, validate_every=validate_every, progress=progress)
    folder = Path(out)
    unfitted = build(method, preset, settings)
    pick_device(device)
    dataset = as_dataset(data, choice)
    for remark in dataset.notes:
        LOG.warning("note: %s", remark)
    config = describe(unfitted, dataset, seed, device)
    start(folder, config, resume)
    runs.write_classes(folder, dataset.classes)
    if resume and (folder / runs.MODEL).exists():
        run = runs.load_run(folder, type(unfitted))
        _calibrate(run, dataset)
        return run
    history: list[Record] = []
    every = looks_every(unfitted) if validate_every is None else validate_every
    judged = validate_on or dataset
    job = replace(
        job_of(dataset, seed, device),
        monitor=validation_monitor(unfitted, judged.splits.get("val"), judged.classes, device) if every else None,
        monitor_every=max(every, 1),
        progress=_keep_history(folder, history, checkpoint_seconds, progress),
        checkpoint=folder / runs.CHECKPOINT,
        checkpoint_seconds=checkpoint_seconds,
        # of a data set opened here, `training()` gives what nobody else has; another may be its caller's own arrays
        overwrite=not isinstance(data, Dataset),
        history=history,
    )
    try:
        fitted = unfitted.fit(*dataset.training(), job)
    except AvgzslError:
        if not resume and not history:
            runs.discard_start(folder)
        raise
    runs.write_history(folder, history)
    run = runs.Run(folder, config, fitted)
    _calibrate(run, dataset)
    avgzsl.write_model_card(folder)
    runs.finish(folder, fitted)
    return run


def _keep_history(folder: Path, history: list[Record], seconds: float, progress: Progress | None) -> Progress:
    """Writes down the history at most every so many seconds, and tells each step on."""
    saved = time.monotonic()

    def after_epoch(step: Step, /) -> None:
        nonlocal saved
        if time.monotonic() - saved >= seconds:
            runs.write_history(folder, history)
            saved = time.monotonic()
        if progress is not None:
            progress(step)

    return after_epoch


def _calibrate(run: runs.Run, dataset: Dataset) -> None:
    """Write what recognition takes from the validation clips, unless it is there or they give nothing."""
    val = dataset.splits.get("val")
    if (run.folder / RECOGNITION).exists() or val is None or not len(val):
        return
    gallery = gallery_of(run.method, val, dataset.classes)
    recognition = calibrate_recognition(run.method, dataset, gallery)
    if recognition is not None:
        # a run's encoders are known to a room above: it is asked through the front door
        lines = avgzsl.choose_lines(run, dataset, gallery=gallery)
        write_recognition(run.folder, recognition.model_copy(update={"lines": lines}))


def evaluate(
    run: str | Path | runs.Run,
    data: str | Path | Dataset | None = None,
    *,
    split: str = "test",
    modality: TestModality | str = "all",
    fusion: Fusion | None = None,
    calibration: Calibration = "val",
    stretch: bool = False,
    relabelled: str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Classification and retrieval of a run on a split of its data, in every test mode or in those asked for.

    `data` says where the data lies now, if it moved, or is the opened set; its fingerprint must be the run's. With
    `stretch`, classification comes once more, with a stretch of the scores of seen classes beside the penalty.
    `relabelled` is a csv with several labels a clip (`data.relabelling`, VGGSounder's), by which all is scored once
    more; penalties stay those of the data set's own labels. `progress` hears of the folds of pseudo-unseen calibration.
    Raises RunError, ModalityError, UnknownNameError, DataError.
    """
    check_arguments(progress=progress)
    if calibration not in CALIBRATIONS:
        raise ConfigError(unknown("calibration", calibration, CALIBRATIONS))
    run = runs.load_run(run)
    dataset = data_of(run, data)
    found = None if relabelled is None else look_up(relabelled, dataset, split)
    gallery = gallery_of(run.method, dataset.split(split), dataset.classes)
    asked = None if modality == "all" else modality
    modes = choose_modes(run.method, gallery.modes, asked, fusion, f"{dataset.source} ({split})")
    notes = list(dataset.notes)
    if bool(dataset.classes.seen.all()):
        notes.append("no class is unseen, so there is no U, HM, ZSL or AUSUC, and nothing to calibrate")
        calibration = "none"
    known = calibration_galleries(gallery, dataset, calibration, run.config.seed, run.config.device, progress)
    measured, numbers = measured_with(gallery, known, modes, stretch)
    return evaluation_of(run, dataset, split, measured, numbers, calibration, notes, found)


def evaluation_of(
    run: runs.Run,
    dataset: Dataset,
    split: str,
    measured: list[Measured],
    numbers: ModeNumbers,
    calibration: str,
    notes: Sequence[str],
    found: RelabelledClips | None = None,
) -> Evaluation:
    """What was measured on a split, with all that it was made with; `numbers` are those without a stretch.

    With `found` labels of others, the scores by these, too.
    """
    chosen = {str(one.scored.mode): one.numbers for one in measured if not one.stretched}
    chosen |= {str(mode): one for mode, one in numbers.items()}
    provenance = {
        "run": runs.run_id(run.method),
        **run.config.model_dump(mode="json"),
        "split": split,
        "calibration": calibration,
        "gammas": {mode: one.gamma for mode, one in chosen.items()},
        "numbers": {mode: asdict(one) for mode, one in chosen.items()},
        "stretched": {str(one.scored.mode): asdict(one.numbers) for one in measured if one.stretched},
        "tie_rule": "classification: unseen before seen, then class order; retrieval: a seeded random order (seed 0)",
        "notes": list(notes),
        **({"generated": dataset.generated} if dataset.generated else {}),
    }
    rows, labels = result_rows(measured, dataset.classes.names, calibration), dataset.split(split).labels
    again = None if found is None else by_labels(found, measured, labels, dataset.classes, calibration)
    return Evaluation(rows, provenance, measured, dataset, split, again)


def save_results(folder: Path, evaluation: Evaluation) -> None:
    """Write `results.json`; where the folder is that of the run, also its card, which has the results."""
    write_json(folder / runs.RESULTS, evaluation.json())
    if (folder / CONFIG).exists():
        avgzsl.write_model_card(folder)
