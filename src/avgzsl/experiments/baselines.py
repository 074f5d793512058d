"""Did training help? Rows beside a run's: frozen encoders, least squares, and the run mixed with frozen encoders.

They stand beside every run as long as they cost little of what its training did; `baselines.json` keeps them, and
nothing of the run's own files hangs on them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avgzsl.data.clips import Dataset
from avgzsl.errors import AvgzslError, DataError, ModalityError, RunError
from avgzsl.experiments.code_version import code_version
from avgzsl.experiments.costs import baseline_seconds, training_seconds
from avgzsl.experiments.gallery import Gallery, gallery_of
from avgzsl.experiments.jobs import job_of
from avgzsl.experiments.mixing import Pair, mixed
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import Run, run_id
from avgzsl.experiments.train_evaluate import Evaluation
from avgzsl.experiments.trial import calibration_galleries, measured_with, result_rows
from avgzsl.methods import Method, build, marked, method_class
from avgzsl.support.files import write_json
from avgzsl.support.showing import Shown
from avgzsl.support.trust import read_json

BASELINES = "baselines.json"
MIXED = "mixed"
SHARE = 0.1  # of the training's time, in which baselines come unasked


@dataclass(frozen=True, eq=False)
class Baselines(Shown):
    """Rows as in `results.json`, each with its `model`; `notes` say what is missing, and whether training helped."""

    results: list[dict[str, Any]]
    provenance: dict[str, Any]
    notes: tuple[str, ...]

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One row a model, task and test mode, figures as fractions; those of single classes are left to `results`."""
        return [{name: value for name, value in row.items() if name != "per_class"} for row in self.results]

    def json(self) -> dict[str, Any]:
        """What `baselines.json` holds."""
        return {"results": self.results, "provenance": self.provenance, "notes": list(self.notes)}


def baselines(
    run: Run,
    evaluation: Evaluation,
    *,
    wanted: bool | None = None,
    trained_seconds: float | None = None,
    evaluated_seconds: float = 0.0,
    models: Path | None = None,
) -> Baselines:
    """The baselines of an evaluation, on its clips and by its calibration; those that are the run's own method not.

    `wanted` None takes those that cost, together, at most a tenth of the training, which took `trained_seconds`. Where
    these are None it takes those that the run's `baselines.json` has, so that a run has the same rows each time;
    without that file, by what the training is estimated to have taken. `evaluated_seconds` is what the run's own
    evaluation took; weights of encoders are looked for in `models`.
    """
    dataset, names = evaluation.dataset, [marked("yardstick")[0], marked("untrained")[0]]
    names = [name for name in names if name != run.method.name and wanted is not False]
    kept = _kept(run.folder) if wanted is None and trained_seconds is None else ()
    left = float("inf") if wanted else 0.0 if kept else SHARE * _known(trained_seconds, run, dataset)
    galleries: dict[str, tuple[Gallery, list[Gallery]]] = {}
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for name in names:
        seconds = 0.0 if wanted or name in kept else baseline_seconds(name, dataset) + evaluated_seconds
        if method_class(name).untrained and not dataset.encoders:
            seconds = 0.0  # refused at once, and its reason is worth more than what it would cost
        if seconds > left:
            notes.append(left_out(name) if kept else unasked(name, seconds, left))
            continue
        left -= seconds
        try:
            galleries[name] = _galleries(build(name), evaluation, run, models)
            rows += [{"model": name, **row} for row in _tested(*galleries[name], evaluation)]
        except AvgzslError as problem:
            notes.append(f"no row {name}: {_short(problem)}")
    if names[-1:] and names[-1] in galleries and not run.method.untrained:
        try:
            rows += _mixed(run, galleries[names[-1]], evaluation)
        except (DataError, ModalityError) as problem:
            notes.append(f"no row {MIXED}: {_short(problem)}")
    sentence = None if run.method.untrained else did_not_help(run.method.name, evaluation.results, rows)
    provenance = _provenance(run, evaluation, list(galleries)) if rows else {}
    return Baselines(rows, provenance, (*notes, *([sentence] if sentence else [])))


def write_baselines(folder: Path, found: Baselines) -> list[Path]:
    """Write `baselines.json`, unless there is no row to keep; the files written."""
    if not found.results:
        return []
    write_json(folder / BASELINES, found.json())
    return [folder / BASELINES]


def unasked(name: str, seconds: float, left: float) -> str:
    """Why a baseline is not there."""
    return (
        f"no row {name}: it would take some {max(seconds, 0.1):.1f} s, and {max(left, 0):.1f} s are what a tenth of "
        "the training leaves for it; --baselines asks for it"
    )


def left_out(name: str) -> str:
    """Why a baseline is not there that is not in the run's `baselines.json` either."""
    return f"no row {name}: it was left out when the run was trained; --baselines asks for it"


