"""A Dataset made of cached rows and a class table; its notes say what was changed beyond reading."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet, Dataset, fingerprint
from avgzsl.data.reading import cache
from avgzsl.data.reading.cache_entry import GroupEntry, RowSpan, unit
from avgzsl.data.reading.class_lists import ClassLists
from avgzsl.data.reading.source import FeatureSource, Plan, merged, plan_of, require_files
from avgzsl.data.sequences import Sequences
from avgzsl.errors import DataError
from avgzsl.features.clip_steps import FlatSteps
from avgzsl.types import MODALITIES, Modality


class Piece(NamedTuple):
    """One class in one stage: its number in the class table, and where its rows stand in the entry."""

    stage: str
    name: str
    label: int
    span: RowSpan

    @property
    def rows(self) -> int:
        return self.span.stop - self.span.start


class SplitPieces(NamedTuple):
    """A split: its pieces in the order of the class table, and the entry that holds their rows."""

    entry: GroupEntry
    pieces: list[Piece]

    def in_file_order(self) -> list[Piece]:
        return sorted(self.pieces, key=lambda piece: (piece.span.start, piece.span.stop))


def assemble(
    source: FeatureSource,
    lists: ClassLists,
    classes: ClassTable,
    class_split: str,
    drop_bad_rows: bool,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """The Dataset of `classes` from the feature files of `source`. Raises DataError."""
    plan = plan_of(source, lists)
    needed = merged([plan])
    require_files(source, needed)
    parts = _parts(source, plan, classes.names, cache.read_groups(source, needed, drop_bad_rows))
    _require_training(source, classes, parts)
    ids = {split: _take(part.entry.ids, part.in_file_order()) for split, part in parts.items()}
    unique, id_notes = _unique_ids(ids, parts)
    splits = MappedSplits(parts, unique)
    content = [f"{piece.stage} {piece.span.content}" for part in parts.values() for piece in part.pieces]
    all_notes = (*notes, *_absent(source), *_ignored(source), *_repairs(parts), *id_notes)
    return Dataset(
        classes,
        splits,
        fingerprint(classes, content),
        str(source.root.resolve()),
        source.layout,
        class_split,
        tuple(all_notes),
    )


def _parts(
    source: FeatureSource, plan: Plan, names: tuple[str, ...], entries: Mapping[str, GroupEntry]
) -> dict[str, SplitPieces]:
    group_of = {stage: group for group, stages in source.groups.items() for stage in stages}
    parts = {}
    for split, stages in plan.items():
        (group,) = {group_of[stage] for stage in stages}  # a layout puts the stages of a split into one group
        spans = entries[group].spans
        pieces = [
            Piece(stage, name, label, spans[unit(stage, name)])
            for stage, class_names in stages.items()
            for label, name in enumerate(names)
            if name in class_names
        ]
        parts[split] = SplitPieces(entries[group], pieces)
    return parts


class MappedSplits(Mapping[str, ClipSet]):
    """Splits whose files are mapped when one is asked for and unmapped when it is dropped.

    So the pages that were read of one split do not stay in memory beside the copy that training made of it.
    """

    def __init__(self, parts: dict[str, SplitPieces], ids: dict[str, Shaped[np.ndarray, " _n"]]) -> None:
        self.parts = parts
        self.ids = ids

    def __getitem__(self, split: str) -> ClipSet:
        return _clip_set(self.parts[split], self.ids[split])

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)


def _clip_set(part: SplitPieces, ids: Shaped[np.ndarray, " n"]) -> ClipSet:
    pieces = part.in_file_order()
    labels = np.repeat([piece.label for piece in pieces], [piece.rows for piece in pieces])
    features: dict[Modality, Float[Tensor, "n d"]] = {
        modality: torch.from_numpy(_take(_mapped_anew(rows), pieces)) for modality, rows in part.entry.features.items()
    }
    return ClipSet(
        features.get("audio"),
        features.get("video"),
        torch.from_numpy(labels.astype(np.int64)),
        ids,
        sequences={modality: _sequences(flat, pieces) for modality, flat in part.entry.sequences.items()},
    )


def _sequences(flat: FlatSteps, pieces: list[Piece]) -> Sequences:
    """Those of the clips of these pieces; the steps of all clips of the entry stay where they are, mapped."""
    first, length = (torch.from_numpy(np.array(_take(each, pieces))) for each in (flat.first, flat.length))
    steps, times = (torch.from_numpy(_mapped_anew(each)) for each in (flat.steps, flat.times))
    return Sequences(steps, first, length, times)


def _mapped_anew(rows: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    if not isinstance(rows, np.memmap):  # no rows, no map
        return rows
    return np.memmap(str(rows.filename), dtype=rows.dtype, mode="c", offset=rows.offset, shape=rows.shape)


def _take(rows: Shaped[np.ndarray, "_n ..."], pieces: list[Piece]) -> Shaped[np.ndarray, "_k ..."]:
    """The rows of these pieces, which are in the order of the file; a view, uncopied, where they are contiguous."""
    spans = [piece.span for piece in pieces]
    if all(span.stop == following.start for span, following in pairwise(spans)):
        return rows[spans[0].start : spans[-1].stop]
    return np.concatenate([rows[span.start : span.stop] for span in spans])


def _require_training(source: FeatureSource, classes: ClassTable, parts: Mapping[str, SplitPieces]) -> None:
    pieces = parts["train"].pieces
    filled = {piece.name for piece in pieces if piece.rows}
    empty = [
        name for name, seen in zip(classes.names, classes.seen.tolist(), strict=True) if seen and name not in filled
    ]
    if empty:
        without_clips = [piece for piece in pieces if piece.name in empty[:5]]
        files = ", ".join(
            str(path) for piece in without_clips for path in source.files(piece.stage, piece.name).values()
        )
        raise DataError(
            f"{files}: no clips (left) to train on for the seen classes {', '.join(empty)}; "
            "add clips, or list these classes as unseen"
        )


def _unique_ids(
    ids: dict[str, Shaped[np.ndarray, " n"]], parts: Mapping[str, SplitPieces]
) -> tuple[dict[str, Shaped[np.ndarray, " n"]], list[str]]:
    """Ids of which each names one clip of the data set: with the class, then also the split, before them if needed.

    Gives the ids by split, and notes.
    """
    if _differ(ids):
        return ids, []
    by_class = {split: _joined(parts[split], names) for split, names in ids.items()}
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


def _joined(part: SplitPieces, names: Shaped[np.ndarray, " n"]) -> Shaped[np.ndarray, " n"]:
    owners = [piece.name for piece in part.in_file_order() for _ in range(piece.rows)]
    return np.array([f"{owner}/{name}" for owner, name in zip(owners, names.tolist(), strict=True)], dtype=np.str_)


def _absent(source: FeatureSource) -> list[str]:
    return [f"no {modality} features" for modality in MODALITIES if modality not in source.modalities]


def _ignored(source: FeatureSource) -> list[str]:
    unlisted = source.unlisted()
    return [f"ignored the files of classes that are not listed: {', '.join(unlisted)}"] if unlisted else []


def _repairs(parts: Mapping[str, SplitPieces]) -> list[str]:
    notes = []
    every = [(unit(piece.stage, piece.name), piece) for part in parts.values() for piece in part.pieces]
    if aligned := [place for place, piece in every if piece.span.aligned]:
        notes.append(f"brought the rows of video into the order of the audio ids in: {', '.join(aligned)}")
    if dropped := [(place, piece.span.dropped) for place, piece in every if piece.span.dropped]:
        total = sum(count for _, count in dropped)
        where = ", ".join(f"{place} {count}" for place, count in dropped)
        notes.append(f"dropped {total} clips with values that are not finite: {where}")
    if empty := [place for place, piece in every if not piece.rows]:
        notes.append(f"no clips in: {', '.join(empty)}")
    return notes
