"""The files of an evaluation: results, one row per clip, the seen-unseen curve, accuracy per class."""

from collections.abc import Sequence
from pathlib import Path

import torch

from avgzsl.errors import ConfigError
from avgzsl.experiments.baselines import Baselines, write_baselines
from avgzsl.experiments.gallery import Measured
from avgzsl.experiments.train_evaluate import Evaluation
from avgzsl.methods import marked_label
from avgzsl.reports.per_class_chart import per_class_chart
from avgzsl.reports.plots import ENDINGS, seen_unseen_curve
from avgzsl.reports.predictions import write_predictions
from avgzsl.reports.relabelled_tables import relabelled_sheets
from avgzsl.reports.sheet import as_markdown, titled
from avgzsl.reports.tables import sheets
from avgzsl.scores.scoring import top
from avgzsl.support.files import write_json, write_text
from avgzsl.support.registry import require, unknown

_TOP = 5
_FORMATS = ("csv", "parquet")


def write_evaluation(
    evaluation: Evaluation,
    folder: Path,
    predictions: str = "csv",
    beside: Baselines | None = None,
    figures: Sequence[str] = ("png",),
) -> list[Path]:
    """Write everything to `folder`, and give back the files; baselines stand `beside` it in the tables.

    Each figure is written in each of the forms `figures` (png, svg, pdf). Raises ConfigError for an unknown form of
    either kind, and for Parquet without the extra `parquet`, before anything is written.
    """
    if predictions not in _FORMATS:
        raise ConfigError(unknown("format of predictions", predictions, _FORMATS))
    require_forms(figures)
    if predictions == "parquet":
        require("pyarrow.parquet", "parquet")
    provenance = evaluation.provenance
    method = marked_label(provenance["method"], provenance["settings"])
    generated = evaluation.dataset.generated
    title = titled(f"{method}, {evaluation.split} clips, calibration {provenance['calibration']}", generated)
    results, tables = folder / "results.json", folder / "tables.md"
    write_json(results, evaluation.json())
    made = sheets([*evaluation.results, *(beside.results if beside else [])], method, generated)
    again = relabelled_sheets(evaluation.relabelled, method, generated) if evaluation.relabelled else []
    write_text(tables, "\n".join(map(as_markdown, [*made, *again])))
    written = [results, tables, *(write_baselines(folder, beside) if beside else [])]
    curved = {measured.name: measured for measured in evaluation.measured if measured.curve is not None}
    if curved:
        points = {name: (measured.classification.U, measured.classification.S) for name, measured in curved.items()}
        curves = {name: measured.curve for name, measured in curved.items() if measured.curve is not None}
        for form in dict.fromkeys(figures):
            written.append(folder / f"seen-unseen.{form}")
            seen_unseen_curve(written[-1], curves, points, title)
    for measured in evaluation.measured:
        written += _write_mode(evaluation, measured, folder, predictions, figures, title)
    return written


def require_forms(figures: Sequence[str]) -> None:
    """Raises ConfigError for a form that figures cannot have."""
    for form in figures:
        if f".{form}" not in ENDINGS:
            raise ConfigError(unknown("form of figures", form, [ending.removeprefix(".") for ending in ENDINGS]))


def _write_mode(
    evaluation: Evaluation, measured: Measured, folder: Path, form: str, figures: Sequence[str], title: str
) -> list[Path]:
    classes, clips = evaluation.dataset.classes, evaluation.dataset.split(evaluation.split)
    mode, scored = measured.name, measured.scored
    rows, charts = (
        folder / f"predictions-{mode}.{form}",
        [folder / f"per-class-{mode}.{f}" for f in dict.fromkeys(figures)],
    )
    best, values = top(scored.scores, classes.seen, scored.gamma, min(_TOP, len(classes)), scored.stretch)
    write_predictions(rows, clips.ids[scored.rows.numpy()], classes.names, scored.labels, best, values)
    counts = torch.bincount(scored.labels, minlength=len(classes))
    accuracy = measured.classification.per_class
    for chart in charts:
        per_class_chart(chart, classes.names, classes.seen, accuracy, counts, f"{title}, {mode}")
    return [rows, *charts]
