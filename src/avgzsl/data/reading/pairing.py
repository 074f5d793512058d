"""The clips of one class in one split: rows of audio and of video brought together, or refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, permutations
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Shaped

from avgzsl.data.reading.class_file import read_features
from avgzsl.errors import DataError
from avgzsl.features.clip_steps import ClipSteps
from avgzsl.types import Modality


@dataclass(frozen=True, eq=False)
class FileContents:
    """The content of the files of one class in one split, by modality; `ids` only of files that have them.

    `sequences` has the steps of each clip where files have them; the features are their means.
    """

    files: Mapping[Modality, Path]
    features: Mapping[Modality, Float32[np.ndarray, "_n _d"]]
    ids: Mapping[Modality, Shaped[np.ndarray, " _n"]]
    sequences: Mapping[Modality, tuple[ClipSteps, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ClassClips:
    """The clips of one class in one split: row i of every modality is clip `ids[i]`.

    `aligned` is whether rows of video were reordered, `dropped` how many clips were left out. Where clips are
    sequences, `sequences[modality][i]` has the steps of clip i.
    """

    features: Mapping[Modality, Float32[np.ndarray, "_n _d"]]
    ids: Shaped[np.ndarray, " _n"]
    aligned: bool
    dropped: int
    sequences: Mapping[Modality, tuple[ClipSteps, ...]] = field(default_factory=dict)


def read_files(files: Mapping[Modality, Path]) -> FileContents:
    """Read the file of each modality. Raises DataError for one that is damaged."""
    read = {modality: read_features(path, modality) for modality, path in files.items()}
    ids = {modality: file.ids for modality, file in read.items() if file.ids is not None}
    sequences = {modality: file.steps for modality, file in read.items() if file.steps is not None}
    return FileContents(files, {modality: file.rows for modality, file in read.items()}, ids, sequences)


def read_clips(files: Mapping[Modality, Path], place: str, drop_bad_rows: bool) -> ClassClips:
    """Read and pair the files of one class in one split; clips without ids are named `place/row`.

    Raises DataError when the modalities do not hold the same clips, an id stands twice, or (unless they are to be
    dropped) values are not finite.
    """
    contents = read_files(files)
    problems = chain(mismatches(contents), () if drop_bad_rows else not_finite(contents))
    if (problem := next(problems, None)) is not None:
        raise DataError(problem)
    features, sequences, aligned = dict(contents.features), dict(contents.sequences), False
    if len(contents.ids) == 2 and not np.array_equal(contents.ids["audio"], contents.ids["video"]):
        rows, aligned = _rows_of(contents.ids["audio"], contents.ids["video"]), True
        features["video"] = features["video"][rows]
        if "video" in sequences:
            sequences["video"] = _taken(sequences["video"], rows)
    count = len(next(iter(features.values())))
    ids = next(iter(contents.ids.values()), None)
    if ids is None:
        ids = np.array([f"{place}/{row}" for row in range(count)], dtype=np.str_)
    is_finite = np.logical_and.reduce([finite(rows) for rows in features.values()])
    if is_finite.all():
        return ClassClips(features, ids, aligned, 0, sequences)
    features_left = {modality: rows[is_finite] for modality, rows in features.items()}
    left = {modality: _taken(clips, np.flatnonzero(is_finite)) for modality, clips in sequences.items()}
    return ClassClips(features_left, ids[is_finite], aligned, int((~is_finite).sum()), left)


def mismatches(contents: FileContents) -> Iterator[str]:
    """A sentence for each reason why these rows cannot be told apart or paired."""
    for modality, ids in contents.ids.items():
        values, counts = np.unique(ids, return_counts=True)
        if twice := values[counts > 1].tolist():
            file = contents.files[modality]
            yield f"{file}: {len(twice)} ids stand more than once: {some(twice)}; keep one row per clip"
    if len({len(rows) for rows in contents.features.values()}) > 1:
        row_counts = " but ".join(
            f"{contents.files[modality]} has {len(rows)} rows" for modality, rows in contents.features.items()
        )
        yield f"{row_counts}; expected row i of both to be the same clip: write both from one list of clips"
    for first, second in permutations(contents.ids, 2):
        if lacking := sorted(set(contents.ids[first].tolist()) - set(contents.ids[second].tolist())):
            yield (
                f"{contents.files[first]}: {len(lacking)} ids that {contents.files[second]} lacks: {some(lacking)}; "
                "expected the same clips in both: write both from one list of clips"
            )


def not_finite(contents: FileContents) -> Iterator[str]:
    """A sentence for each file with NaN or infinite values, naming the rows."""
    for modality, rows in contents.features.items():
        bad_rows = np.flatnonzero(~finite(rows))
        if len(bad_rows):
            yield (
                f"{contents.files[modality]}: NaN or infinite values in {len(bad_rows)} of {len(rows)} rows (counted "
                f"from 0): {some(bad_rows.tolist())}; extract these clips again, or leave them out with drop_bad_rows"
            )


def finite(rows: Float32[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
    """Which rows have finite values only."""
    return np.asarray(np.isfinite(rows).all(axis=1))


def some(values: Sequence[object]) -> str:
    """The first few of a list."""
    return ", ".join(map(str, values[:10])) + (", …" if len(values) > 10 else "")


def _taken(clips: Sequence[ClipSteps], rows: Shaped[np.ndarray, " k"]) -> tuple[ClipSteps, ...]:
    return tuple(clips[row] for row in rows.tolist())


def _rows_of(clips: Shaped[np.ndarray, " n"], ids: Shaped[np.ndarray, " n"]) -> Shaped[np.ndarray, " n"]:
    """The row in `ids` of each of `clips`."""
    row = {name: position for position, name in enumerate(ids.tolist())}
    return np.array([row[name] for name in clips.tolist()], dtype=np.int64)