def did_not_help(method: str, own: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence where frozen encoders or least squares are at or above the trained method; None where it is ahead.

    Compared is HM in the fullest test mode that the method has, which is both modalities if it has them.
    """
    trained = fullest(own, None)
    if trained is None:
        return None
    ahead = []
    for model in dict.fromkeys(row["model"] for row in others if row["model"] != MIXED):
        other = fullest([row for row in others if row["model"] == model], trained["modality"])
        if other is not None and other["HM"] >= trained["HM"]:
            ahead.append(f"{model} has {100 * other['HM']:.1f}")
    if not ahead:
        return None
    return (
        f"training did not help: HM of {_mode(trained, own)} is {100 * trained['HM']:.1f} for {method}, and "
        f"{' and '.join(ahead)}"
    )


def _mode(row: Mapping[str, Any], own: Sequence[Mapping[str, Any]]) -> str:
    """The modality of a row, and its fusion where the method has more than one."""
    fusions = {other["fusion"] for other in own if other["modality"] == row["modality"]}
    return f"{row['modality']} ({row['fusion']})" if len(fusions) > 1 else str(row["modality"])


def fullest(rows: Sequence[Mapping[str, Any]], modality: str | None) -> Mapping[str, Any] | None:
    """The classification row of the fullest test mode, of any modality or of this one; None where it has no HM."""
    found = [
        row
        for row in rows
        if row["task"] == "classification"
        and row["HM"] is not None
        and row.get("stretch") is None
        and modality in (None, row["modality"])
    ]
    return found[-1] if found else None


def _kept(folder: Path) -> frozenset[str]:
    """The models of the run's `baselines.json`; none where there is no such file, or it cannot be read."""
    try:
        return frozenset(str(row["model"]) for row in read_json(folder / BASELINES, RunError)["results"])
    except (AvgzslError, OSError, ValueError, LookupError, TypeError):
        return frozenset()


def _known(measured: float | None, run: Run, dataset: Dataset) -> float:
    return training_seconds(run.method, len(dataset.split("train"))) if measured is None else measured


def _galleries(method: Method, evaluation: Evaluation, run: Run, models: Path | None) -> tuple[Gallery, list[Gallery]]:
    """The method fitted as the run's was, the tested clips through it, and those that calibration looks at."""
    dataset, config, provenance = evaluation.dataset, run.config, evaluation.provenance
    job = job_of(dataset, config.seed, config.device)
    method.fit(*dataset.training(), replace(job, models=models or job.models))
    tested = gallery_of(method, dataset.split(evaluation.split), dataset.classes)
    known = calibration_galleries(tested, dataset, provenance["calibration"], config.seed, config.device)
    return tested, known


def _asked(evaluation: Evaluation, gallery: Gallery) -> list[Mode]:
    """The modes of the modalities that were evaluated."""
    modalities = {row["modality"] for row in evaluation.results}
    return [mode for mode in gallery.modes if mode.modality in modalities]


def _tested(tested: Gallery, known: list[Gallery], evaluation: Evaluation) -> list[dict[str, Any]]:
    measured, _ = measured_with(tested, known, _asked(evaluation, tested))
    return result_rows(measured, evaluation.dataset.classes.names, evaluation.provenance["calibration"])


def _mixed(run: Run, frozen: tuple[Gallery, list[Gallery]], evaluation: Evaluation) -> list[dict[str, Any]]:
    """Raises DataError where the calibration trains anew, fold by fold: then nothing is mixed."""
    calibration, dataset = evaluation.provenance["calibration"], evaluation.dataset
    if calibration == "pseudo-unseen":
        raise DataError("a run is not mixed in the calibration pseudo-unseen, which would train it anew for each fold")
    own = gallery_of(run.method, dataset.split(evaluation.split), dataset.classes)
    known = calibration_galleries(own, dataset, calibration, run.config.seed, run.config.device)
    pair = Pair(own, frozen[0])
    modes = [mode for mode in pair.modes if mode in _asked(evaluation, own)]
    found = mixed(pair, Pair(known[0], frozen[1][0]) if known else None, modes)
    rows: list[dict[str, Any]] = []
    for one in found:
        measured = result_rows([one.measured], dataset.classes.names, calibration)
        rows += [{"model": MIXED, **row, "share_of_frozen": one.mix.share} for row in measured]
    return rows


def _provenance(run: Run, evaluation: Evaluation, names: Sequence[str]) -> dict[str, Any]:
    """What the rows hang on."""
    return {
        "run": run_id(run.method),
        "method": run.method.name,
        "fingerprint": evaluation.dataset.fingerprint,
        "split": evaluation.split,
        "calibration": evaluation.provenance["calibration"],
        "seed": run.config.seed,
        "settings": dict.fromkeys(names, "defaults"),
        "code": code_version(*names),
        "mixed": "score = (1 - share_of_frozen) trained / deviation + share_of_frozen frozen / deviation; deviations "
        "are those of the scores of the clips that calibration looks at",
    }


def _short(problem: Exception) -> str:
    return " ".join(str(problem).split())[:300]
