"""Scores of clips that others labelled anew, beside those of the data set's own labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from avgzsl.data.clips import ClassTable, Dataset
from avgzsl.data.relabelling import RelabelledClips, read_relabelling, relabelled_clips
from avgzsl.experiments.gallery import Measured
from avgzsl.scores.energy import corrected
from avgzsl.scores.metrics import Retrieval
from avgzsl.scores.multi_label import MultiLabel, multi_label_classification, multi_label_retrieval
from avgzsl.text.names import shown

PUBLISHED = "published"
"""The data set's one label a clip, on the clips that were labelled anew."""
LABELS = (PUBLISHED, "all", "audible only", "visible only", "audible and visible")
_FIGURES = ("S", "U", "HM", "ZSL", "hit", "F1")
_GROUPS = ("seen", "unseen")


@dataclass(frozen=True, eq=False)
class Relabelled:
    """The part `relabelled` of `results.json`: a row a task, test mode and kind of labels, and what was counted.

    Rows are as those of `results`, with the kind of `labels`, their number `label_count`, `hit` and `F1`, and without
    AUSUC. Counts are of the whole split, those that end on _seen or _unseen by the data set's own labels.
    """

    file: str
    sha256: str
    counts: Mapping[str, int]
    notes: Sequence[str]
    results: Sequence[Mapping[str, Any]]

    def json(self) -> dict[str, Any]:
        """Plain lists, mappings, texts and numbers."""
        return asdict(self)


def look_up(file: str | Path, dataset: Dataset, split: str) -> RelabelledClips:
    """The labels that a csv gives the clips of a split, before anything is measured. Raises DataError."""
    ids, source = dataset.split(split).ids, f"{dataset.source} ({split})"
    return relabelled_clips(read_relabelling(file), ids, dataset.classes.names, source)


def by_labels(
    found: RelabelledClips,
    measured: Sequence[Measured],
    labels: Int[Tensor, " n"],
    classes: ClassTable,
    calibration: str,
) -> Relabelled:
    """What the modes come to by the new labels, and by the data set's own `labels` on the same clips."""
    kinds, counts = _kinds(found, labels), _counts(found, labels, classes.seen)
    rows = [
        {
            "task": "classification" if isinstance(figures, MultiLabel) else "retrieval",
            "retrieval": retrieval,
            "labels": kind,
            "modality": one.scored.mode.modality,
            "fusion": one.scored.mode.fusion if one.scored.mode.modality == "both" else None,
            "calibration": None if retrieval == "plain" else calibration,
            "gamma": one.numbers.gamma if retrieval is None else None,
            "stretch": one.numbers.stretch if one.stretched else None,
            **{name: _number(getattr(figures, name, None)) for name in _FIGURES},
            "clips": int(carried[one.scored.rows].any(1).sum()),
            "label_count": int(carried[one.scored.rows].sum()),
            "per_class": dict(zip(classes.names, map(_number, figures.per_class.tolist()), strict=True)),
        }
        for one in measured
        for kind, carried in kinds.items()
        for retrieval, figures in _figures(one, carried[one.scored.rows], classes.seen)
    ]
    name, digest = found.relabelling.path.name, found.relabelling.sha256
    return Relabelled(name, digest, counts, _notes(name, counts, found.outside), rows)


def _kinds(found: RelabelledClips, labels: Int[Tensor, " n"]) -> dict[str, Bool[Tensor, "n c"]]:
    """The classes that clips carry, by kind of labels."""
    audible, visible, carried = found.audible, found.visible, found.carried
    own = torch.nn.functional.one_hot(labels, carried.shape[1]).bool() & carried.any(1, keepdim=True)
    kinds = (own, carried, audible & ~visible, visible & ~audible, audible & visible)
    return dict(zip(LABELS, kinds, strict=True))


def _figures(
    one: Measured, carried: Bool[Tensor, "m c"], seen: Bool[Tensor, " c"]
) -> Iterator[tuple[str | None, MultiLabel | Retrieval]]:
    """Classification (no kind of retrieval), then retrieval plain and corrected, as `trial.result_rows` has them."""
    scored = one.scored
    yield None, multi_label_classification(scored.scores, carried, seen, scored.gamma, scored.stretch)
    if one.stretched:
        return
    yield "plain", multi_label_retrieval(scored.scores, carried, seen)
    if one.corrected is not None:
        moved = corrected(scored.scores, seen, scored.energy_share, scored.energy_temperature)
        yield "corrected", multi_label_retrieval(moved, carried, seen)


def _counts(found: RelabelledClips, labels: Int[Tensor, " n"], seen: Bool[Tensor, " c"]) -> dict[str, int]:
    carried, labelled = found.carried, found.carried.any(1)
    counted = {
        "clips": torch.ones_like(labelled),
        "listed": found.listed,
        "labelled": labelled,  # with a class that is tested
        "lost_label": labelled & ~carried.gather(1, labels[:, None]).squeeze(1),
    }
    groups = zip(_GROUPS, (seen[labels], ~seen[labels]), strict=True)
    return {
        **{f"{name}_{group}": int((which & own).sum()) for group, own in groups for name, which in counted.items()},
        "both_groups": int((carried[:, seen].any(1) & carried[:, ~seen].any(1)).sum()),
        "labels": int(carried.sum()),
        "labels_outside": sum(found.outside.values()),
    }


def _notes(file: str, counts: Mapping[str, int], outside: Mapping[str, int]) -> list[str]:
    def both(name: str) -> int:
        return sum(counts[f"{name}_{group}"] for group in _GROUPS)

    def of(part: str, whole: str) -> str:
        groups = (f"{counts[f'{part}_{group}']:,} of {counts[f'{whole}_{group}']:,} {group}" for group in _GROUPS)
        return f"{both(part):,} of {both(whole):,} clips ({', '.join(groups)})"

    notes = [
        f"{file} has {of('listed', 'clips')}; the others are left out of the scores by its labels",
        f"it takes away the label that the data set gives in {of('lost_label', 'labelled')}",
        f"{counts['both_groups']:,} clips have seen and unseen classes: an answer counts for S or for U, not for both",
    ]
    if outside:
        alone = both("listed") - both("labelled")
        notes.append(
            f"{counts['labels_outside']:,} of its labels are of {len(outside)} classes that are not tested "
            f"({shown(sorted(outside), 5)}); they are left out, and with them {alone:,} clips without another label"
        )
    return notes


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)
