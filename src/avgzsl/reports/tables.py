"""Results as the paper prints them: Table 1 (classification) and Table 2 (retrieval), on a terminal or in markdown.

A row is a mapping with `task` (classification | retrieval), `retrieval` (plain | corrected), `modality` (audio | video
| both), `fusion` (equal | attention | weighted, for both), `calibration`, `gamma`, `stretch`, and S, U, HM, ZSL, AUSUC
as fractions or None, and `clips`; the rows of baselines say their `model`. Rows of older versions have neither
`retrieval` nor `stretch`: they are plain. A method whose name bears a dagger (`marked_label`) has its footnote.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from avgzsl.reports.sheet import MISSING, TERMINAL, Sheet, as_markdown, drawn, explained, footnoted, titled

RETRIEVAL_TEST = {"audio": "T→A", "video": "T→V", "both": "T→AV"}
FUSION = {"equal": "eq wt", "attention": "w/ attn", "weighted": "one wt"}
CORRECTED = (
    "Corrected: less a part of each clip's energy over the seen classes, chosen where the penalty is; the paper's "
    "figures are plain."
)
SHARES = {"classification": ("S", "U", "HM", "ZSL", "AUSUC"), "retrieval": ("S", "U", "HM")}


def render(rows: Sequence[Mapping[str, Any]], method: str, generated: str = "", width: int = TERMINAL) -> list[str]:
    """The tables for a terminal: one per calibration for classification, then one for retrieval.

    `generated` is what is made up of the data (`Dataset.generated`), which titles and captions then say.
    """
    return [part for sheet in sheets(rows, method, generated) for part in drawn(sheet, width)]


def markdown(rows: Sequence[Mapping[str, Any]], method: str, generated: str = "") -> str:
    """The same tables in markdown, each with its title above and its caption below."""
    return "\n".join(map(as_markdown, sheets(rows, method, generated)))


def sheets(rows: Sequence[Mapping[str, Any]], method: str, generated: str = "") -> list[Sheet]:
    """Table 1 once per calibration, in the order given, since numbers of different calibrations do not compare."""
    classified = [row for row in rows if row["task"] == "classification"]
    retrieved = [row for row in rows if row["task"] == "retrieval"]
    made = []
    for calibration in dict.fromkeys(row.get("calibration") for row in classified):
        of_it = [row for row in classified if row.get("calibration") == calibration]
        lines, stretched = [_line(row, method) for row in of_it], any(row.get("stretch") is not None for row in of_it)
        header = ("model", "test", *SHARES["classification"], "gamma", "clips")
        title, caption = "Table 1: classification, mean class accuracy (%)", _caption(calibration, stretched)
        made.append(Sheet(titled(title, generated), header, lines, explained(caption, generated), "classification"))
    if retrieved:
        header = ("model", "test", *SHARES["retrieval"], "clips")
        caption = "Every class name is a query over all clips, seen and unseen; no seen-class penalty."
        if any(row.get("retrieval") == "corrected" for row in retrieved):
            caption += f" {CORRECTED}"
        lines = [_line(row, method) for row in retrieved]
        title = titled("Table 2: retrieval by class name, mAP (%)", generated)
        made.append(Sheet(title, header, lines, explained(caption, generated), "retrieval"))
    return list(map(footnoted, made))


def _caption(calibration: str | None, stretched: bool) -> str:
    name = calibration or "none"
    if "oracle" in name:
        return f"Calibration: {name}, gamma chosen on the test labels themselves: an upper bound, not a result."
    if name == "none":
        return "Calibration: none, no penalty on seen classes."
    caption = f"Calibration: {name}; gamma is taken off the scores of seen classes"
    return caption + (", which are multiplied by 1 + stretch before." if stretched else ".")


def _line(row: Mapping[str, Any], method: str) -> tuple[str, ...]:
    task = row["task"]
    shares = [percent(row.get(column)) for column in SHARES[task]]
    penalty = [number(row.get("gamma"), "{:.4g}")] if task == "classification" else []
    return *model_and_test(row, method), *shares, *penalty, number(row.get("clips"), "{:,}")


def model_and_test(row: Mapping[str, Any], method: str) -> tuple[str, str]:
    """What a row is of: the model, with what sets the row apart, and what it is tested on."""
    modality = row["modality"]
    fusion = row.get("fusion") if modality == "both" else None
    marks = [FUSION.get(fusion, fusion)] if fusion else []
    marks += [mark] if (mark := _mark(row)) else []
    model = row.get("model", method)
    name = f"{model} ({', '.join(marks)})" if marks else model
    return name, RETRIEVAL_TEST[modality] if row["task"] == "retrieval" else modality


def _mark(row: Mapping[str, Any]) -> str | None:
    """What sets a row apart from the plain one of its mode."""
    if row.get("stretch") is not None:
        return f"stretch {row['stretch']:g}"
    return "corrected" if row.get("retrieval") == "corrected" else None


def percent(fraction: int | float | None) -> str:
    """A fraction in per cent, with two digits."""
    return number(None if fraction is None else 100 * fraction, "{:.2f}")


def number(value: int | float | None, form: str) -> str:
    """A number in its form; what is missing, or NaN, is a dash."""
    return MISSING if value is None or math.isnan(value) else form.format(value)
