"""One pass over every feature file of a source, class by class, that collects what is wrong instead of stopping."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from jaxtyping import Float32

from avgzsl.data.reading.class_file import PICKLED
from avgzsl.data.reading.pairing import FileContents, finite, mismatches, not_finite, read_files, some
from avgzsl.data.reading.source import FeatureSource, StageClasses
from avgzsl.errors import DataError
from avgzsl.types import Modality


@dataclass
class Range:
    """Statistics of the rows of one modality; rows that are not finite are not counted.

    `zero` counts rows of zeros, `norms` sums their lengths; `dimensions` counts files by dimension, and `sizes` has
    that of each file. `splits_of` has the splits in which a row stands, by a hash of its bytes. `lengths` counts clips
    by their steps, where they are sequences.
    """

    rows: int = 0
    zero: int = 0
    lowest: float = np.inf
    highest: float = -np.inf
    norms: float = 0.0
    dimensions: Counter[int] = field(default_factory=Counter)
    sizes: dict[str, int] = field(default_factory=dict)
    splits_of: dict[bytes, set[str]] = field(default_factory=dict)
    lengths: Counter[int] = field(default_factory=Counter)

    def add(self, rows: Float32[np.ndarray, "n d"], split: str, file: str) -> None:
        """Count the rows of one file."""
        if not rows.shape[1]:  # a pickled file without clips has no dimension
            return
        self.dimensions[rows.shape[1]] += 1
        self.sizes[file] = rows.shape[1]
        finite_rows = rows[finite(rows)]
        if not len(finite_rows):
            return
        norms = np.sqrt(np.einsum("ij,ij->i", finite_rows, finite_rows, dtype=np.float64))
        self.rows += len(finite_rows)
        self.zero += int((norms == 0).sum())
        self.lowest, self.highest = (
            min(self.lowest, float(finite_rows.min())),
            max(self.highest, float(finite_rows.max())),
        )
        self.norms += float(norms.sum())
        for row in finite_rows[norms > 0]:
            self.splits_of.setdefault(blake2b(row.data, digest_size=12).digest(), set()).add(split)

    def summary(self) -> dict[str, Any]:
        """`dimension`, `min`, `max` and `mean_norm`, None where there are no rows."""
        some_rows = self.rows > 0
        return {
            "dimension": self.dimensions.most_common(1)[0][0] if self.dimensions else None,
            "min": self.lowest if some_rows else None,
            "max": self.highest if some_rows else None,
            "mean_norm": self.norms / self.rows if some_rows else None,
        }


@dataclass
class Survey:
    """Of a source: clips by class and stage, ranges by modality, (stage, class) pairs by id of a clip, and problems.

    `nameless` are pickled files that do not name their clips.
    """

    clips: dict[str, dict[str, int]] = field(default_factory=dict)
    ranges: dict[Modality, Range] = field(default_factory=dict)
    places: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    nameless: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def survey(source: FeatureSource, needed: StageClasses) -> Survey:
    """Read the files of the `needed` classes of each stage; files that are not there are left out."""
    result = Survey(ranges={modality: Range() for modality in source.modalities})
    for stage, names in needed.items():
        for name in names:
            _add(result, source, stage, name)
    for modality, span in result.ranges.items():
        usual = span.summary()["dimension"]
        result.problems += [
            f"{file}: {size} numbers a clip; expected {usual}, as most {modality} files have"
            for file, size in span.sizes.items()
            if size != usual
        ]
    return result


def remarks(result: Survey) -> list[str]:
    """Sentences about what is read without error but may be a mistake: rows of zeros, and rows that occur twice."""
    sentences = []
    for modality, span in result.ranges.items():
        if span.zero:
            sentences.append(f"{span.zero} rows of {modality} are all zero")
        leaked = sum(1 for splits in span.splits_of.values() if len(splits) > 1)
        if leaked:
            sentences.append(f"{leaked} different rows of {modality} stand, number for number, in more than one split")
        if span.lengths:
            sentences.append(f"{modality}: {kept_as_sequences(span.lengths)}")
        if repeated := span.rows - span.zero - len(span.splits_of):
            sentences.append(f"{repeated} rows of {modality} repeat another row, number for number")
    if result.nameless:
        sentences.append(
            f"{len(result.nameless)} files do not say which clip is which (they name none, or more than they hold): "
            f"{some(result.nameless)}; clips are called CLASS/STAGE/ROW there, and row i of audio and video is one clip"
        )
    return sentences


def kept_as_sequences(lengths: Mapping[int, int]) -> str:
    """How many steps there are in all, and a clip, of clips counted by their steps."""
    there = [length for length in lengths if length]
    spread = f", {min(there)} to {max(there)} a clip" if there else ""
    return f"kept as sequences, {sum(length * count for length, count in lengths.items())} steps{spread}"


def shared_ids(result: Survey) -> list[str]:
    """Ids that stand in several splits (the same clip in training and test?) or in several classes."""
    problems = []
    across = sorted(clip for clip, places in result.places.items() if len({split for split, _ in places}) > 1)
    if across:
        problems.append(f"{len(across)} ids stand in more than one split: {some(across)}; no clip may be in two")
    classes = sorted(clip for clip, places in result.places.items() if len({name for _, name in places}) > 1)
    if classes:
        problems.append(f"{len(classes)} ids stand in more than one class: {some(classes)}")
    return problems


def _add(result: Survey, source: FeatureSource, stage: str, name: str) -> None:
    file_contents = []
    for modality, path in source.files(stage, name).items():
        if not path.exists():
            continue
        try:
            contents = read_files({modality: path})
        except DataError as problem:
            result.problems.append(str(problem))
            continue
        file_contents.append(contents)
        if path.suffix == PICKLED and modality not in contents.ids:
            result.nameless.append(str(path))
        result.ranges[modality].add(contents.features[modality], stage, str(path))
        result.ranges[modality].lengths.update(map(len, contents.sequences.get(modality, ())))
        for clip in contents.ids.get(modality, np.array([], np.str_)).tolist():
            result.places.setdefault(clip, set()).add((stage, name))
    pair = FileContents(
        {modality: path for contents in file_contents for modality, path in contents.files.items()},
        {modality: rows for contents in file_contents for modality, rows in contents.features.items()},
        {modality: ids for contents in file_contents for modality, ids in contents.ids.items()},
    )
    result.problems += [*mismatches(pair), *not_finite(pair)]
    result.clips.setdefault(name, {})[stage] = max((len(rows) for rows in pair.features.values()), default=0)
