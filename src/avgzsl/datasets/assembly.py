"""From cached rows and a class table to a Dataset; notes say what was done beyond reading."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from avgzsl.data import ClassTable, ClipSet, Dataset, fingerprint
from avgzsl.datasets import cache
from avgzsl.datasets.cache_entry import Span, SplitEntry
from avgzsl.datasets.source import Source, require_files
from avgzsl.errors import DataError
from avgzsl.types import MODALITIES, Modality


def assemble(
    source: Source, classes: ClassTable, class_split: str, drop_bad_rows: bool, notes: tuple[str, ...] = ()
) -> Dataset:
    """The Dataset of `classes` from the feature files of `source`. Raises DataError."""
    require_files(source, classes.names)
    entries = cache.load(source, classes.names, drop_bad_rows)
    spans = {split: {name: entry.spans[name] for name in classes.names} for split, entry in entries.items()}
    _require_training(source, classes, spans)
    ids = {split: _take(entry.ids, list(spans[split].values())) for split, entry in entries.items()}
    unique, how = _unique_ids(ids, spans)
    splits = {split: _clip_set(entry, list(spans[split].values()), unique[split]) for split, entry in entries.items()}
    content = [f"{split} {span.content}" for split in entries for span in spans[split].values()]
    said = (*notes, *_absent(source), *_ignored(source), *_repairs(spans), *how)
    return Dataset(
        classes,
        splits,
        fingerprint(classes, content),
        str(source.root.resolve()),
        source.layout,
        class_split,
        tuple(said),
    )


def _clip_set(entry: SplitEntry, spans: list[Span], ids: Shaped[np.ndarray, " n"]) -> ClipSet:
    order = _in_file_order(spans)
    labels = np.repeat(order, [spans[label].stop - spans[label].start for label in order])
    features: dict[Modality, Float[Tensor, "n d"]] = {
        modality: torch.from_numpy(_take(rows, spans)) for modality, rows in entry.features.items()
    }
    return ClipSet(features.get("audio"), features.get("video"), torch.from_numpy(labels.astype(np.int64)), ids)


def _in_file_order(spans: list[Span]) -> list[int]:
    return sorted(range(len(spans)), key=lambda label: (spans[label].start, spans[label].stop))


def _take(rows: Shaped[np.ndarray, "_n ..."], spans: list[Span]) -> Shaped[np.ndarray, "_k ..."]:
    """The rows of these classes in the order of the file; a view, uncopied, where they are contiguous."""
    ordered = [spans[label] for label in _in_file_order(spans)]
    if all(one.stop == next_.start for one, next_ in pairwise(ordered)):
        return rows[ordered[0].start : ordered[-1].stop]
    return np.concatenate([rows[span.start : span.stop] for span in ordered])


def _require_training(source: Source, classes: ClassTable, spans: Mapping[str, Mapping[str, Span]]) -> None:
    train = spans.get("train", {})
    empty = [
        name for name, seen in zip(classes.names, classes.seen.tolist(), strict=True) if seen and _empty(train[name])
    ]
    if empty:
        files = ", ".join(str(path) for name in empty[:5] for path in source.files("train", name).values())
        raise DataError(
            f"{files}: no clips (left) to train on for the seen classes {', '.join(empty)}; "
            "add clips, or list these classes as unseen"
        )


def _empty(span: Span) -> bool:
    return span.start == span.stop


def _unique_ids(
    ids: dict[str, Shaped[np.ndarray, " n"]], spans: Mapping[str, Mapping[str, Span]]
) -> tuple[dict[str, Shaped[np.ndarray, " n"]], list[str]]:
    """Ids that name one clip of the data set each: prefixed with the class, then also the split, where they must be."""
    if _differ(ids):
        return ids, []
    owner = {split: _owners(list(by.items())) for split, by in spans.items()}
    by_class = {split: _joined(owner[split], names) for split, names in ids.items()}
    if _differ(by_class):
        return by_class, ["the same ids stand in several classes; ids are given as class/id"]
    by_split = {split: np.array([f"{split}/{name}" for name in names], np.str_) for split, names in by_class.items()}
    shared = sum(map(len, by_class.values())) - len(set().union(*(names.tolist() for names in by_class.values())))
    return by_split, [
        f"{shared} ids of a class stand in several splits; ids are given as split/class/id. "
        "If they are the same clips, the test is not held out"
    ]


def _differ(ids: Mapping[str, Shaped[np.ndarray, " n"]]) -> bool:
    names = [name for part in ids.values() for name in part.tolist()]
    return len(set(names)) == len(names)


def _owners(spans: list[tuple[str, Span]]) -> list[str]:
    ordered = sorted(spans, key=lambda item: (item[1].start, item[1].stop))
    return [name for name, span in ordered for _ in range(span.start, span.stop)]


def _joined(owners: list[str], names: Shaped[np.ndarray, " n"]) -> Shaped[np.ndarray, " n"]:
    return np.array([f"{owner}/{name}" for owner, name in zip(owners, names.tolist(), strict=True)], dtype=np.str_)


def _absent(source: Source) -> list[str]:
    return [f"no {modality} features" for modality in MODALITIES if modality not in source.modalities]


def _ignored(source: Source) -> list[str]:
    unlisted = source.unlisted(source.listed)
    return [f"ignored the files of classes that are not listed: {', '.join(unlisted)}"] if unlisted else []


def _repairs(spans: Mapping[str, Mapping[str, Span]]) -> list[str]:
    notes = []
    every = [(f"{split}/{name}", span) for split, by in spans.items() for name, span in by.items()]
    if aligned := [place for place, span in every if span.aligned]:
        notes.append(f"brought the rows of video into the order of the audio ids in: {', '.join(aligned)}")
    if dropped := [(place, span.dropped) for place, span in every if span.dropped]:
        total = sum(count for _, count in dropped)
        where = ", ".join(f"{place} {count}" for place, count in dropped)
        notes.append(f"dropped {total} clips with values that are not finite: {where}")
    if empty := [place for place, span in every if _empty(span)]:
        notes.append(f"no clips in: {', '.join(empty)}")
    return notes
