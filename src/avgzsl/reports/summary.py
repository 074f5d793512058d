"""A benchmark in one table: every method in every test mode, and its paired difference to one of them."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from avgzsl.experiments.cells import FIGURES, Result
from avgzsl.reports.comparison import all_same, mark_of, spread_of, with_spread
from avgzsl.reports.sheet import MISSING, Sheet, as_markdown, explained, titled
from avgzsl.reports.significance import Interval, bootstrap_difference
from avgzsl.reports.tables import CORRECTED
from avgzsl.support.spreadsheet import escaped

ByFigure: TypeAlias = dict[str, dict[str, dict[int, float]]]
"""figure -> class split -> seed -> value in %"""

_NAMES = {
    ("audio", None): "audio",
    ("video", None): "video",
    ("both", "equal"): "both (eq wt)",
    ("both", "attention"): "both (w/ attn)",
    ("both", "weighted"): "both (one wt)",
}


class Key(NamedTuple):
    """A line of the table: the method's label, the test mode, and what sets it apart from the plain line of these."""

    label: str
    modality: str
    fusion: str | None
    mark: str | None


def figures(results: Sequence[Result], task: str) -> dict[Key, ByFigure]:
    """The figures of every line."""
    table: dict[Key, ByFigure] = {}
    for result in results:
        for row in result.rows:
            if row["task"] != task:
                continue
            line = table.setdefault(Key(result.label, row["modality"], row["fusion"], mark_of(row)), {})
            for figure in FIGURES:
                if row[figure] is not None:
                    by_split = line.setdefault(figure, {})
                    by_split.setdefault(result.cell.class_split, {})[result.cell.seed] = 100 * row[figure]
    return table


def summary_sheets(results: Sequence[Result], calibration: str, against: str, generated: str = "") -> list[Sheet]:
    """Classification with paired differences of HM to `against`, then retrieval.

    `generated` is what is made up of the data (`Dataset.generated`), which titles and captions then say.
    """
    classified, retrieved = figures(results, "classification"), figures(results, "retrieval")
    lines = [
        (*_line(key, measured, FIGURES), _paired(key, classified, against)) for key, measured in classified.items()
    ]
    queries = [_line(key, line, FIGURES[:3]) for key, line in retrieved.items()]
    about = _about(results, calibration)
    paired = (
        f"Paired: mean difference of HM to {against} under the same class split and seed, with its 95 % bootstrap "
        f"interval; {MISSING} where one value alone is there."
    )
    corrected = f" {CORRECTED}" if any(key.mark is not None for key in retrieved) else ""
    return [
        Sheet(
            titled("Classification, mean class accuracy in %", generated),
            ("method", "test", *FIGURES, f"HM paired with {against} [95 %]"),
            lines,
            explained(f"{about} {paired}", generated),
            "classification",
        ),
        Sheet(
            titled("Retrieval by class name, mAP in %", generated),
            ("method", "query", *FIGURES[:3]),
            queries,
            explained(f"{about}{corrected}", generated),
            "retrieval",
        ),
    ]


def summary_markdown(results: Sequence[Result], calibration: str, against: str, generated: str = "") -> str:
    """Both tables in Markdown."""
    return "\n".join(map(as_markdown, summary_sheets(results, calibration, against, generated)))


def summary_csv(results: Sequence[Result], against: str) -> str:
    """One row a line of both tables: means and spreads in %, and the difference of HM with its interval; else empty."""
    header = ["task", "method", "test", *FIGURES, *(f"{figure}_sd" for figure in FIGURES)]
    rows = []
    for task in ("classification", "retrieval"):
        table = figures(results, task)
        for key, measured in table.items():
            spreads = [_spread(measured, figure) for figure in FIGURES]
            gap = _gap(key, table, against) if task == "classification" else None
            rows.append(
                [task, *map(escaped, _names(key))]
                + [_plain(mean) for mean, _ in spreads]
                + [_plain(sd) for _, sd in spreads]
                + [_plain(value) for value in gap or (math.nan,) * 3]
            )
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([[*header, "HM_gain", "HM_gain_low", "HM_gain_high"], *rows])
    return out.getvalue()


def _about(results: Sequence[Result], calibration: str) -> str:
    """How many runs the figures are of, and what is averaged."""
    splits = {result.cell.class_split for result in results}
    seeds = {result.cell.seed for result in results}
    over = "class splits of the means over seeds" if len(splits) > 1 else "seeds"
    return (
        f"Calibration {calibration}; {counted(len(splits), 'class split')}, {counted(len(seeds), 'seed')}; mean ± "
        f"standard deviation over {over}, {MISSING} where there is none."
    )


def counted(number: int, noun: str) -> str:
    """`1 seed`, `2 seeds`, `1 class`, `2 classes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


def _names(key: Key) -> tuple[str, str]:
    return key.label if key.mark is None else f"{key.label}, {key.mark}", _NAMES[key.modality, key.fusion]


def _spread(measured: ByFigure, figure: str) -> tuple[float, float]:
    if figure not in measured:
        return math.nan, math.nan
    return spread_of({split: list(by_seed.values()) for split, by_seed in measured[figure].items()})


def _line(key: Key, measured: ByFigure, columns: Sequence[str]) -> tuple[str, ...]:
    return (*_names(key), *(with_spread(*_spread(measured, figure), digits=1) for figure in columns))


def _paired(key: Key, table: Mapping[Key, ByFigure], against: str) -> str:
    """The paired difference of HM and its interval, which one value, or values that are all the same, do not have."""
    gap = _gap(key, table, against)
    if gap is None:
        return MISSING
    interval = f"[{MISSING}]" if math.isnan(gap.low) else f"[{gap.low:+.1f}, {gap.high:+.1f}]"
    return f"{gap.mean:+.1f} {interval}"


def _gap(key: Key, table: Mapping[Key, ByFigure], against: str) -> Interval | None:
    """Mean difference of HM over the cells that both have, in the same test mode, with its bootstrap interval."""
    own_HM, other_HM = table[key].get("HM"), table.get(key._replace(label=against), {}).get("HM")
    if own_HM is None or other_HM is None or key.label == against:
        return None
    gaps = {
        split: [by_seed[seed] - other_HM[split][seed] for seed in by_seed if seed in other_HM.get(split, {})]
        for split, by_seed in own_HM.items()
    }
    gaps = {split: values for split, values in gaps.items() if values}
    if not gaps:
        return None
    if len(gaps) == 1:  # seeds that change nothing are one value
        gaps = {split: values[:1] if all_same(values) else values for split, values in gaps.items()}
    return bootstrap_difference(gaps)


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
