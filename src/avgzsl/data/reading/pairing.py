"""The clips of one class in one split: rows of audio and of video brought together, or refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, permutations
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Shaped

from avgzsl.data.reading.feature_files import read_features
from avgzsl.errors import DataError
from avgzsl.types import Modality


@dataclass(frozen=True, eq=False)
class AsFiled:
    """What the files of one class in one split hold; `ids` only for the files that give them."""

    files: Mapping[Modality, Path]
    features: Mapping[Modality, Float32[np.ndarray, "_n _d"]]
    ids: Mapping[Modality, Shaped[np.ndarray, " _n"]]


@dataclass(frozen=True, eq=False)
class ClassClips:
    """Row i of every modality is clip `ids[i]`. `aligned`: video rows were reordered; `dropped`: bad clips left out."""

    features: Mapping[Modality, Float32[np.ndarray, "_n _d"]]
    ids: Shaped[np.ndarray, " _n"]
    aligned: bool
    dropped: int


def read_files(files: Mapping[Modality, Path]) -> AsFiled:
    """Read the file of each modality. Raises DataError for one that is damaged."""
    read = {modality: read_features(path) for modality, path in files.items()}
    ids = {modality: given for modality, (_, given) in read.items() if given is not None}
    return AsFiled(files, {modality: rows for modality, (rows, _) in read.items()}, ids)


def read_clips(files: Mapping[Modality, Path], place: str, drop_bad_rows: bool) -> ClassClips:
    """Read and pair the files of one class in one split; clips without ids are named `place/row`.

    Raises DataError when the modalities do not hold the same clips, an id stands twice, or (unless they are to be
    dropped) values are not finite.
    """
    filed = read_files(files)
    problems = chain(mismatches(filed), () if drop_bad_rows else not_finite(filed))
    if (problem := next(problems, None)) is not None:
        raise DataError(problem)
    features, aligned = dict(filed.features), False
    if len(filed.ids) == 2 and not np.array_equal(filed.ids["audio"], filed.ids["video"]):
        features["video"], aligned = features["video"][_rows_of(filed.ids["audio"], filed.ids["video"])], True
    count = len(next(iter(features.values())))
    ids = next(iter(filed.ids.values()), None)
    if ids is None:
        ids = np.array([f"{place}/{row}" for row in range(count)], dtype=np.str_)
    good = np.logical_and.reduce([finite(rows) for rows in features.values()])
    if good.all():
        return ClassClips(features, ids, aligned, 0)
    kept = {modality: rows[good] for modality, rows in features.items()}
    return ClassClips(kept, ids[good], aligned, int((~good).sum()))


def mismatches(filed: AsFiled) -> Iterator[str]:
    """A sentence for each reason why these rows cannot be told apart or paired."""
    for modality, ids in filed.ids.items():
        values, counts = np.unique(ids, return_counts=True)
        if twice := values[counts > 1].tolist():
            yield (
                f"{filed.files[modality]}: {len(twice)} ids stand more than once: {some(twice)}; keep one row per clip"
            )
    if len({len(rows) for rows in filed.features.values()}) > 1:
        found = " but ".join(
            f"{filed.files[modality]} has {len(rows)} rows" for modality, rows in filed.features.items()
        )
        yield f"{found}; expected row i of both to be the same clip: write both from one list of clips"
    for one, other in permutations(filed.ids, 2):
        if lacking := sorted(set(filed.ids[one].tolist()) - set(filed.ids[other].tolist())):
            yield (
                f"{filed.files[one]}: {len(lacking)} ids that {filed.files[other]} lacks: {some(lacking)}; expected "
                "the same clips in both: write both from one list of clips"
            )


def not_finite(filed: AsFiled) -> Iterator[str]:
    """A sentence for each file with NaN or infinite values, naming the rows."""
    for modality, rows in filed.features.items():
        bad = np.flatnonzero(~finite(rows))
        if len(bad):
            yield (
                f"{filed.files[modality]}: NaN or infinite values in {len(bad)} of {len(rows)} rows (counted from 0): "
                f"{some(bad.tolist())}; extract these clips again, or leave them out with drop_bad_rows"
            )


def finite(rows: Float32[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
    """Which rows have finite values only."""
    return np.asarray(np.isfinite(rows).all(axis=1))


def some(values: Sequence[object]) -> str:
    """The first few of a list."""
    return ", ".join(map(str, values[:10])) + (", …" if len(values) > 10 else "")


def _rows_of(wanted: Shaped[np.ndarray, " n"], ids: Shaped[np.ndarray, " n"]) -> Shaped[np.ndarray, " n"]:
    """Where each of `wanted` stands in `ids`."""
    row = {name: position for position, name in enumerate(ids.tolist())}
    return np.array([row[name] for name in wanted.tolist()], dtype=np.int64)
