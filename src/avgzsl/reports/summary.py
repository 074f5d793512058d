"""A benchmark in one table: every method in every test mode, and its paired difference to one of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from avgzsl.experiments.cells import FIGURES, Comparison, Result
from avgzsl.methods import DAGGER, FOOTNOTE
from avgzsl.reports.comparison import mark_of, spread_of
from avgzsl.reports.significance import bootstrap_difference
from avgzsl.reports.tables import CORRECTED
from avgzsl.support.files import write_json, write_text

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


def figures(results: Sequence[Result], task: str) -> dict[Key, dict[str, dict[str, dict[int, float]]]]:
    """line -> figure -> class split -> seed -> value in %."""
    table: dict[Key, dict[str, dict[str, dict[int, float]]]] = {}
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


def summary_markdown(results: Sequence[Result], calibration: str, against: str) -> str:
    """Classification with paired differences of HM to `against`, then retrieval."""
    classified, retrieved = figures(results, "classification"), figures(results, "retrieval")
    splits = sorted({result.cell.class_split for result in results})
    seeds = sorted({result.cell.seed for result in results})
    over = "class splits of the means over seeds" if len(splits) > 1 else "seeds"
    shown = {result.label: result.shown for result in results}
    head = ["method", "test", *FIGURES, f"HM paired with {against} [95 %]"]
    lines = [
        [*_line(key, shown, measured, FIGURES), _paired(key, classified, against)]
        for key, measured in classified.items()
    ]
    head2 = ["method", "query", "S", "U", "HM"]
    lines2 = [_line(key, shown, line, ("S", "U", "HM")) for key, line in retrieved.items()]
    return "\n".join(
        [
            f"**Classification, mean class accuracy in %** (calibration {calibration}; {len(splits)} class splits, "
            f"{len(seeds)} seeds; mean ± standard deviation over {over})",
            "",
            *_table(head, lines),
            "",
            "**Retrieval by class name, mAP in %**",
            "",
            *_table(head2, lines2),
            "",
            *([FOOTNOTE, ""] if any(DAGGER in name for name in shown.values()) else []),
            *([CORRECTED, ""] if any(key.mark is not None for key in retrieved) else []),
        ]
    )


def write_summary(
    out: Path, comparison: Comparison, calibration: str, against: str, beside: Sequence[Result] = ()
) -> list[Path]:
    """`summary.md`, with the cells `beside` in its tables, and `results.json` with every cell's own rows."""
    files = [out / "summary.md", out / "results.json"]
    write_text(files[0], summary_markdown([*comparison, *beside], calibration, against))
    write_json(files[1], comparison.json())
    return files


def _line(
    key: Key, shown: Mapping[str, str], measured: dict[str, dict[str, dict[int, float]]], columns: Sequence[str]
) -> list[str]:
    cells = []
    for figure in columns:
        if figure not in measured:
            cells.append("–")
            continue
        mean, sd = spread_of({split: list(by_seed.values()) for split, by_seed in measured[figure].items()})
        cells.append(f"{mean:.1f}" + ("" if sd != sd else f" ± {sd:.1f}"))
    name = shown[key.label]
    return [name if key.mark is None else f"{name}, {key.mark}", _NAMES[key.modality, key.fusion], *cells]


def _paired(key: Key, table: dict[Key, dict[str, dict[str, dict[int, float]]]], against: str) -> str:
    """Mean difference of HM over the cells that both have, in the same test mode, with its bootstrap interval."""
    own_HM, other_HM = table[key].get("HM"), table.get(key._replace(label=against), {}).get("HM")
    if own_HM is None or other_HM is None or key.label == against:
        return "–"
    gaps = {
        split: [by_seed[seed] - other_HM[split][seed] for seed in by_seed if seed in other_HM.get(split, {})]
        for split, by_seed in own_HM.items()
    }
    gaps = {split: values for split, values in gaps.items() if values}
    if not gaps:
        return "–"
    mean, low, high = bootstrap_difference(gaps)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    marks = ["---", "---", *["---:"] * (len(head) - 2)]
    return ["| " + " | ".join(cells) + " |" for cells in [head, marks, *lines]]
