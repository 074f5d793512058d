"""Where the clips of an index come from: a store of features with their files, or a data set of features alone."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.indexed_files import IndexedFile
from avgzsl.data.clips import ClipSet, Dataset, Encoder
from avgzsl.data.layouts import as_dataset, find_layout
from avgzsl.data.reading.stored_splits import clip_splits, not_finite, stored_sequences
from avgzsl.errors import DataError, RunError, UnknownNameError
from avgzsl.experiments.run import Run
from avgzsl.features.class_splits import ClassSplit, read_class_split
from avgzsl.features.feature_store import Store, is_store, open_store, read_record
from avgzsl.features.folder_kinds import SUFFIXES, kind_of_folder, what_it_is
from avgzsl.media.version import DECODER
from avgzsl.recognition.encoders import same_encoder, spec_of
from avgzsl.support.registry import unknown
from avgzsl.text.spellings import written_as
from avgzsl.types import MODALITIES

_BATCH = 8192  # as many as a method embeds at once: the same bits as in evaluation


class Batch(NamedTuple):
    """Some clips: what is known of them, and their features."""

    clips: list[IndexedClip]
    features: ClipSet


class ClipSource(NamedTuple):
    """Clips to be indexed: how many, and batches of them."""

    total: int
    batches: Iterator[Batch]


def kind_of(source: Path | str) -> Literal["store", "features", "media"]:
    """What a folder holds. Raises DataError when it is none of them."""
    path = Path(source)
    if is_store(path):
        return "store"
    if kind_of_folder(path) in ("run", "index"):
        raise DataError(f"{path}: is not what can be indexed{what_it_is(path, 'clips')}")
    try:
        find_layout(path, None)
        return "features"
    except DataError:
        if path.is_dir() and any(file.suffix.lower() in SUFFIXES for file in path.rglob("*")):
            return "media"
        raise


def decoder_of(source: Path | str) -> int | None:
    """Which version of the decoder the features of a source are of; None where nobody knows: a folder of features.

    Raises DataError when it is no source.
    """
    kind = kind_of(source)
    if kind == "store":
        return read_record(Path(source)).decoder
    return DECODER if kind == "media" else None


def open_source(run: Run, source: Path | str, split: str | None) -> ClipSource:
    """The clips of a store or of a folder of features, or of one of its splits.

    What the run was trained on is split as it was then. Raises RunError when the features are not of the run's
    encoders, DataError, UnknownNameError for the split.
    """
    path, trained_on = Path(source), run.config.data
    own = str(path.resolve()) == trained_on.path
    if kind_of(path) == "store":
        store = open_store(path)
        _require_encoders(run, store)
        _require_sequences(run, store.folder, store.sequences)
        if own:
            _, division = read_class_split(store.folder, trained_on.class_split)
            return from_store(run, store, _splits_of(run, store, division), split, _classes_of(run, store, division))
        return from_store(run, store, dict(enumerate(store.clips["split"])), split)
    dataset = as_dataset(path, trained_on.own_choice if own else None)
    return from_dataset(run, dataset, list(dataset.splits) if split is None else [split])


def _classes_of(run: Run, store: Store, division: ClassSplit) -> list[str | None]:
    """The class of each clip, as the run names it."""
    trained_on, labels = run.config.data, division.labels(store.clips["label"])
    if not trained_on.merge_spellings:
        return list(labels)
    names = written_as((*trained_on.seen, *trained_on.unseen), set(filter(None, labels)))
    return [None if label is None else names.get(label, label) for label in labels]


def _splits_of(run: Run, store: Store, division: ClassSplit) -> dict[int, str | None]:
    """The split of each row of the store that the run was trained on, without the rows that the run dropped.

    A class split moves clips of unseen classes out of train, whatever the manifest says.
    """
    splits, _ = clip_splits(store, division)
    dropped = not_finite(store) if run.config.data.drop_bad_rows else np.zeros(len(store), bool)
    return {row: str(splits[row]) or None for row in np.flatnonzero(~dropped).tolist()}


def from_dataset(run: Run, dataset: Dataset, splits: Sequence[str]) -> ClipSource:
    """The clips of some splits, as the run reads them.

    Raises DataError for an id that comes twice, RunError for clips without the sequences that the run reads.
    """
    parts = [(name, dataset.split(name)) for name in splits]
    for _, clips in parts:
        _require_sequences(run, dataset.source, clips.sequences)
    _require_unique(dataset.source, [clip for _, clips in parts for clip in clips.ids.tolist()])

    def batches() -> Iterator[Batch]:
        for split, clips in parts:
            for rows in torch.arange(len(clips)).split(_BATCH):
                part = _as_read(run, clips.take(rows))
                labels = [dataset.classes.names[label] for label in part.labels.tolist()]
                yield _batch(part, [{"label": label, "split": split} for label in labels])

    return ClipSource(sum(len(clips) for _, clips in parts), batches())


def from_store(
    run: Run,
    store: Store,
    splits: Mapping[int, str | None],
    split: str | None = None,
    labels: Sequence[str | None] | None = None,
) -> ClipSource:
    """The clips of a store, labelled or not: those in the rows of `splits`, which says the split of each, or in one.

    They come split by split and class by class, as they do in evaluation; `labels` are the store's own, if not given.
    Raises UnknownNameError for the split.
    """
    labels = store.clips["label"] if labels is None else labels
    parts: dict[str | None, list[int]] = {}
    for row in sorted(splits, key=lambda row: labels[row] or ""):
        parts.setdefault(splits[row], []).append(row)
    if split is not None and split not in parts:
        raise UnknownNameError(f"{store.folder}: {unknown('split', split, {name for name in parts if name})}")
    chosen = [(name, np.array(rows, np.int64)) for name, rows in parts.items() if split in (None, name)]

    def batches() -> Iterator[Batch]:
        for name, rows in chosen:
            for start in range(0, len(rows), _BATCH):
                part = rows[start : start + _BATCH]
                known = _known(store, part)
                for row, clip in zip(part.tolist(), known, strict=True):
                    clip |= {"label": labels[row], "split": name}
                yield _batch(_as_read(run, _features(store, part)), known)

    return ClipSource(sum(len(rows) for _, rows in chosen), batches())


def _features(store: Store, rows: np.ndarray) -> ClipSet:
    arrays = {m: store.feature(m) for m in MODALITIES}
    features = {m: None if x is None else torch.from_numpy(np.array(x[rows])) for m, x in arrays.items()}
    chosen = rows.tolist()
    has = {m: torch.tensor([store.clips[f"has_{m}"][row] for row in chosen], dtype=torch.bool) for m in MODALITIES}
    ids = np.array([store.clips["id"][row] for row in chosen], dtype=str)
    labels = torch.zeros(len(rows), dtype=torch.int64)  # embedding does not look at them
    sequences = {m: stored_sequences(store, m, rows) for m in store.sequences}
    return ClipSet(features["audio"], features["video"], labels, ids, has["audio"], has["video"], sequences)


def _as_read(run: Run, clips: ClipSet) -> ClipSet:
    """Without the sequences that the run's method does not read: to an index of vectors they are no change."""
    read = {m: own for m, own in clips.sequences.items() if m in run.config.data.sequences}
    return replace(clips, sequences=read)


