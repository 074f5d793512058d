"""Clips labelled anew by others: several classes a clip, each audible, visible or both. The csv of VGGSounder.

VGGSounder (Zverev et al., ICCV 2025; package `vggsounder`) has columns video_id (VGGSound's YOUTUBEID_SECONDS), label
(VGGSound's names) and modality (A audible, V visible, AV both), a line a label. Other columns are not read.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from avgzsl.errors import DataError
from avgzsl.support.trust import read_regular
from avgzsl.text.names import shown
from avgzsl.text.spellings import class_key

Mark = Literal["A", "V", "AV"]
MARKS: tuple[Mark, ...] = get_args(Mark)
COLUMNS = ("video_id", "label", "modality")
_LARGEST = 256 << 20  # bytes
_EXPECTED = (
    f"expected a csv with the columns {', '.join(COLUMNS)}, as vggsounder.csv of the package vggsounder "
    "(pip download vggsounder --no-deps; in its folder vggsounder/data)"
)


@dataclass(frozen=True, eq=False)
class Relabelling:
    """`labels[clip][class]` says how the class is marked in the clip; `sha256` is that of the file."""

    path: Path
    sha256: str
    labels: Mapping[str, Mapping[str, Mark]]


@dataclass(frozen=True, eq=False)
class RelabelledClips:
    """The new labels of n clips among c classes, from `relabelling`; a clip that it does not list carries none.

    Labels of listed clips that are none of the c classes are counted by name in `outside`.
    """

    relabelling: Relabelling
    audible: Bool[Tensor, "n c"]
    visible: Bool[Tensor, "n c"]
    listed: Bool[Tensor, " n"]
    outside: Mapping[str, int]

    @property
    def carried(self) -> Bool[Tensor, "n c"]:
        """All labels, however they are marked."""
        return self.audible | self.visible


def read_relabelling(path: str | Path) -> Relabelling:
    """The labels in a csv. Raises DataError, naming file and line."""
    path = Path(path)
    try:
        content = read_regular(path, DataError, _LARGEST)
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header, rows = reader.fieldnames or [], [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path}: not readable as csv ({problem}); {_EXPECTED}") from problem
    if missing := [name for name in COLUMNS if name not in header]:
        raise DataError(f"{path}: no column {missing[0]} (columns: {', '.join(header) or 'none'}); {_EXPECTED}")
    labels: dict[str, dict[str, Mark]] = {}
    for number, row in rows:
        clip, name, mark = _checked(f"{path}: line {number}", row)
        if labels.setdefault(clip, {}).setdefault(name, mark) != mark:
            raise DataError(
                f"{path}: line {number}: {name!r} of clip {clip} is {mark} here and {labels[clip][name]} before; keep "
                "one of the two lines"
            )
    if not labels:
        raise DataError(f"{path}: no lines below the header; {_EXPECTED}")
    return Relabelling(path, sha256(content).hexdigest(), labels)


def relabelled_clips(
    relabelling: Relabelling, ids: Shaped[np.ndarray, " n"], names: Sequence[str], source: str
) -> RelabelledClips:
    """Look up clips by id, with or without folder and extension, and classes by name in any spelling.

    `source` says whose clips they are, for messages. Raises DataError where no clip is in the file, or no label of
    those that are is one of the classes.
    """
    place = {class_key(name): index for index, name in reversed(list(enumerate(names)))}
    place |= {name: index for index, name in enumerate(names)}
    audible, visible = (torch.zeros(len(ids), len(names), dtype=torch.bool) for _ in range(2))
    listed = torch.zeros(len(ids), dtype=torch.bool)
    outside: dict[str, int] = {}
    for row, clip in enumerate(map(str, ids)):
        labels = relabelling.labels.get(clip) or relabelling.labels.get(PurePosixPath(clip).stem, {})
        listed[row] = bool(labels)
        for name, mark in labels.items():
            index = place.get(name, place.get(class_key(name)))
            if index is None:
                outside[name] = outside.get(name, 0) + 1
            else:
                audible[row, index] |= "A" in mark
                visible[row, index] |= "V" in mark
    _require_some(relabelling, listed, audible | visible, (ids, names, outside), source)
    return RelabelledClips(relabelling, audible, visible, listed, outside)


def _checked(where: str, row: Mapping[str, str | None]) -> tuple[str, str, Mark]:
    clip, name, given = ((row[column] or "").strip() for column in COLUMNS)
    if not clip or not name:
        raise DataError(f"{where}: no {COLUMNS[0] if not clip else COLUMNS[1]}; give both or remove the line")
    mark = next((one for one in MARKS if one == given), None)
    if mark is None:
        raise DataError(f"{where}: modality is {given!r}; expected one of {', '.join(MARKS)}")
    return clip, name, mark


def _require_some(
    relabelling: Relabelling,
    listed: Bool[Tensor, " n"],
    carried: Bool[Tensor, "n c"],
    given: tuple[Shaped[np.ndarray, " n"], Sequence[str], Mapping[str, int]],
    source: str,
) -> None:
    ids, names, outside = given
    if not bool(listed.any()):
        raise DataError(
            f"{relabelling.path}: has none of the {len(ids)} clips of {source}: their ids are like "
            f"{shown(map(str, ids[:2]))}, its own like {shown(list(relabelling.labels)[:2])}; give the labels of these "
            "clips, or clips with its ids"
        )
    if not bool(carried.any()):
        raise DataError(
            f"{relabelling.path}: no label of the {int(listed.sum())} clips of {source} that it has is a class that is "
            f"tested: it has {shown(outside, 3)}, tested are {shown(names[:3])}; give labels in these names"
        )