def _known(store: Store, rows: np.ndarray) -> list[dict[str, Any]]:
    """What the store says of the clips in these rows, by field of `IndexedClip`."""
    kept = [name for name in ("start", "end", "licence", "source") if name in store.clips]
    root = Path(store.record.root)

    clips = []
    for row in map(store.clips.row, rows.tolist()):
        file = IndexedFile(*(row[name] for name in IndexedFile._fields))
        own = {name: row[name] for name in kept}
        clips.append({**own, "end": _end(row), "path": str(root / row["path"]), "file": file})
    return clips


def _end(row: dict[str, Any]) -> float | None:
    """Where a clip ends, in seconds; its file's end, where it has none of its own and the file has a duration."""
    duration: float | None = json.loads(row["info"] or "{}").get("duration")
    end: float | None = row["end"]
    return duration if end is None else end


def _batch(part: ClipSet, known: list[dict[str, Any]]) -> Batch:
    """The clips of a part, of each of which this is known."""
    has = {m: part.has(m).tolist() for m in MODALITIES}
    clips = []
    for i, said in enumerate(known):
        flags = {f"has_{m}": has[m][i] for m in MODALITIES}
        features = [x[i] for m in MODALITIES if (x := part.feature(m)) is not None and has[m][i]]
        features += [each for m in MODALITIES if m in part.sequences for each in part.sequences[m].clip(i)]
        fields = {"id": str(part.ids[i]), **said, **flags}
        clips.append(IndexedClip(hash=_content_hash(fields, features), **fields))
    return Batch(clips, part)


def _content_hash(known: dict[str, Any], features: Sequence[Tensor]) -> str:
    """Where a file lies and when it was written is not what a clip is: an archive may move."""
    digest = sha256(repr(sorted((k, v) for k, v in known.items() if k not in ("path", "file"))).encode())
    for feature in features:
        digest.update(feature.float().contiguous().numpy().data)
    return digest.hexdigest()


def _require_unique(source: str, ids: list[str]) -> None:
    if len(set(ids)) == len(ids):
        return
    twice = sorted(name for name, times in Counter(ids).items() if times > 1)
    raise DataError(
        f"{source}: {len(twice)} ids stand for several clips, as {twice[0]!r}; index one split with --split, or give "
        "each clip an id of its own"
    )


def _require_sequences(run: Run, source: Path | str, kept: Collection[str]) -> None:
    """The mean of a clip would be embedded without complaint, and not be what the run compares."""
    if lacking := [modality for modality in run.config.data.sequences if modality not in kept]:
        raise RunError(
            f"{source}: has {' and '.join(lacking)} as means alone, and {run.folder} was trained on sequences; extract "
            "the clips again with --keep-sequence, or index the files themselves"
        )


def _require_encoders(run: Run, store: Store) -> None:
    """Features of other networks would be embedded without complaint, and mean nothing."""
    known = run.config.data.encoders
    for modality in MODALITIES:
        ours, theirs = known.get(modality), store.record.encoders.get(modality)
        if ours is None or theirs is None:
            continue
        spec = spec_of(run, ours)
        if not same_encoder(ours, Encoder(theirs.spec, theirs.weights)):
            raise RunError(
                f"{store.folder}: its {modality} features are of {theirs.spec}, but {run.folder} was trained on those "
                f"of {spec}; extract them with the run's own: `avgzsl extract CLIPS --{modality} {spec} …`"
            )
        if ours.unit != theirs.unit:
            one, other = ("older", "unit length") if theirs.unit else ("newer", "any length")
            raise RunError(
                f"{store.folder}: its {modality} features of {theirs.spec} have {other}, and {run.folder} was trained "
                f"on those of an {one} store, that have not; index the clips themselves, `avgzsl index RUN CLIPS …`, "
                "and they are extracted as the run knows them"
            )
